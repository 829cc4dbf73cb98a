/** One part of a set: the frames that a range of draws shows first, computed, written, compared and published by one insert. */
import { PrepError } from '../../schemas/errors.ts';
import { featureTable } from '../../schemas/feature-tables.ts';
import { FEATURE_TOKENS, type FeatureSet, featureBytes, featureValues } from '../../schemas/features.ts';
import { attemptName } from '../../sinks/attempt-name.ts';
import { type FeatureRows, openFeatureWriter, writeKeys } from '../../sinks/feature-rows.ts';
import { type FeatureTable, publishPart } from '../../sinks/features.ts';
import { dropTable } from '../../sinks/shards.ts';
import type { Store } from '../../sinks/store.ts';
import type { FrameIndex } from '../../transforms/features/frame-index.ts';
import { type FrameKeys, frameKeys } from '../../transforms/features/frame-key.ts';
import type { PlanRows } from '../mixed/plan-rows.ts';
import { mapConcurrent } from '../stream.ts';
import { compareFeatures } from './compare.ts';
import type { FirstDraws } from './first-draws.ts';
import type { Graphs } from './graphs.ts';
import { type FrameSource, placed } from './pictures.ts';

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

/** Draws whose hashes are read together. */
const KEY_DRAWS = 8192;

/** Null: interrupted, nothing is left of it. */
export async function makePart(work: PartWork, range: PartRange, index: FrameIndex): Promise<PartCounts | null> {
  const { store, set, rows } = work;
  const keys = await keysOf(work, range);
  const wanted = wantedDraws(work, range, { keys, index });
  const attempt = attemptName();
  const part = { plan: rows.plan, start: range.start, pixels: rows.pixels };
  const names: string[] = [];
  const named = (what: string): string => {
    const name = featureTable(set.set, part, what, attempt);
    names.push(name);
    return name;
  };
  try {
    const tables: FeatureTable[] = [];
    for (const [i, draws] of wanted.draws.entries()) {
      if (draws.length === 0) continue;
      const table = await writeTable(work, { name: named(`v${i}`), signature: i, draws, keys, start: range.start });
      if (table === null) {
        await dropAll(store, names);
        return null;
      }
      tables.push(table);
    }
    const keysName = named('k');
    await writeKeys(store, keysName, keys.frame);
    const published = await publishPart(store, set.set, {
      ...part,
      draws: range.draws,
      keys: keysName,
      tables,
      runtime: work.runtime,
      createdMs: Date.now(),
    });
    // Somebody else has made the same part meanwhile: then this one is not needed.
    if (!published) await dropAll(store, names);
    const computed = tables.reduce((sum, table) => sum + table.rows, 0);
    return {
      computed: published ? computed : 0,
      reused: wanted.reused,
      bytes: published ? wanted.views * bytesPerView(set) : 0,
    };
  } catch (error) {
    await dropAll(store, names).catch(() => undefined);
    throw error;
  }
}

async function dropAll(store: Store, names: readonly string[]): Promise<void> {
  for (const name of names) await dropTable(store, name);
}

const bytesPerView = ({ model, codec }: FeatureSet): number =>
  featureBytes(model, codec.name, codec.name === 'int8' ? codec.outliers[0]!.length : 0);

async function keysOf({ rows, set, hash }: PartWork, { start, draws }: PartRange): Promise<FrameKeys> {
  const frame = new BigInt64Array(draws);
  const signature = new Int8Array(draws);
  for (let from = 0; from < draws; from += KEY_DRAWS) {
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
  { keys, index }: { readonly keys: FrameKeys; readonly index: FrameIndex },
) {
  const draws: number[][] = set.signatures.map(() => []);
  const here = new Set<bigint>();
  let [reused, views] = [0, 0];
  for (let i = 0; i < count; i++) {
    const which = keys.signature[i]!;
    if (which < 0 || !first.is(start + i)) continue;
    const key = keys.frame[i]!;
    if (here.has(key) || index.has(key)) {
      reused++;
      continue;
    }
    here.add(key);
    draws[which]!.push(start + i);
    views += set.signatures[which]!.length;
  }
  return { draws, reused, views };
}

interface TableWork {
  readonly name: string;
  readonly signature: number;
  readonly draws: readonly number[];
  readonly keys: FrameKeys;
  /** First draw of the part. */
  readonly start: number;
}

/** Batches that are decoded or computed at the same time: one is computed while the next is decoded and the last written. */
const AHEAD = 2;

/** Null where interrupted. */
async function writeTable(work: PartWork, table: TableWork): Promise<FeatureTable | null> {
  const { store, set, source, graphs, batch, rows, signal } = work;
  const views = set.signatures[table.signature]!;
  const shape = {
    views,
    values: featureValues(set),
    vectors: set.model.taps.length * FEATURE_TOKENS,
    codec: set.codec,
  };
  const writer = await openFeatureWriter(store, table.name, {
    shape,
    metadata: { set: set.set, views, plan: rows.plan },
  });
  try {
    const decoded = mapConcurrent(batches(table.draws, batch), AHEAD, (draws) => source.read(draws, views));
    const computed = mapConcurrent(decoded, AHEAD, async ({ draws, images, imageHash }) => {
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
    writer.close();
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

/** @throws PrepError `bad-option` for a batch that is none */
export function checkBatch(batch: number): void {
  if (!Number.isInteger(batch) || batch < 1)
    throw new PrepError({
      code: 'bad-option',
      at: { field: '--batch' },
      expected: 'a whole number above 0',
      found: String(batch),
    });
}
