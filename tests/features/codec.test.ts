/** What all codecs share: rows do not depend on their batch, and misshapen arrays and constants are named. */
import { describe, expect, it } from 'vitest';
import { PrepError } from '../../schemas/errors.ts';
import { largestOf } from '../../transforms/features/codec.ts';
import { cases, codecFor, floats, hq8Of, plainOf, there } from './golden.ts';

const one = cases[1]!;
const x = floats(one.x);
const row = one.taps * one.tokens * one.hidden;
const SPECS = [{ name: 'f16' }, { name: 'bf16' }, hq8Of(one), plainOf(one)] as const;

function faultOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof PrepError) return error.message;
    throw error;
  }
  return 'no error';
}

describe.each(SPECS)('codec $name', (spec) => {
  const codec = codecFor(spec, one);
  it('gives a row the same in every batch', () => {
    const whole = there(codec, x);
    const apart = [0, 1].flatMap((i) => Array.from(there(codec, x.subarray(i * row, (i + 1) * row))));
    expect(Array.from(whole)).toEqual(apart);
  });
  it('leaves what it is given as it was', () => {
    const before = x.slice();
    const stored = codec.encode(x);
    const values = stored.values.slice();
    codec.decode(stored);
    expect(x).toEqual(before);
    expect(stored.values).toEqual(values);
  });
  it('takes no rows', () => expect(there(codec, new Float32Array(0)).length).toBe(0));
  it('names a batch that is not whole rows', () =>
    expect(faultOf(() => codec.encode(x.subarray(1)))).toMatch(
      /^field-shape .*rows of 2 x 6 x 96 numbers, found 2303/,
    ));
});

describe('codecs', () => {
  it('refuse arrays of another codec', () => {
    const [half, , int8] = SPECS.map((spec) => codecFor(spec, one));
    expect(faultOf(() => int8!.decode(half!.encode(x)))).toMatch(/field-shape.*expected int8/);
    expect(faultOf(() => half!.decode(int8!.encode(x)))).toMatch(/field-shape.*expected float16/);
    const { values, scale, side } = int8!.encode(x);
    expect(faultOf(() => int8!.decode({ values, scale: scale!.subarray(1), side: side! }))).toMatch(/field scale/);
    expect(faultOf(() => int8!.decode({ values, scale: scale! }))).toMatch(/field side/);
  });
  it('say what they can hold', () => {
    expect(largestOf({ name: 'f16' })).toBe(65504);
    expect(largestOf(hq8Of(one))).toBe(65504);
    expect(largestOf({ name: 'bf16' })).toBeGreaterThan(3.3e38);
  });
  it.each([
    ['block', { block: 64 }],
    ['block', { block: 3 }],
    ['block', { block: 0 }],
    ['signs', { signs: one.signs.slice(1) }],
    ['outliers', { outliers: one.outliers.slice(1) }],
    ['outliers', { outliers: [one.outliers[0]!, [1, 2]] }],
    ['outliers', { outliers: [one.outliers[0]!, [9, 8, 7, 6]] }],
    ['outliers', { outliers: [one.outliers[0]!, [1, 1, 2, 3]] }],
    ['outliers', { outliers: [one.outliers[0]!, [1, 2, 3, 96]] }],
  ])('refuse constants that do not fit: %s %j', (field, change) =>
    expect(faultOf(() => codecFor(hq8Of({ ...one, ...change }), one))).toMatch(`bad-value (field codec ${field})`),
  );
});
