/** `prep shard`: a plan's draws as tables in draw order. Killed at any moment, only whole and compared shards are ever named. */
import { PrepError } from '../../schemas/errors.ts';
import { shardTable } from '../../schemas/mixed-row.ts';
import { attemptName } from '../../sinks/attempt-name.ts';
import {
  dropTable,
  openShardWriter,
  publishShard,
  readShards,
  type ShardEntry,
  unpublishShards,
} from '../../sinks/shards.ts';
import { connectStore, type Store } from '../../sinks/store.ts';
import { openPlanRows, type PlanRows } from '../mixed/plan-rows.ts';
import { drawRange } from '../plan/draw-range.ts';
import { compareInFreshProcess } from './compare.ts';

export interface ShardRequest {
  readonly store: string;
  readonly plan: string;
  /** Draws per shard. */
  readonly size: number;
  readonly part: { readonly index: number; readonly of: number };
  /** Draws [from, to) only: whole shards that lie within. */
  readonly range: readonly [number, number] | null;
  /** Make again what other options of the datasets have made stale. */
  readonly replace: boolean;
}

export interface ShardReport {
  readonly plan: string;
  /** Shards of this part and range. */
  readonly shards: number;
  readonly made: number;
  readonly there: number;
  readonly rows: number;
  readonly bytes: number;
  /** Rows compared byte for byte with their source, in a process of its own. */
  readonly compared: number;
  readonly seconds: number;
  readonly state: 'done' | 'interrupted';
}

export interface ShardControl {
  readonly signal: AbortSignal;
  progress(done: number, total: number): void;
}

/** Rows held at once: about 100 MB of pictures. */
const CHUNK_ROWS = 1024;

export async function makeShards(request: ShardRequest, control: ShardControl): Promise<ShardReport> {
  const started = performance.now();
  const store = await connectStore(request.store);
  let rows: PlanRows | null = null;
  try {
    rows = await openPlanRows(store, request.plan);
    const wanted = wantedShards(request, rows.draws);
    const there = await presentShards(store, request, rows, new Set(wanted.map(({ shard }) => shard)));
    const missing = wanted.filter(({ shard }) => !there.has(shard));
    const counts = { rows: 0, bytes: 0, compared: 0, made: 0 };
    for (const one of missing) {
      if (control.signal.aborted) break;
      const made = await makeShard(store, rows, one);
      counts.rows += one.draws;
      counts.bytes += made.bytes;
      counts.compared += made.compared;
      counts.made++;
      control.progress(counts.made, missing.length);
    }
    return {
      plan: rows.plan,
      shards: wanted.length,
      there: wanted.length - missing.length,
      ...counts,
      seconds: (performance.now() - started) / 1000,
      state: control.signal.aborted && counts.made < missing.length ? 'interrupted' : 'done',
    };
  } finally {
    rows?.close();
    store.connection.close();
  }
}

type Wanted = Pick<ShardEntry, 'shard' | 'start' | 'draws'>;

function wantedShards({ size, part, range }: ShardRequest, draws: number): Wanted[] {
  const [from, to] = drawRange(range, draws);
  const all = Array.from({ length: Math.ceil(draws / size) }, (_, shard) => ({
    shard,
    start: shard * size,
    draws: Math.min(size, draws - shard * size),
  }));
  return all.filter(
    ({ shard, start, draws: own }) => shard % part.of === part.index && start >= from && start + own <= to,
  );
}

/** Shards that count already. @throws PrepError `stale-shard` where they were made of other rows, or in another size */
async function presentShards(
  store: Store,
  { size, replace }: ShardRequest,
  rows: PlanRows,
  wanted: ReadonlySet<number>,
): Promise<Set<number>> {
  const { plan } = rows;
  const shards = await readShards(store, plan);
  // The last shard of a plan that has grown since is short: it is made again.
  const fits = ({ shard, start, draws }: ShardEntry): boolean =>
    start === shard * size && draws === Math.min(size, rows.draws - start);
  const foreign = shards.filter((one) => one.fingerprint !== rows.fingerprint || one.start !== one.shard * size);
  if (foreign.length > 0 && !replace)
    throw new PrepError({
      code: 'stale-shard',
      at: { store: store.uri, shard: foreign[0]!.table },
      expected: `shards of ${size} draws from the datasets as they are`,
      found:
        foreign[0]!.fingerprint === rows.fingerprint
          ? `one from draw ${foreign[0]!.start}`
          : 'one made before a relabel',
      remedy: '--replace makes them again',
    });
  // Of shards that this call does not make the good draws stay.
  const gone = shards.filter((one) => foreign.includes(one) || (wanted.has(one.shard) && !fits(one)));
  await unpublishShards(store, plan, gone);
  for (const { table } of gone) await dropTable(store, table);
  return new Set(shards.filter((one) => !gone.includes(one)).map(({ shard }) => shard));
}

async function makeShard(store: Store, rows: PlanRows, wanted: Wanted) {
  const { plan } = rows;
  const name = shardTable(plan, wanted.shard, attemptName());
  const writer = await openShardWriter(store, name, rows.shape, rows.metadata);
  let bytes = 0;
  try {
    for (let from = 0; from < wanted.draws; from += CHUNK_ROWS) {
      const count = Math.min(CHUNK_ROWS, wanted.draws - from);
      const chunk = await rows.rows(Array.from({ length: count }, (_, i) => wanted.start + from + i));
      await writer.add(chunk);
      for (const jpegs of Object.values(chunk.images)) for (const jpeg of jpegs) bytes += jpeg.length;
    }
    const entry = { plan, ...wanted, table: name, orderHash: writer.orderHash(), fingerprint: rows.fingerprint };
    const compared = await compareInFreshProcess(store.uri, entry);
    // Somebody else may have made the same shard meanwhile: then ours is not needed.
    if (!(await publishShard(store, entry))) await dropTable(store, name);
    return { bytes, compared };
  } catch (error) {
    await dropTable(store, name).catch(() => undefined);
    throw error;
  } finally {
    writer.close();
  }
}
