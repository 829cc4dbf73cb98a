/** One part of a set: the frames that a range of draws shows first, computed, written, compared and published by one insert. */
import { featureShape, featureTable } from '../../schemas/feature-tables.ts';
import { type FeatureSet, storedBytes } from '../../schemas/features.ts';
import { attemptName } from '../../sinks/attempt-name.ts';
import { writeKeys } from '../../sinks/feature-maps.ts';
import { type FeatureRows, needTable, openFeatureWriter } from '../../sinks/feature-rows.ts';
import { type FeatureTable, publishPart } from '../../sinks/features.ts';
import { dropTable } from '../../sinks/shards.ts';
import type { Store } from '../../sinks/store.ts';
import { type FrameKeys, frameKeys } from '../../transforms/features/frame-key.ts';
import type { PlanRows } from '../mixed/plan-rows.ts';
import { mapConcurrent } from '../stream.ts';
import { compareFeatures } from './compare.ts';
import type { FirstDraws } from './first-draws.ts';
import type { Graphs } from './graphs.ts';
import { type FrameSource, placed } from './pictures.ts';
import type { Published } from './published.ts';

export interface PartWork {
  readonly store: Store;
  readonly rows: PlanRows;
  readonly set: FeatureSet;
  readonly first: FirstDraws;
  readonly source: FrameSource;
  readonly graphs: Graphs;
  readonly hash: (bytes: Uint8Array) => bigint;
  /** Frames of a batch. */
  readonly batch: number;
  readonly runtime: object;
  readonly signal: AbortSignal;
  progress(frames: number): void;
}

export interface PartRange {
  readonly start: number;
  readonly draws: number;
}

export interface PartCounts {
  /** Frames computed. */
  readonly computed: number;
  /** First draws whose frame was in the set already. */
  readonly reused: number;
  readonly bytes: number;
}

/** A part to be made, as what. */
export interface PartWish extends PartRange {
  readonly revision: number;
  readonly basis: string;
}

/** Draws whose hashes are read together. */
const KEY_DRAWS = 8192;

/** Null: interrupted, nothing is left of it. */
export async function makePart(work: PartWork, wish: PartWish, published: Published): Promise<PartCounts | null> {
  const { store, set, rows } = work;
  const { start, draws: count, revision, basis } = wish;
  const keys = await keysOf(work, wish);
  if (keys === null) return null;
  const wanted = wantedDraws(work, wish, { keys, ...published });
  const attempt = attemptName();
  const names: string[] = [];
  const named = (what: string): string => {
    const name = featureTable(set.set, { plan: rows.plan, start }, what, attempt);
    names.push(name);
    return name;
  };
  const tables: FeatureTable[] = [];
  try {
    for (const [signature, draws] of wanted.draws.entries()) {
      if (draws.length === 0) continue;
      const table = await writeTable(work, { name: named(`v${signature}`), signature, draws, keys, start });
      if (table === null) {
        await dropAll(store, names);
        return null;
      }
      tables.push(table);
    }
    await writeKeys(store, named('k'), keys.frame);
    // What was written long ago may have been taken for dead and removed.
    for (const name of names) (await needTable(store, name)).close();
  } catch (error) {
    await dropAll(store, names).catch(() => undefined);
    throw error;
  }
  // From here on nothing is dropped after an error: the insert may have counted although its answer was lost.
  const made = await publishPart(store, set.set, {
    ...{ plan: rows.plan, start, draws: count, revision, basis },
    ...{ keys: names.at(-1)!, tables, uses: wanted.uses },
    runtime: work.runtime,
    createdMs: Date.now(),
  });
  // Somebody else has made the same part meanwhile: then this one is not needed.
  if (!made) await dropAll(store, names);
  const computed = tables.reduce((sum, table) => sum + table.rows, 0);
  return { computed: made ? computed : 0, reused: wanted.reused, bytes: made ? wanted.views * storedBytes(set) : 0 };
}

async function dropAll(store: Store, names: readonly string[]): Promise<void> {
  for (const name of names) await dropTable(store, name);
}

/** Null where interrupted. */
async function keysOf({ rows, set, hash, signal }: PartWork, { start, draws }: PartRange): Promise<FrameKeys | null> {
  const frame = new BigInt64Array(draws);
  const signature = new Int8Array(draws);
  for (let from = 0; from < draws; from += KEY_DRAWS) {
    if (signal.aborted) return null;
    const count = Math.min(KEY_DRAWS, draws - from);
    const some = Array.from({ length: count }, (_, i) => start + from + i);
    const { imageHash } = await rows.pictures(some, { images: false });
    const keys = frameKeys(imageHash, { roles: rows.shape.roles, set, hash });
    frame.set(keys.frame, from);
    signature.set(keys.signature, from);
  }
  return { frame, signature };
}

/** Per signature the draws whose frames are to be computed, in draw order: first of their step, and new to the set. */
function wantedDraws(
  { set, first }: PartWork,
  { start, draws: count }: PartRange,
  { keys, index, tables }: Pick<Published, 'index' | 'tables'> & { readonly keys: FrameKeys },
) {
  const draws: number[][] = set.signatures.map(() => []);
  const here = new Set<bigint>();
  const uses = new Set<string>();
  let [reused, views] = [0, 0];
  for (let i = 0; i < count; i++) {
    const which = keys.signature[i]!;
    if (which < 0) continue;
    const key = keys.frame[i]!;
    const there = index.get(key);
    if (there) uses.add(tables[there.table]!.table);
    // A draw that an earlier one has shown already is that one's part's to make.
    if (!first.is(start + i)) continue;
    if (here.has(key) || there) {
      reused++;
      continue;
    }
    here.add(key);
    draws[which]!.push(start + i);
    views += set.signatures[which]!.length;
  }
  return { draws, reused, views, uses: [...uses] };
}

interface TableWork {
  readonly name: string;
  readonly signature: number;
  readonly draws: readonly number[];
  readonly keys: FrameKeys;
  /** First draw of the part. */
  readonly start: number;
}

/** Batches that are decoded at the same time, while others are computed and written. */
const AHEAD = 2;

/** Null where interrupted. */
async function writeTable(work: PartWork, table: TableWork): Promise<FeatureTable | null> {
  const { store, set, source, graphs, batch, rows, signal } = work;
  const views = set.signatures[table.signature]!;
  const shape = featureShape(set, views);
  const writer = await openFeatureWriter(store, table.name, {
    shape,
    metadata: { set: set.set, views, plan: rows.plan },
  });
  try {
    const decoded = mapConcurrent(batches(table.draws, batch), AHEAD, (draws) => source.read(draws, views));
    const computed = mapConcurrent(decoded, graphs.streams + 1, async ({ draws, images, imageHash }) => {
      const job = { views, images, frames: draws.length, codec: set.codec };
      const result = await graphs.run(job).catch((error) => {
        throw placed(error, rows, (record) => ({ draw: draws[record]! }));
      });
      return { draws, imageHash, result };
    });
    for await (const { draws, imageHash, result } of computed) {
      await writer.add({
        ...frameColumns(rows, table, draws),
        imageHash,
        checksum: result.checksum,
        views: result.views,
      });
      work.progress(draws.length);
      if (signal.aborted) return null;
    }
    const { rows: count, checksum } = await writer.finish();
    const entry = { table: table.name, views, rows: count, checksum };
    await compareFeatures(store.uri, { table: entry, shape, hash: work.hash });
    return entry;
  } finally {
    await writer.close();
  }
}

async function* batches(draws: readonly number[], size: number): AsyncGenerator<number[]> {
  for (let from = 0; from < draws.length; from += size) yield draws.slice(from, from + size);
}

function frameColumns(
  rows: PlanRows,
  { keys, start }: TableWork,
  draws: readonly number[],
): Pick<FeatureRows, 'dataset' | 'episodeKey' | 'step' | 'frame'> {
  const placedDraws = draws.map((draw) => rows.place(draw));
  return {
    dataset: placedDraws.map(({ dataset }) => dataset),
    episodeKey: BigInt64Array.from(placedDraws, ({ episodeKey }) => episodeKey),
    step: Int32Array.from(placedDraws, ({ step }) => step),
    frame: BigInt64Array.from(draws, (draw) => keys.frame[draw - start]!),
  };
}
