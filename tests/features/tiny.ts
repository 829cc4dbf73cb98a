/** The tiny Qwen3-VL of the fixtures, what transformers says of it, and stores and runs to use it on. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { fingerprintOf } from '../../pipelines/features/model.ts';
import { type FeatureReport, type FeatureRequest, makeFeatures } from '../../pipelines/features/run.ts';
import { openPlanReader, type PlanBatch } from '../../pipelines/mixed/reader.ts';
import type { CodecName } from '../../schemas/features.ts';
import { connectStore, type Store } from '../../sinks/store.ts';
import { prepJson } from '../cli/run.ts';
import { freshFolder, ingestDemo } from '../e2e/demo-set.ts';
import { mixtureFile } from '../plan/plan-store.ts';

const TINY = fileURLToPath(new URL('../../fixtures/qwen3vl_tiny', import.meta.url));
export const MODEL = join(TINY, 'model');
export const MODEL_BLOCK_INPUT = join(TINY, 'model_block_input');
export const CPU = { provider: 'cpu', device: 0, streams: 1 } as const;

interface Described {
  readonly dtype: 'uint8' | 'float32' | 'int8' | 'int64' | 'uint16';
  readonly shape: readonly number[];
  readonly offset: number;
}
interface Reference {
  readonly prefixIds: readonly number[];
  readonly taps: readonly number[];
  readonly views: readonly ['third', 'wrist'];
  readonly arrays: Readonly<Record<string, Described>>;
}

export const reference: Reference = JSON.parse(readFileSync(join(TINY, 'reference.json'), 'utf8'));
const bytes = readFileSync(join(TINY, 'reference.bin'));
const KINDS = { uint8: Uint8Array, float32: Float32Array, int8: Int8Array, int64: BigInt64Array, uint16: Uint16Array };

/** An array of `reference.bin`, copied so that it is aligned and may be moved to a thread. */
export function referenceArray<T>(name: string): { readonly shape: readonly number[]; readonly data: T } {
  const { dtype, shape, offset } = reference.arrays[name]!;
  const Kind = KINDS[dtype];
  const length = shape.reduce((product, n) => product * n, 1);
  const part = bytes.buffer.slice(
    bytes.byteOffset + offset,
    bytes.byteOffset + offset + length * Kind.BYTES_PER_ELEMENT,
  );
  return { shape, data: new Kind(part as ArrayBuffer) as T };
}

/** Largest difference over the largest value. */
export function maxRel(found: ArrayLike<number>, wanted: ArrayLike<number>): number {
  expect(found.length).toBe(wanted.length);
  let [difference, largest] = [0, 0];
  for (let i = 0; i < wanted.length; i++) {
    // Also true for NaN.
    if (!(Math.abs(found[i]! - wanted[i]!) <= difference)) difference = Math.abs(found[i]! - wanted[i]!);
    largest = Math.max(largest, Math.abs(wanted[i]!));
  }
  return difference / largest;
}

/** The bundled DROID episodes: 61 drawable frames of three episodes, two views each. */
export async function demoStore(...words: string[]): Promise<string> {
  const store = freshFolder();
  await ingestDemo(store, '--third2', 'other', ...words);
  return store;
}

export const FROZEN = { entries: [{ dataset: 'droid', weight: 1 }], trains_vlm: false };

export async function planOf(store: string, draws: number, seed = 0, mixture: object = FROZEN): Promise<string> {
  const words = ['plan', store, '--mixture', mixtureFile(mixture), '--draws', String(draws), '--seed', String(seed)];
  const { code, value } = await prepJson<{ plan: string }>(...words);
  expect(code, JSON.stringify(value)).toBe(0);
  return value.plan;
}

type Wish = Partial<Omit<FeatureRequest, 'set'>> & {
  readonly codec?: CodecName;
  readonly name?: string;
  readonly partDraws?: number;
  readonly images?: 'stored' | 'source';
};

export function requestOf(store: string, plan: string, wish: Wish = {}): FeatureRequest {
  const { codec = 'f32', name, partDraws = 64, images = 'stored', ...rest } = wish;
  return {
    ...{ store, plan, model: MODEL, set: { codec, images, name, partDraws }, device: CPU, batch: 8, workers: 1 },
    ...{ part: { index: 0, of: 1 }, range: null, sample: 8, allow: () => undefined },
    ...rest,
  };
}

export function runFeatures(store: string, plan: string, wish: Wish = {}): Promise<FeatureReport> {
  return makeFeatures(requestOf(store, plan, wish), {
    signal: new AbortController().signal,
    progress: () => undefined,
  });
}

/** Numbers of a view. */
export const VALUES = 10 * 64 * 32;

export async function withStore<T>(uri: string, work: (store: Store) => Promise<T>): Promise<T> {
  const store = await connectStore(uri);
  return work(store).finally(() => store.connection.close());
}

/** All batches of 16 of a plan with their features. */
export async function batchesOf(store: string, plan: string, words: object = {}): Promise<PlanBatch[]> {
  const reader = await openPlanReader({
    store,
    plan,
    batch: 16,
    images: false,
    features: { set: 'apt-stage1' },
    ...words,
  });
  const all: PlanBatch[] = [];
  for await (const batch of reader.batches()) all.push(batch);
  reader.close();
  return all;
}

/** A model that differs from the tiny one in what is given; its own fingerprint is right. */
export function otherModel(change: (model: ReturnType<typeof JSON.parse>) => void): string {
  const folder = freshFolder();
  cpSync(MODEL, folder, { recursive: true });
  const file = join(folder, 'model.json');
  const model = JSON.parse(readFileSync(file, 'utf8'));
  change(model);
  writeFileSync(file, JSON.stringify({ ...model, fingerprint: fingerprintOf(model) }));
  return folder;
}
