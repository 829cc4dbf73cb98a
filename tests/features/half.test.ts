/** float16 and bfloat16 against numpy and ml_dtypes. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeBrain, decodeHalf, encodeBrain, encodeHalf, HALF_MAX } from '../../transforms/features/half.ts';
import { golden, sha256 } from './golden.ts';

interface Vectors {
  readonly special: readonly { bits: number; f16: number; bf16: number }[];
  readonly nan: readonly number[];
  readonly sweep: { factor: number; count: number; f16: string; bf16: string };
  readonly ties: { f16: string };
  readonly decoded: { f16: string; bf16: string };
}
const vectors = golden<Vectors>('half');
const FORMATS = {
  f16: { encode: encodeHalf, decode: decodeHalf, infinite: 0x7c00, quiet: 0x200 },
  bf16: { encode: encodeBrain, decode: decodeBrain, infinite: 0x7f80, quiet: 0x40 },
} as const;
type Format = keyof typeof FORMATS;
const NAMES = Object.keys(FORMATS) as Format[];
const ALL = Uint16Array.from({ length: 65_536 }, (_, i) => i);

const fromBits = (bits: Uint32Array): Float32Array => new Float32Array(bits.buffer);

function encoded(name: Format, values: Float32Array): Uint16Array {
  const out = new Uint16Array(values.length);
  FORMATS[name].encode(values, out);
  return out;
}
function decoded(name: Format, values: Uint16Array): Float32Array {
  const out = new Float32Array(values.length);
  FORMATS[name].decode(values, out);
  return out;
}
const isNaN16 = (name: Format, half: number): boolean => (half & 0x7fff) > FORMATS[name].infinite;
/** The script's convention for comparing sweeps. */
const withoutNaN = (name: Format, halves: Uint16Array): Uint16Array =>
  halves.map((half) => (isNaN16(name, half) ? 0 : half));

describe.each(NAMES)('%s', (name) => {
  it('has the bits of special cases', () => {
    const found = encoded(name, fromBits(Uint32Array.from(vectors.special, ({ bits }) => bits)));
    expect(Array.from(found)).toEqual(vectors.special.map((one) => one[name]));
  });

  it('keeps NaN and its sign', () => {
    const found = encoded(name, fromBits(Uint32Array.from(vectors.nan)));
    expect(Array.from(found, (half) => isNaN16(name, half))).toEqual(vectors.nan.map(() => true));
    expect(Array.from(found, (half) => half >>> 15)).toEqual(vectors.nan.map((bits) => bits >>> 31));
  });

  it('is numpy over a million floats of every size', () => {
    const { factor, count } = vectors.sweep;
    const values = fromBits(Uint32Array.from({ length: count }, (_, i) => Math.imul(i, factor)));
    expect(sha256(withoutNaN(name, encoded(name, values)))).toBe(vectors.sweep[name]);
  });

  it('decodes all 65 536 as numpy does, and back', () => {
    const floats = decoded(name, ALL);
    expect(sha256(floats.map((x) => (Number.isNaN(x) ? 0 : x)))).toBe(vectors.decoded[name]);
    const back = ALL.map((half) => (isNaN16(name, half) ? half | FORMATS[name].quiet : half));
    expect(encoded(name, floats)).toEqual(back);
  });

  it('counts what is not finite afterwards', () => {
    const values = Float32Array.of(1, Number.NaN, -Number.POSITIVE_INFINITY, 3.4028234e38, 0, 1e-45);
    expect(FORMATS[name].encode(values, new Uint16Array(6))).toBe(3);
  });

  it('is monotonic, and nearest', () => {
    const float = fc.float({ noNaN: true, min: -65504, max: 65504 });
    fc.assert(
      fc.property(float, float, (a, b) => {
        const [x, y] = [Math.min(a, b), Math.max(a, b)];
        const [s, t] = decoded(name, encoded(name, Float32Array.of(x, y)));
        const unit = name === 'f16' ? 2 ** -11 : 2 ** -8;
        return s! <= t! && Math.abs(s! - x) <= Math.max(Math.abs(x) * unit, 2 ** -25);
      }),
    );
  });
});

describe('f16', () => {
  it('breaks every tie to even', () => {
    const finite = decoded('f16', ALL.subarray(0, 0x7c00));
    const middle = new Float32Array(finite.length - 1).map((_, i) => (finite[i]! + finite[i + 1]!) / 2);
    const bits = Array.from(new Uint32Array(middle.buffer));
    const negative = (b: number): number => (b | 0x8000_0000) >>> 0;
    const around = [bits.map((b) => b - 1), bits, bits.map((b) => b + 1)];
    const all = [...around, bits.map((b) => negative(b - 1)), bits.map(negative)];
    expect(sha256(encoded('f16', fromBits(Uint32Array.from(all.flat()))))).toBe(vectors.ties.f16);
  });
  it('ends at 65 504', () => {
    const [last, ...beyond] = encoded('f16', Float32Array.of(65519.996, 65520, -65520));
    expect(decoded('f16', Uint16Array.of(last!))[0]).toBe(HALF_MAX);
    expect(beyond).toEqual([0x7c00, 0xfc00]);
  });
});
