/** Rows to export, in order: a plan's draws, or a dataset's kept episodes. */
import { createHash } from 'node:crypto';
import { ROLES } from '../../schemas/episode.ts';
import { PrepError } from '../../schemas/errors.ts';
import type { MixedRows } from '../../schemas/mixed-row.ts';
import { CAMERA_NUMBERS, type PrepMetadata, VECTOR } from '../../schemas/row.ts';
import type { LedgerRow } from '../../sinks/arrow-rows.ts';
import type { ExportSet, ExportUnit } from '../../sinks/export/format.ts';
import { openDataset } from '../../sinks/read.ts';
import type { Store } from '../../sinks/store.ts';
import { openTaker, type TakenRow } from '../../sinks/take.ts';
import { openPlanRows } from '../mixed/plan-rows.ts';

export interface ExportRows {
  readonly set: ExportSet;
  /** What the rows are, so that another run knows them again. */
  readonly source: object;
  readonly units: readonly ExportUnit[];
  /** Rows [from, to) of the export. */
  rows(from: number, to: number): Promise<MixedRows>;
  close(): void;
}

export interface RowsRequest {
  /** Of draws, or of kept episodes in the order of their ids; null: all. */
  readonly range: readonly [number, number] | null;
  /** Rows per file. */
  readonly shardSize: number;
}

/** Draws that an export by episodes calls an episode: enough for its statistics, few enough to hold. */
const DRAWS_PER_EPISODE = 1024;

/** @throws PrepError `unknown-plan`, `unknown-dataset`, `bad-option` */
export async function planExport(store: Store, plan: string, { range, shardSize }: RowsRequest): Promise<ExportRows> {
  const rows = await openPlanRows(store, plan);
  const [from, to] = within(range, rows.draws, 'draws');
  const units = drawUnits(to - from, shardSize);
  const { datasets, image } = rows.metadata as { datasets: Record<string, PrepMetadata>; image: ExportSet['image'] };
  return {
    set: {
      kind: 'plan',
      shape: rows.shape,
      rows: to - from,
      episodes: units.at(-1)!.episodes.at(-1)!.index + 1,
      hz: null,
      robots: [...new Set(Object.values(datasets).flatMap(({ robots }) => Object.keys(robots)))].sort(),
      image,
      rot6d: rows.harmony.rot6d,
      metadata: rows.metadata,
    },
    source: { plan, from, to, fingerprint: rows.fingerprint },
    units,
    rows: (first, end) => rows.rows(Array.from({ length: end - first }, (_, i) => from + first + i)),
    close: rows.close,
  };
}

function drawUnits(draws: number, size: number): ExportUnit[] {
  let episode = 0;
  return stretches(0, draws, size).map(([start, end], index) => ({
    index,
    start,
    end,
    episodes: stretches(start, end, DRAWS_PER_EPISODE).map(([first, last]) => ({
      index: episode++,
      start: first,
      end: last,
      name: '',
    })),
  }));
}

/** [from, to) in pieces of `size`; the last may be shorter. */
export function stretches(from: number, to: number, size: number): [number, number][] {
  return Array.from({ length: Math.ceil((to - from) / size) }, (_, i) => [
    from + i * size,
    Math.min(to, from + (i + 1) * size),
  ]);
}

/** @throws PrepError `unknown-dataset`, `bad-option`, `nothing-kept` */
export async function datasetExport(
  store: Store,
  dataset: string,
  { range, shardSize }: RowsRequest,
): Promise<ExportRows> {
  const reader = await openDataset(store.uri, dataset);
  const ledger = await reader.ledger();
  reader.close();
  const kept = ledger.filter(({ entry, rows }) => entry.state === 'kept' && rows > 0);
  if (kept.length === 0)
    throw new PrepError({
      code: 'nothing-kept',
      at: { store: store.uri, dataset },
      found: 'no kept episode with rows',
    });
  const [from, to] = within(range, kept.length, 'episodes');
  const chosen = kept.slice(from, to);
  const units = episodeUnits(chosen, shardSize);
  const taker = await openTaker(store, dataset);
  const { metadata } = taker;
  const roles = ROLES.filter((role) => metadata.roles[role] !== undefined);
  const shape = { arms: metadata.arms.length, roles, steps: metadata.chunk.steps };
  const rates = new Set(chosen.map(({ entry }) => entry.hz));
  const starts = Float64Array.from(units.flatMap(({ episodes }) => episodes.map(({ start }) => start)));
  const columns = [...STEP_COLUMNS, ...roles.map((role) => `image_${role}`)];
  return {
    set: {
      kind: 'dataset',
      shape,
      rows: units.at(-1)!.end,
      episodes: chosen.length,
      hz: rates.size === 1 ? chosen[0]!.entry.hz : null,
      robots: [...new Set(chosen.map(({ entry }) => entry.robot))].sort(),
      image: metadata.image,
      rot6d: metadata.rot6d,
      metadata,
    },
    source: { dataset, from, to, fingerprint: metadata.fingerprint, episodes: contentHash(chosen) },
    units,
    async rows(first, end) {
      const wanted = Array.from({ length: end - first }, (_, i) => placeOf(starts, chosen, first + i));
      return mixed(await taker.take(wanted, columns), { dataset, metadata, shape, wanted, first });
    },
    close: taker.close,
  };
}

function episodeUnits(chosen: readonly LedgerRow[], size: number): ExportUnit[] {
  const units: { index: number; start: number; end: number; episodes: ExportUnit['episodes'][number][] }[] = [];
  let start = 0;
  for (const [index, { entry, rows }] of chosen.entries()) {
    const last = units.at(-1);
    const episode = { index, start, end: start + rows, name: entry.episode };
    if (last && last.end - last.start < size) {
      last.episodes.push(episode);
      last.end = episode.end;
    } else units.push({ index: units.length, start, end: episode.end, episodes: [episode] });
    start = episode.end;
  }
  return units;
}

/** Another choice of episodes, or another content of one, is another export. */
function contentHash(chosen: readonly LedgerRow[]): string {
  const hash = createHash('sha256');
  for (const { entry, rows } of chosen) hash.update(`${entry.episodeKey} ${entry.fingerprint} ${rows}\n`);
  return hash.digest('hex').slice(0, 32);
}

function within(range: RowsRequest['range'], count: number, what: string): readonly [number, number] {
  const [from, to] = range ?? [0, count];
  if (from >= 0 && from < to && to <= count) return [from, to];
  throw new PrepError({
    code: 'bad-option',
    at: { field: '--range' },
    expected: `${what} within 0:${count}`,
    found: `${from}:${to}`,
  });
}

interface Place {
  readonly episodeKey: bigint;
  readonly step: number;
}

/** The episode whose rows hold `row`, by bisection. */
function placeOf(starts: Float64Array, chosen: readonly LedgerRow[], row: number): Place {
  let [low, high] = [0, starts.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (starts[middle]! <= row) low = middle;
    else high = middle - 1;
  }
  return { episodeKey: chosen[low]!.entry.episodeKey, step: row - starts[low]! };
}

const STEP_COLUMNS = [
  'episode',
  'time',
  'robot',
  'third',
  'instruction',
  'action',
  'action_valid',
  'history',
  'proprio',
  'camera',
  'image_hash',
  'present',
  'flags',
];

interface OwnRows {
  readonly dataset: string;
  readonly metadata: PrepMetadata;
  readonly shape: ExportSet['shape'];
  readonly wanted: readonly Place[];
  readonly first: number;
}

/** Step rows of one table as they are. Nothing was drawn: `draw` counts the rows of the export, and there is no seed. */
function mixed(taken: readonly TakenRow[], { dataset, metadata, shape, wanted, first }: OwnRows): MixedRows {
  const { arms, roles, steps } = shape;
  const cell = <T>(name: string): T[] => taken.map(({ batch, at }) => batch.getChild(name)!.get(at) as T);
  const floats = (name: string, width: number): Float32Array => {
    const out = new Float32Array(taken.length * width);
    for (const [i, one] of cell<{ toArray(): Float32Array }>(name).entries()) out.set(one.toArray(), i * width);
    return out;
  };
  const hashes = cell<{ toArray(): BigInt64Array }>('image_hash').flatMap((one) => [...one.toArray()]);
  return {
    count: taken.length,
    dataset: taken.map(() => dataset),
    draw: BigInt64Array.from(taken, (_, i) => BigInt(first + i)),
    seed: new BigUint64Array(taken.length),
    reference: new Int8Array(taken.length).fill(metadata.reference === 'base' ? -1 : ROLES.indexOf(metadata.reference)),
    instructions: taken.map(({ episode }) => episode.instructions),
    hz: Float32Array.from(taken, ({ episode }) => episode.hz),
    episode: cell('episode'),
    step: Int32Array.from(wanted, ({ step }) => step),
    episodeKey: BigInt64Array.from(wanted, ({ episodeKey }) => episodeKey),
    group: BigInt64Array.from(taken, ({ episode }) => episode.group),
    time: Float64Array.from(cell<number>('time')),
    robot: cell('robot'),
    third: cell('third'),
    instruction: cell('instruction'),
    images: Object.fromEntries(roles.map((role) => [role, cell<Uint8Array>(`image_${role}`)])),
    action: floats('action', arms * steps * VECTOR),
    actionValid: Int16Array.from(cell<number>('action_valid')),
    history: floats('history', arms * VECTOR),
    proprio: floats('proprio', arms * VECTOR),
    camera: floats('camera', roles.length * CAMERA_NUMBERS),
    imageHash: BigInt64Array.from(hashes),
    present: Int32Array.from(cell<number>('present')),
    flags: Int32Array.from(cell<number>('flags')),
  };
}
