/** One way to store and read features, whatever the codec. Values lie as [row][tap][token][channel], any number of rows. */
import { PrepError } from '../../schemas/errors.ts';
import type { FeatureCodec, StoredView } from '../../schemas/features.ts';
import { BRAIN_MAX, decodeBrain, decodeHalf, encodeBrain, encodeHalf, HALF_MAX } from './half.ts';
import { decodeInt8, encodeInt8, type Int8Layout, type Shape } from './int8.ts';

export interface Codec {
  /** @returns also how many stored numbers are not finite: such rows must be refused. @throws PrepError `field-shape` */
  encode(values: Float32Array): StoredView & { readonly unfit: number };
  /** @throws PrepError `field-shape` */
  decode(stored: StoredView): Float32Array;
}

/** |x| from which a codec cannot hold it: int8 keeps outliers as float16. */
export function largestOf({ name }: FeatureCodec): number {
  if (name === 'f32') return Number.POSITIVE_INFINITY;
  return name === 'bf16' ? BRAIN_MAX : HALF_MAX;
}

/** @throws PrepError `bad-value` where the constants of int8 do not fit the shape */
export function codecOf(spec: FeatureCodec, shape: Shape): Codec {
  if (spec.name === 'int8') return int8(layoutOf(spec, shape));
  return spec.name === 'f32' ? whole(shape) : sixteen(spec.name, shape);
}

/** As they are. */
function whole(shape: Shape): Codec {
  return {
    encode(x) {
      rowsOf(x, shape);
      return { values: x.slice(), unfit: x.reduce((sum, one) => sum + (Number.isFinite(one) ? 0 : 1), 0) };
    },
    decode({ values }) {
      if (!(values instanceof Float32Array)) throw misshapen('values', 'float32', 'other numbers');
      rowsOf(values, shape);
      return values.slice();
    },
  };
}

function sixteen(name: 'f16' | 'bf16', shape: Shape): Codec {
  const [into, back] = name === 'f16' ? [encodeHalf, decodeHalf] : [encodeBrain, decodeBrain];
  return {
    encode(x) {
      rowsOf(x, shape);
      const values = new Uint16Array(x.length);
      return { values, unfit: into(x, values) };
    },
    decode({ values }) {
      if (!(values instanceof Uint16Array)) throw misshapen('values', 'float16 bits', 'int8');
      rowsOf(values, shape);
      const out = new Float32Array(values.length);
      back(values, out);
      return out;
    },
  };
}

function int8(layout: Int8Layout): Codec {
  const { taps, tokens, outliers } = layout;
  return {
    encode(x) {
      rowsOf(x, layout);
      return encodeInt8(x, layout);
    },
    decode({ values, scale, side = new Uint16Array(0) }) {
      if (!(values instanceof Int8Array) || !scale) throw misshapen('values', 'int8 and scales', 'float16 bits');
      const vectors = rowsOf(values, layout) * taps * tokens;
      needLength('scale', scale, vectors);
      needLength('side', side, vectors * outliers[0]!.length);
      return decodeInt8({ values, scale, side }, layout);
    },
  };
}

function rowsOf(values: ArrayLike<number>, { taps, tokens, hidden }: Shape): number {
  const row = taps * tokens * hidden;
  if (values.length % row === 0) return values.length / row;
  throw misshapen('values', `rows of ${taps} x ${tokens} x ${hidden} numbers`, `${values.length} numbers`);
}

function needLength(field: string, values: ArrayLike<number>, wanted: number): void {
  if (values.length !== wanted) throw misshapen(field, `${wanted} numbers`, `${values.length}`);
}

type Int8Spec = Extract<FeatureCodec, { name: 'int8' }>;

/** Typed arrays of a spec's constants. @throws PrepError `bad-value` */
export function layoutOf({ block, signs, outliers }: Int8Spec, { taps, tokens, hidden }: Shape): Int8Layout {
  const bad = (field: string, expected: string, found: string): PrepError =>
    new PrepError({ code: 'bad-value', at: { field: `codec ${field}` }, expected, found });
  if (!(block > 0 && (block & (block - 1)) === 0 && hidden % block === 0))
    throw bad('block', `a power of two that divides ${hidden}`, `${block}`);
  if (signs.length !== hidden || signs.some((sign) => Math.abs(sign) !== 1))
    throw bad('signs', `${hidden} times 1 or -1`, `${signs.length} numbers`);
  const count = outliers[0]?.length;
  const ascending = (channels: readonly number[]): boolean =>
    channels.length === count &&
    channels.every((d, i) => Number.isInteger(d) && d < hidden && d > (channels[i - 1] ?? -1));
  if (outliers.length !== taps || !outliers.every(ascending))
    throw bad('outliers', `${taps} equally long ascending lists of channels below ${hidden}`, JSON.stringify(outliers));
  return {
    ...{ taps, tokens, hidden, block },
    signs: Float32Array.from(signs),
    outliers: outliers.map((channels) => Int32Array.from(channels)),
  };
}

const misshapen = (field: string, expected: string, found: string): PrepError =>
  new PrepError({ code: 'field-shape', at: { field }, expected, found });
