/**
 * int8 features (`hq8`): a tap's outlier channels apart as float16, the rest turned by signs and Hadamard, then 8 bits and
 * a float16 scale per token. Residual streams have channels a hundred times the others: without the turn and the split the
 * others would get two or three levels.
 */

import { butterflies, hadamard, normOf } from './hadamard.ts';
import { bitsOfHalf, decodeHalf, halfOfBits } from './half.ts';

/** Values lie as [row][tap][token][channel], any number of rows. */
export interface Shape {
  readonly taps: number;
  readonly tokens: number;
  /** Channels of a token. */
  readonly hidden: number;
}

export interface Int8Layout extends Shape {
  /** Length of a Hadamard block; 1 turns nothing. */
  readonly block: number;
  /** ±1 per channel. */
  readonly signs: Float32Array;
  /** Outlier channels per tap, the same number in each. */
  readonly outliers: readonly Int32Array[];
}

export interface Int8Stored {
  readonly values: Int8Array;
  /** Float16 bits: a scale per token, and a token's outliers in the order of the layout. */
  readonly scale: Uint16Array;
  readonly side: Uint16Array;
}

const f = Math.fround;
const LEVELS = 127;
const ONE = 0x3c00;
const HALF_INFINITE = 0x7c00;
/** Added and taken away, it leaves a double without a fraction: to nearest, ties to even. */
const WHOLE = 1.5 * 2 ** 52;

/** The same without turn and outliers: what the gate compares with. */
export const plainLayout = ({ taps, tokens, hidden }: Shape): Int8Layout => ({
  ...{ taps, tokens, hidden, block: 1 },
  signs: new Float32Array(hidden).fill(1),
  outliers: Array.from({ length: taps }, () => new Int32Array(0)),
});

/** Also how many scales and outliers are not finite, as they are where a value is not or is too large. */
export function encodeInt8(values: Float32Array, layout: Int8Layout): Int8Stored & { readonly unfit: number } {
  const { taps, tokens, hidden, block, outliers } = layout;
  const slab = tokens * hidden;
  const slabs = values.length / slab;
  const sides = tokens * outliers[0]!.length;
  const out = {
    values: new Int8Array(values.length),
    scale: new Uint16Array(slabs * tokens),
    side: new Uint16Array(slabs * sides),
  };
  // A tap of a row at a time: its float32 copy stays in the cache.
  const turned = new Float32Array(slab);
  let unfit = 0;
  for (let i = 0; i < slabs; i++) {
    const source = values.subarray(i * slab, (i + 1) * slab);
    const channels = outliers[i % taps]!;
    for (let from = 0; from < slab; from += hidden)
      for (let d = 0; d < hidden; d++) turned[from + d] = source[from + d]! * layout.signs[d]!;
    unfit += split(source, turned, { hidden, channels, side: out.side.subarray(i * sides, (i + 1) * sides) });
    hadamard(turned, block);
    unfit += quantise(turned, hidden, {
      values: out.values.subarray(i * slab, (i + 1) * slab),
      scale: out.scale.subarray(i * tokens, (i + 1) * tokens),
    });
  }
  return { ...out, unfit };
}

interface Side {
  readonly hidden: number;
  readonly channels: Int32Array;
  readonly side: Uint16Array;
}

/** Outlier channels go to the side and are 0 in what is turned. @returns how many are not finite as float16 */
function split(source: Float32Array, turned: Float32Array, { hidden, channels, side }: Side): number {
  const bits = new Int32Array(source.buffer, source.byteOffset, source.length);
  let [at, unfit] = [0, 0];
  for (let from = 0; from < source.length; from += hidden)
    for (let i = 0; i < channels.length; i++) {
      const o = from + channels[i]!;
      const half = halfOfBits(bits[o]!);
      if ((half & HALF_INFINITE) === HALF_INFINITE) unfit++;
      side[at++] = half;
      turned[o] = 0;
    }
  return unfit;
}

/** @returns how many scales are not finite */
function quantise(turned: Float32Array, hidden: number, out: Pick<Int8Stored, 'values' | 'scale'>): number {
  const bits = new Int32Array(turned.buffer, turned.byteOffset, turned.length);
  const word = new Int32Array(1);
  const float = new Float32Array(word.buffer);
  let unfit = 0;
  for (let token = 0, from = 0; from < turned.length; token++, from += hidden) {
    // Magnitudes order as their bits do, NaN above all: it reaches the scale.
    let largest = 0;
    for (let i = from; i < from + hidden; i++) largest = Math.max(largest, bits[i]! & 0x7fff_ffff);
    word[0] = largest;
    float[0] = float[0]! / LEVELS;
    const scale = halfOfBits(word[0]!) || ONE;
    if ((scale & HALF_INFINITE) === HALF_INFINITE) unfit++;
    out.scale[token] = scale;
    word[0] = bitsOfHalf(scale);
    const step = float[0]!;
    for (let i = from; i < from + hidden; i++) {
      // A scale rounded down leaves more than 127 steps.
      out.values[i] = Math.max(-LEVELS, Math.min(LEVELS, f(turned[i]! / step))) + WHOLE - WHOLE;
    }
  }
  return unfit;
}

/**
 * The butterflies run on the stored whole numbers, which is exact; scale and norm follow as one float32 factor. So the
 * bits do not depend on the order of sums, and the Python client has the same ones on every device.
 */
export function decodeInt8({ values, scale, side }: Int8Stored, layout: Int8Layout): Float32Array {
  const { taps, tokens, hidden, block, signs, outliers } = layout;
  const out = Float32Array.from(values);
  butterflies(out, block);
  const norm = normOf(block);
  const steps = new Float32Array(scale.length);
  decodeHalf(scale, steps);
  const count = outliers[0]!.length;
  const kept = new Float32Array(side.length);
  decodeHalf(side, kept);
  for (let token = 0, from = 0; token < steps.length; token++, from += hidden) {
    const step = f(steps[token]! * norm);
    for (let d = 0; d < hidden; d++) out[from + d] = f(out[from + d]! * step) * signs[d]!;
    const channels = outliers[Math.floor(token / tokens) % taps]!;
    for (let i = 0; i < count; i++) out[from + channels[i]!] = kept[token * count + i]!;
  }
  return out;
}
