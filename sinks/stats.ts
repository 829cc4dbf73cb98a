/** Tables of statistics: moments per episode, histograms per few hundred episodes, documents. Rows are only ever added. */
import { createHash } from 'node:crypto';
import { momentSchema, type StatsSubject, sketchSchema, statsTables } from '../schemas/stats.ts';
import * as column from './columns.ts';
import { KEEP_VERSIONS_MS } from './lance.ts';
import { attempt, type LanceTable, newest, openOrCreate, quoted, retryConflicts, type Store } from './store.ts';

/** Numbers per row of `<dataset>_stats`, in its order. */
export interface StoredMoments {
  readonly count: Float64Array;
  readonly mean: Float64Array;
  readonly m2: Float64Array;
  readonly min: Float64Array;
  readonly max: Float64Array;
}

export interface EpisodeMoments {
  readonly subject: StatsSubject;
  readonly rows: number;
  readonly moments: StoredMoments;
}

export interface Shape {
  readonly arms: number;
  readonly steps: number;
}

export interface Sketch extends Shape {
  /** Keys of the subjects whose values the histograms count. */
  readonly members: readonly string[];
  readonly bins: Uint8Array;
}

/** Where rows of statistics stand: stable row ids by key. */
export interface StatsIndex {
  readonly moments: ReadonlyMap<string, bigint>;
  readonly sketches: readonly { readonly row: bigint; readonly members: readonly string[] }[];
}

export interface StatsStore {
  index(): Promise<StatsIndex>;
  addMoments(episodes: readonly EpisodeMoments[], shape: Shape): Promise<void>;
  addSketch(sketch: Sketch): Promise<void>;
  /** In the order of `rows`. */
  readMoments(rows: readonly bigint[]): AsyncGenerator<StoredMoments>;
  readSketches(rows: readonly bigint[]): AsyncGenerator<Uint8Array>;
  /** Forgets what is about episodes that `isKnown` does not know any more. */
  prune(isKnown: (episodeKey: bigint, fingerprint: string) => boolean): Promise<number>;
  compact(): Promise<void>;
  close(): void;
}

export async function openStats(store: Store, dataset: string): Promise<StatsStore> {
  const names = statsTables(dataset);
  const moments = await openOrCreate(store, names.moments, momentSchema());
  const sketches = await openOrCreate(store, names.sketches, sketchSchema());
  const doing = <T>(what: string, work: () => Promise<T>) =>
    attempt(store.uri, `${what} the statistics of ${dataset}`, work);
  return {
    index: () => doing('read', async () => ({ moments: await keysOf(moments), sketches: await membersOf(sketches) })),
    addMoments: (episodes, shape) => doing('write', async () => void (await moments.add(momentTable(episodes, shape)))),
    addSketch: (sketch) => doing('write', async () => void (await sketches.add(sketchTable(sketch)))),
    readMoments: (rows) => momentRows(moments, rows),
    readSketches: (rows) => sketchRows(sketches, rows),
    prune: (isKnown) => doing('prune', () => prune(moments, sketches, isKnown)),
    compact: () => doing('compact', () => compact([moments, sketches])),
    close: () => [moments, sketches].forEach((table) => void table.close()),
  };
}

async function keysOf(table: LanceTable): Promise<Map<string, bigint>> {
  const found = new Map<string, bigint>();
  for await (const batch of (await newest(table)).query().select(['key']).withRowId()) {
    const [keys, rows] = [batch.getChild('key')!, batch.getChild('_rowid')!];
    for (let at = 0; at < batch.numRows; at++) found.set(keys.get(at), rows.get(at));
  }
  return found;
}

/** Bytes of a key among the members of a sketch. */
const KEY_BYTES = 16;

async function membersOf(table: LanceTable): Promise<{ row: bigint; members: string[] }[]> {
  const found: { row: bigint; members: string[] }[] = [];
  for await (const batch of (await newest(table)).query().select(['members']).withRowId())
    for (let at = 0; at < batch.numRows; at++) {
      const hex = Buffer.from(batch.getChild('members')!.get(at)).toString('hex');
      const members = Array.from({ length: hex.length / (2 * KEY_BYTES) }, (_, i) =>
        hex.slice(2 * KEY_BYTES * i, 2 * KEY_BYTES * (i + 1)),
      );
      found.push({ row: batch.getChild('_rowid')!.get(at), members });
    }
  return found.sort((a, b) => (a.row < b.row ? -1 : 1));
}

function momentTable(episodes: readonly EpisodeMoments[], { arms, steps }: Shape) {
  const schema = momentSchema();
  const list = (name: 'count' | 'mean' | 'm2' | 'min' | 'max', make: (all: Float64Array) => column.Column) => {
    const length = episodes[0]!.moments[name].length;
    const all = new Float64Array(length * episodes.length);
    for (const [i, { moments }] of episodes.entries()) all.set(moments[name], i * length);
    return column.lists(
      column.fieldOf(schema, name).type,
      episodes.map(() => length),
      make(all),
    );
  };
  const each = (pick: (subject: StatsSubject) => string) => column.texts(episodes.map(({ subject }) => pick(subject)));
  return column.tableOf(schema, [
    [
      each(({ key }) => key),
      column.int64s(episodes.map(({ subject }) => subject.episodeKey)),
      each(({ fingerprint }) => fingerprint),
      each(({ change }) => change),
      each(({ ranges }) => (ranges ? JSON.stringify(ranges.map(({ start, end }) => [start, end])) : '')),
      column.int32s(episodes.map(({ rows }) => rows)),
      column.int32s(episodes.map(() => arms)),
      column.int32s(episodes.map(() => steps)),
      list('count', (all) => column.int32s(Int32Array.from(all))),
      list('mean', column.float64s),
      list('m2', column.float64s),
      list('min', (all) => column.float32s(Float32Array.from(all))),
      list('max', (all) => column.float32s(Float32Array.from(all))),
    ],
  ]);
}

function sketchTable({ members, arms, steps, bins }: Sketch) {
  const bytes = Buffer.from(members.join(''), 'hex');
  const one = (data: Uint8Array) => column.binaries(data, Int32Array.of(0, data.length));
  return column.tableOf(sketchSchema(), [
    [
      column.texts([createHash('sha256').update(bytes).digest('hex').slice(0, 32)]),
      column.int32s([arms]),
      column.int32s([steps]),
      one(bytes),
      one(bins),
    ],
  ]);
}

/** Rows of moments (about 10 KB per arm) and of sketches (about 1 MB) that one read brings. */
const MOMENTS_PER_READ = 512;
const SKETCHES_PER_READ = 4;

async function* momentRows(table: LanceTable, rows: readonly bigint[]): AsyncGenerator<StoredMoments> {
  for (let from = 0; from < rows.length; from += MOMENTS_PER_READ) {
    const some = rows.slice(from, from + MOMENTS_PER_READ);
    const found = new Map<bigint, StoredMoments>();
    const columns = ['count', 'mean', 'm2', 'min', 'max'] as const;
    // Stable ids come back sorted, not in the order that was asked for.
    for await (const batch of table
      .takeRowIds(some)
      .select([...columns])
      .withRowId())
      for (let at = 0; at < batch.numRows; at++) {
        const numbers = (name: string) => new Float64Array(batch.getChild(name)!.get(at).toArray());
        const [count, mean, m2, min, max] = columns.map(numbers) as [
          Float64Array,
          Float64Array,
          Float64Array,
          Float64Array,
          Float64Array,
        ];
        found.set(batch.getChild('_rowid')!.get(at), { count, mean, m2, min, max });
      }
    for (const row of some) yield found.get(row)!;
  }
}

async function* sketchRows(table: LanceTable, rows: readonly bigint[]): AsyncGenerator<Uint8Array> {
  for (let from = 0; from < rows.length; from += SKETCHES_PER_READ)
    for await (const batch of table.takeRowIds(rows.slice(from, from + SKETCHES_PER_READ)).select(['bins']))
      for (let at = 0; at < batch.numRows; at++) yield batch.getChild('bins')!.get(at);
}

const PER_DELETE = 500;

async function prune(
  moments: LanceTable,
  sketches: LanceTable,
  isKnown: (episodeKey: bigint, fingerprint: string) => boolean,
): Promise<number> {
  const dead: string[] = [];
  for await (const batch of (await newest(moments)).query().select(['key', 'episode_key', 'fingerprint'])) {
    const of = (name: string) => batch.getChild(name)!;
    for (let at = 0; at < batch.numRows; at++)
      if (!isKnown(of('episode_key').get(at), of('fingerprint').get(at))) dead.push(of('key').get(at));
  }
  if (dead.length === 0) return 0;
  const gone = new Set(dead);
  const broken = (await membersOf(sketches)).filter(({ members }) => members.some((key) => gone.has(key)));
  // Sketches first: one that counts an episode whose moments are gone could never be used, nor found to be useless.
  for (const { members } of broken) {
    const key = createHash('sha256')
      .update(Buffer.from(members.join(''), 'hex'))
      .digest('hex')
      .slice(0, 32);
    await retryConflicts(async () => (await newest(sketches)).delete(`key = ${quoted(key)}`));
  }
  for (let from = 0; from < dead.length; from += PER_DELETE) {
    const keys = dead
      .slice(from, from + PER_DELETE)
      .map(quoted)
      .join(', ');
    await retryConflicts(async () => (await newest(moments)).delete(`key IN (${keys})`));
  }
  return dead.length;
}

async function compact(tables: readonly LanceTable[]): Promise<void> {
  const cleanupOlderThan = new Date(Date.now() - KEEP_VERSIONS_MS);
  for (const table of tables) await retryConflicts(async () => (await newest(table)).optimize({ cleanupOlderThan }));
}
