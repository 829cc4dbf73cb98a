/** Batches of a plan as a trainer gets them: the same from shards in order and from the plan at random, on any number of ranks. */
import type { RecordBatch } from '../../schemas/arrow.ts';
import type { Role } from '../../schemas/episode.ts';
import { PrepError } from '../../schemas/errors.ts';
import { type MixedRows, mixedSchema } from '../../schemas/mixed-row.ts';
import { readShards, type ShardEntry, scanShard } from '../../sinks/shards.ts';
import { connectStore, type Store } from '../../sinks/store.ts';
import { type DrawnFeatures, type FeatureOptions, openFeatureReader } from '../features/reader.ts';
import { openPlanRows, type PlanRows } from './plan-rows.ts';

export interface ReadOptions {
  readonly store: string;
  readonly plan: string;
  /** Global batch. */
  readonly batch: number;
  readonly rank?: number;
  /** Ranks; must divide the batch. */
  readonly world?: number;
  /** Global step to begin at: the number of global batches before. */
  readonly startStep?: number;
  /** `shards`: training shards in order. `plan`: rows at random. Default: shards where all are there. */
  readonly from?: 'shards' | 'plan';
  readonly images?: boolean;
  /** Stored features of a frozen model with their rows. */
  readonly features?: FeatureOptions;
}

export interface ReadState {
  readonly plan: string;
  readonly segment: number;
  readonly step: number;
}

export interface PlanBatch {
  /** Global step, counted from the plan's start. */
  readonly step: number;
  /** This rank's rows, in draw order. */
  readonly rows: MixedRows;
  /** Where they were asked for. */
  readonly features?: DrawnFeatures;
}

export interface PlanReader {
  readonly from: 'shards' | 'plan';
  /** Whole global batches of the plan. */
  readonly steps: number;
  batches(): AsyncGenerator<PlanBatch>;
  /** Different episodes per global batch of an ideal shuffle. */
  idealEpisodes(): number;
  /** Where a reader that is opened with `startStep: step` goes on after the batches taken so far. */
  state(): ReadState;
  close(): void;
}

/** @throws PrepError `bad-option`, `unknown-plan`, `stale-shard`, `unknown-features`, `stale-features` */
export async function openPlanReader(options: ReadOptions): Promise<PlanReader> {
  const { batch, rank = 0, world = 1, startStep = 0, images = true } = options;
  const whole = (field: string, fine: boolean, expected: string, found: number): void => {
    if (!fine) throw new PrepError({ code: 'bad-option', at: { field }, expected, found: String(found) });
  };
  whole('batch', Number.isInteger(batch) && batch > 0, 'a whole number above 0', batch);
  whole('world', Number.isInteger(world) && world > 0 && batch % world === 0, `a divisor of the batch ${batch}`, world);
  whole('rank', Number.isInteger(rank) && rank >= 0 && rank < world, `0 to ${world - 1}`, rank);
  const store = await connectStore(options.store);
  const rows = await openPlanRows(store, options.plan);
  const steps = Math.floor(rows.draws / batch);
  whole('startStep', Number.isInteger(startStep) && startStep >= 0 && startStep <= steps, `0 to ${steps}`, startStep);
  const shards = await usableShards(store, rows, options.from);
  const features = options.features ? await openFeatureReader(store, rows, options.features) : null;
  const share = batch / world;
  let step = startStep;
  return {
    from: shards ? 'shards' : 'plan',
    steps,
    async *batches() {
      for (; step < steps; ) {
        const first = step * batch + rank * share;
        const draws = Array.from({ length: share }, (_, i) => first + i);
        const taken = shards ? await shardRows(store, rows, shards, draws, images) : await rows.rows(draws, images);
        const found = await features?.read(draws, taken);
        yield { step: step++, rows: taken, ...(found ? { features: found } : {}) };
      }
    },
    idealEpisodes: () => rows.idealEpisodes(batch),
    state: () => ({ plan: rows.plan, segment: segmentAt(rows, step * batch), step }),
    close() {
      features?.close();
      rows.close();
      store.connection.close();
    },
  };
}

const segmentAt = ({ segments }: PlanRows, draw: number): number =>
  segments.findLast(({ segment }) => segment.start <= draw)?.segment.segment ?? 0;

/** Null: rows are read at random. @throws PrepError `stale-shard` naming one that does not fit, or that is missing but asked for */
async function usableShards(store: Store, rows: PlanRows, from: ReadOptions['from']): Promise<ShardEntry[] | null> {
  if (from === 'plan') return null;
  const shards = await readShards(store, rows.plan);
  const stale = shards.find(({ fingerprint }) => fingerprint !== rows.fingerprint);
  if (stale)
    throw new PrepError({
      code: 'stale-shard',
      at: { store: store.uri, shard: stale.table },
      expected: 'shards of the datasets as they are',
      found: 'one made before a relabel',
      remedy: '`prep shard --replace`, or read from the plan',
    });
  let covered = 0;
  for (const { start, draws } of shards) if (start === covered) covered += draws;
  if (covered >= rows.draws) return shards;
  if (from !== 'shards') return null;
  throw new PrepError({
    code: 'stale-shard',
    at: { store: store.uri, field: rows.plan },
    expected: `shards of all ${rows.draws} draws`,
    found: `those of the first ${covered}`,
    remedy: '`prep shard` makes the rest, or read from the plan',
  });
}

/** Rows of draws that lie in one or two shards, by their offsets. */
async function shardRows(
  store: Store,
  rows: PlanRows,
  shards: readonly ShardEntry[],
  draws: readonly number[],
  images: boolean,
): Promise<MixedRows> {
  const columns = mixedSchema(rows.shape, {}).fields.map(({ name }) => name);
  const wanted = images ? columns : columns.filter((name) => !/^image_(?!hash)/.test(name));
  const found: { batch: RecordBatch; at: number }[] = [];
  for (const entry of shards) {
    const offsets = draws
      .filter((draw) => draw >= entry.start && draw < entry.start + entry.draws)
      .map((draw) => draw - entry.start);
    if (offsets.length === 0) continue;
    for await (const batch of scanShard(store, entry, { offset: offsets[0]!, limit: offsets.length, columns: wanted }))
      for (let at = 0; at < batch.numRows; at++) found.push({ batch, at });
  }
  return decodeMixed(found, rows.shape.roles);
}

/** Arrow rows of a shard → columns. */
function decodeMixed(found: readonly { batch: RecordBatch; at: number }[], roles: readonly Role[]): MixedRows {
  const each = <T>(name: string): T[] => found.map(({ batch, at }) => batch.getChild(name)!.get(at) as T);
  const texts = (name: string) => each<string>(name);
  const lists = <T extends ArrayLike<number | bigint>>(name: string): T[] =>
    each<{ toArray(): T }>(name).map((one) => one.toArray());
  const floats = (name: string): Float32Array => {
    const parts = lists<Float32Array>(name);
    const out = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const part of parts) {
      out.set(part, at);
      at += part.length;
    }
    return out;
  };
  return {
    count: found.length,
    dataset: texts('dataset'),
    draw: BigInt64Array.from(each<bigint>('draw')),
    seed: BigUint64Array.from(each<bigint>('seed')),
    reference: Int8Array.from(each<number>('reference')),
    instructions: each<Iterable<string>>('instructions').map((one) => [...one]),
    hz: Float32Array.from(each<number>('hz')),
    episode: texts('episode'),
    step: Int32Array.from(each<number>('step')),
    episodeKey: BigInt64Array.from(each<bigint>('episode_key')),
    group: BigInt64Array.from(each<bigint>('group')),
    time: Float64Array.from(each<number>('time')),
    robot: texts('robot'),
    third: texts('third'),
    instruction: texts('instruction'),
    images: Object.fromEntries(roles.map((role) => [role, pictures(found, role)])),
    action: floats('action'),
    actionValid: Int16Array.from(each<number>('action_valid')),
    history: floats('history'),
    proprio: floats('proprio'),
    camera: floats('camera'),
    imageHash: BigInt64Array.from(lists<BigInt64Array>('image_hash').flatMap((one) => [...one])),
    present: Int32Array.from(each<number>('present')),
    flags: Int32Array.from(each<number>('flags')),
  };
}

const NO_BYTES = new Uint8Array(0);
const pictures = (found: readonly { batch: RecordBatch; at: number }[], role: Role): Uint8Array[] =>
  found.map(({ batch, at }) => (batch.getChild(`image_${role}`)?.get(at) as Uint8Array | undefined) ?? NO_BYTES);
