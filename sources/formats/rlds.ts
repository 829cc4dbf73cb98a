/**
 * One episode as RLDS stores it: a tf.Example whose keys are feature paths; `steps/…` hold the values of all steps.
 * Everything is decoded when it is asked for; all errors carry the path as `field`.
 */
import { type Place, PrepError } from '../../schemas/errors.ts';
import type { SourcePictures } from '../../schemas/frames.ts';
import type { RldsRecord } from '../../schemas/records.ts';
import type { FeatureLeaf, FeatureTree } from './features.ts';
import { decodeTensor } from './tensor.ts';
import { countOf, type Feature, floatValues, intValues, parseExample } from './tf-example.ts';

interface Opened {
  readonly example: ReadonlyMap<string, Feature>;
  readonly features: FeatureTree;
  readonly steps: () => number;
}

const STEPS = 'steps/';
const RAGGED = '/ragged_flat_values';
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** @throws PrepError `not-an-example`; everything else only when it is asked for */
export function rldsRecord(data: Uint8Array, features: FeatureTree): RldsRecord {
  const example = parseExample(data);
  let known: number | undefined;
  const steps = (): number => {
    known ??= stepCount(example, features);
    return known;
  };
  const opened: Opened = { example, features, steps };
  return {
    format: 'rlds',
    get steps() {
      return steps();
    },
    has: (path) => count(opened, path) > 0,
    numbers: (path, width) => numbers(opened, path, width),
    texts: (path) => bytesOf(opened, path).map((bytes, step) => decodeText(bytes, placeIn(path, step))),
    text: (path) => decodeText(bytesOf(opened, path)[0]!, placeIn(path, 0)),
    images: (path) => images(opened, path),
    ragged: (path) => ragged(opened, path),
    count: (path) => count(opened, path),
    values: (path) => {
      const feature = example.get(path + RAGGED) ?? required(opened, path);
      return valuesOf(feature, features.get(path));
    },
    paths: () => storedPaths(example, features),
  };
}

const placeIn = (path: string, step: number): Place =>
  path.startsWith(STEPS) ? { field: path, step } : { field: path };

function stepCount(example: ReadonlyMap<string, Feature>, features: FeatureTree): number {
  const scalars = [...features].filter(
    ([path, leaf]) =>
      path.startsWith(STEPS) && leaf.sequences === 1 && (leaf.kind === 'image' || leaf.shape?.length === 0),
  );
  for (const path of [`${STEPS}is_first`, `${STEPS}is_last`, ...scalars.map(([path]) => path)]) {
    const count = countOf(example.get(path));
    if (count > 0) return count;
  }
  throw new PrepError({
    code: 'zero-steps',
    at: { field: `${STEPS}is_first` },
    expected: 'an episode with at least one step',
    found: 'zero steps',
  });
}

/** A tensor with two or more unknown dimensions is stored as `<path>/value` and `<path>/shape`. */
const stored = ({ example }: Opened, path: string): Feature | undefined =>
  example.get(path) ?? example.get(`${path}/value`);

const count = (opened: Opened, path: string): number =>
  countOf(stored(opened, path) ?? opened.example.get(path + RAGGED));

function required(opened: Opened, path: string): Exclude<Feature, { kind: 'empty' }> {
  const feature = stored(opened, path);
  if (feature !== undefined && feature.kind !== 'empty') return feature;
  // An episode without steps has no step features either: that is the better name of the fault.
  if (path.startsWith(STEPS)) opened.steps();
  const declared = opened.features.has(path) ? 'declared in features.json' : 'not declared in features.json either';
  throw new PrepError({
    code: 'missing-field',
    at: { field: path },
    expected: `values of ${path}`,
    found: `none (${feature ? 'stored empty' : 'no such key'}, ${declared})`,
  });
}

/** How many values a feature with `width` values per step (or per episode) must have, in words too. */
function wanted({ steps }: Opened, path: string, width: number): { count: number; words: string } {
  if (!path.startsWith(STEPS)) return { count: width, words: `${width} values` };
  return { count: steps() * width, words: `${steps() * width} values (${steps()} steps × ${width})` };
}

function checkCount(opened: Opened, path: string, shape: { found: number; width: number }): void {
  const { count, words } = wanted(opened, path, shape.width);
  if (shape.found !== count) throw misshapen(path, words, `${shape.found}`);
}

function numbers(opened: Opened, path: string, width: number): Float64Array {
  const feature = required(opened, path);
  if (feature.kind === 'bytes') return tensors(opened, path, { blobs: feature.values, width });
  checkCount(opened, path, { found: countOf(feature), width });
  return numericValues(feature, opened.features.get(path));
}

function numericValues(feature: Feature & { kind: 'floats' | 'ints' }, leaf: FeatureLeaf | undefined): Float64Array {
  if (feature.kind === 'floats') return Float64Array.from(floatValues(feature));
  const values = intValues(feature);
  if (values instanceof Float64Array && leaf?.dtype !== 'uint64') return values;
  const exact = BigInt64Array.from(values, BigInt);
  // TFDS stores uint64 as the int64 of the same bits.
  return Float64Array.from(leaf?.dtype === 'uint64' ? new BigUint64Array(exact.buffer) : exact, Number);
}

const valuesOf = (feature: Feature, leaf: FeatureLeaf | undefined): Float64Array | readonly Uint8Array[] => {
  if (feature.kind === 'empty') return new Float64Array(0);
  return feature.kind === 'bytes' ? feature.values : numericValues(feature, leaf);
};

/** One blob per step (or one), each `width` numbers. */
function tensors(
  opened: Opened,
  path: string,
  { blobs, width }: { blobs: readonly Uint8Array[]; width: number },
): Float64Array {
  const leaf = opened.features.get(path);
  if (leaf?.kind !== 'tensor' || (leaf.encoding !== 'bytes' && leaf.encoding !== 'zlib'))
    throw misshapen(path, 'numbers', `bytes (${leaf ? `${leaf.kind} ${leaf.dtype}` : 'not declared'})`);
  checkCount(opened, path, { found: blobs.length, width: 1 });
  const values = new Float64Array(blobs.length * width);
  for (const [step, blob] of blobs.entries())
    try {
      values.set(decodeTensor(blob, width, leaf), step * width);
    } catch (error) {
      throw error instanceof PrepError ? error.within(placeIn(path, step)) : error;
    }
  return values;
}

function bytesOf(opened: Opened, path: string): readonly Uint8Array[] {
  const feature = required(opened, path);
  if (feature.kind !== 'bytes') throw misshapen(path, 'bytes (text or pictures)', feature.kind);
  checkCount(opened, path, { found: feature.values.length, width: sizeOf(opened.features.get(path)) });
  return feature.values;
}

/** Stored values of one value of a feature; unknown dimensions count as one. */
const sizeOf = (leaf: FeatureLeaf | undefined): number =>
  leaf?.kind === 'tensor' ? (leaf.shape ?? []).reduce<number>((size, length) => size * (length ?? 1), 1) : 1;

function decodeText(bytes: Uint8Array, at: Place): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new PrepError({ code: 'bad-value', at, expected: 'UTF-8 text', found: `${bytes.length} other bytes`, cause });
  }
}

function images(opened: Opened, path: string): SourcePictures {
  const shape = opened.features.get(path)?.shape ?? [];
  const frames = { kind: 'memory', frames: [...bytesOf(opened, path)] } as const;
  return { width: shape[1] ?? 0, height: shape[0] ?? 0, frames };
}

function ragged(
  opened: Opened,
  path: string,
): { values: Float64Array | readonly Uint8Array[]; rowLengths: Float64Array[] } {
  const flat = opened.example.get(path + RAGGED);
  if (flat === undefined) required(opened, path + RAGGED);
  const rowLengths: Float64Array[] = [];
  let rows = path.startsWith(STEPS) ? opened.steps() : null;
  for (let level = 0; ; level++) {
    const key = `${path}/ragged_row_lengths_${level}`;
    const feature = opened.example.get(key);
    if (feature === undefined) break;
    const lengths = feature.kind === 'ints' ? Float64Array.from(intValues(feature), Number) : new Float64Array(0);
    if (rows !== null && lengths.length !== rows) throw misshapen(key, `${rows} rows`, `${lengths.length}`);
    if (lengths.some((length) => length < 0)) throw misshapen(key, 'lengths of rows', `${Math.min(...lengths)}`);
    rowLengths.push(lengths);
    rows = lengths.reduce((sum, length) => sum + length, 0);
  }
  if (rowLengths.length === 0) required(opened, `${path}/ragged_row_lengths_0`);
  const leaf = opened.features.get(path);
  const width = sizeOf(leaf);
  const count = countOf(flat);
  if (count !== (rows ?? 0) * width) throw misshapen(path + RAGGED, `${rows} × ${width} values`, `${count}`);
  return { values: valuesOf(flat ?? { kind: 'empty' }, leaf), rowLengths };
}

/** Keys that TFDS made out of one feature count as that feature. */
function storedPaths(example: ReadonlyMap<string, Feature>, features: FeatureTree): string[] {
  const paths = new Set<string>();
  for (const [key, feature] of example) {
    if (feature.kind === 'empty') continue;
    const whole = key.replace(/\/(ragged_flat_values|ragged_row_lengths_\d+)$/, '');
    const part = /^(.*)\/(value|shape)$/.exec(key)?.[1];
    paths.add(part !== undefined && features.has(part) ? part : whole);
  }
  return [...paths].sort();
}

const misshapen = (field: string, expected: string, found: string): PrepError =>
  new PrepError({ code: 'field-shape', at: { field }, expected, found });
