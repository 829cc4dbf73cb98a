/** int8 against numpy, with rotations by scipy's matrices in float64. */
import { describe, expect, it } from 'vitest';
import { addSquares, emptySquares, mergeSquares, outliersOf } from '../../transforms/features/calibrate.ts';
import { encodeInt8, plainLayout } from '../../transforms/features/int8.ts';
import {
  bytes,
  cases,
  codecFor,
  differences,
  floats,
  hq8Of,
  type Int8Case,
  largestOfAll,
  plainOf,
  there,
  words,
} from './golden.ts';

const ofTap = (values: Float32Array, { rows, taps, tokens, hidden }: Int8Case, tap: number): Float32Array => {
  const slab = tokens * hidden;
  const parts = Array.from({ length: rows }, (_, row) => {
    const from = (row * taps + tap) * slab;
    return Array.from(values.subarray(from, from + slab));
  });
  return Float32Array.from(parts.flat());
};

describe.each(cases)('int8 of $hidden channels, blocks of $block', (one) => {
  const x = floats(one.x);
  const vectors = one.rows * one.taps * one.tokens;

  it('without turn and split is numpy to the bit', () => {
    for (const found of [codecFor(plainOf(one), one).encode(x), encodeInt8(x, plainLayout(one))]) {
      expect(found.scale).toEqual(words(one.plain.scale));
      expect(found.values).toEqual(bytes(one.plain.values));
      expect(found.unfit).toBe(0);
    }
  });

  it('chooses the channels numpy chooses, whatever the batches', () => {
    const row = one.taps * one.tokens * one.hidden;
    const [whole, first, rest] = [emptySquares(one), emptySquares(one), emptySquares(one)];
    addSquares(whole, x);
    addSquares(first, x.subarray(0, row));
    addSquares(rest, x.subarray(row));
    mergeSquares(first, rest);
    for (const squares of [whole, first]) expect(outliersOf(squares, one.outliers[0]!.length)).toEqual(one.outliers);
  });

  it('with them is numpy but for rare roundings', () => {
    const found = codecFor(hq8Of(one), one).encode(x);
    expect(found.unfit).toBe(0);
    expect(found.side).toEqual(words(one.hq8.side));
    const { count, most } = differences(found.values, bytes(one.hq8.values));
    expect(most).toBeLessThanOrEqual(1);
    expect(count).toBeLessThanOrEqual(x.length / 1000);
    const scales = differences(found.scale!, words(one.hq8.scale));
    expect(scales.most).toBeLessThanOrEqual(1);
    expect(scales.count).toBeLessThanOrEqual(vectors / 50);
  });

  it('decodes to what numpy decodes, tap by tap', () => {
    const stored = { values: bytes(one.hq8.values), scale: words(one.hq8.scale), side: words(one.hq8.side) };
    const found = codecFor(hq8Of(one), one).decode(stored);
    const wanted = floats(one.hq8.decoded);
    expect(found.length).toBe(wanted.length);
    for (let tap = 0; tap < one.taps; tap++) {
      const [mine, theirs] = [ofTap(found, one, tap), ofTap(wanted, one, tap)];
      expect(differences(mine, theirs).most).toBeLessThan(3e-7 * largestOfAll(theirs));
    }
  });

  it('has a scale of 1 for a token of zeros, and gives zeros back', () => {
    const found = codecFor(hq8Of(one), one);
    const zeros = new Float32Array(one.taps * one.tokens * one.hidden);
    expect(new Set(found.encode(zeros).scale)).toEqual(new Set([0x3c00]));
    expect(there(found, zeros).every((value) => value === 0)).toBe(true);
  });

  it.each(['f16', 'bf16'] as const)('%s is numpy to the bit', (name) => {
    const found = codecFor({ name }, one).encode(x);
    expect(found.values).toEqual(words(one[name].values));
    expect(found.unfit).toBe(0);
  });
});

describe('a row that cannot be kept', () => {
  const one = cases[0]!;
  const clean = floats(one.x);
  const planted = (at: number, value: number): Float32Array => {
    const out = clean.slice();
    out[at] = value;
    return out;
  };
  const outlier = one.outliers[0]![1]!;
  const bulk = Array.from({ length: one.hidden }, (_, d) => d).find((d) => !one.outliers[0]!.includes(d))!;

  it.each([
    ['NaN', Number.NaN],
    ['infinity', Number.NEGATIVE_INFINITY],
    ['a value beyond float16', 1e30],
  ])('%s is counted, in the bulk and among the outliers', (_, value) => {
    for (const spec of [hq8Of(one), plainOf(one), { name: 'f16' } as const])
      for (const at of [outlier, bulk])
        expect(codecFor(spec, one).encode(planted(at, value)).unfit, `${spec.name} at ${at}`).toBe(1);
  });
  it('a large value that bfloat16 holds is not', () => {
    expect(codecFor({ name: 'bf16' }, one).encode(planted(bulk, 1e30)).unfit).toBe(0);
  });
});
