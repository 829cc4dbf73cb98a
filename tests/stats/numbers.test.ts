/** Moments and quantiles against numpy's, and the laws of merging. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addEncoded,
  addHistogram,
  BINS,
  binOf,
  ERROR,
  emptyHistogram,
  encodeHistograms,
  type Histogram,
  middleOf,
  quantile,
} from '../../transforms/stats/histogram.ts';
import {
  addMoments,
  emptyMoments,
  type MomentRows,
  type Moments,
  momentsOfRows,
  numbersOf,
} from '../../transforms/stats/moments.ts';

interface Vectors {
  readonly arms: number;
  readonly steps: number;
  readonly episodes: readonly Readonly<Record<string, readonly (number | null)[]>>[];
  readonly moments: readonly Readonly<Record<keyof Moments, readonly number[]>>[];
  readonly together: Readonly<Record<keyof Moments, readonly number[]>>;
  readonly shares: readonly number[];
  readonly series: readonly { n: number; scale: number; weight: number; quantiles: readonly number[] }[];
  readonly weighted: readonly number[];
}
const vectors: Vectors = JSON.parse(
  readFileSync(new URL('../../fixtures/stats/vectors.json', import.meta.url), 'utf8'),
);
const shape = { arms: vectors.arms, steps: vectors.steps };

const floats = (values: readonly (number | null)[]) => Float32Array.from(values, (x) => x ?? Number.NaN);
const rows = vectors.episodes.map(
  (one): MomentRows => ({
    steps: one.steps as unknown as number,
    action: floats(one.action!),
    actionValid: Int16Array.from(one.actionValid as number[]),
    history: floats(one.history!),
    proprio: floats(one.proprio!),
    present: Int32Array.from(one.present as number[]),
  }),
);

function expectMoments(found: Moments, wanted: Vectors['together']): void {
  expect([...found.count]).toEqual(wanted.count);
  expect([...found.min]).toEqual(wanted.min);
  expect([...found.max]).toEqual(wanted.max);
  for (const name of ['mean', 'm2'] as const)
    for (const [i, value] of wanted[name].entries()) expect(Math.abs(found[name][i]! - value)).toBeLessThan(1e-12);
}

const bitsOf = (values: Float32Array) => new Int32Array(values.buffer);
const dense = (values: Float32Array): Uint32Array => {
  const counts = new Uint32Array(BINS);
  const bits = bitsOf(values);
  for (const [i, x] of values.entries()) counts[binOf(x, bits[i]!)]!++;
  return counts;
};
const histogramOf = (values: Float32Array): Histogram => {
  const out = emptyHistogram();
  addEncoded([out], encodeHistograms(dense(values)));
  return out;
};
const room = (x: number): number => Math.max(ERROR.absolute, ERROR.relative * Math.abs(x));

describe('moments', () => {
  it('of episodes and of all together are numpy’s', () => {
    const all = emptyMoments(numbersOf(shape));
    for (const [i, one] of rows.entries()) {
      const found = momentsOfRows(one, shape, new Uint32Array(numbersOf(shape) * BINS));
      expectMoments(found, vectors.moments[i]!);
      addMoments(all, found);
    }
    expectMoments(all, vectors.together);
  });

  it('count in the histograms what they count themselves', () => {
    const counts = new Uint32Array(numbersOf(shape) * BINS);
    const found = momentsOfRows(rows[1]!, shape, counts);
    for (const [i, count] of found.count.entries())
      expect(counts.subarray(i * BINS, (i + 1) * BINS).reduce((a, b) => a + b, 0)).toBe(count);
  });
});

describe('quantiles', () => {
  const series = vectors.series.map(({ n, scale }) =>
    Float32Array.from({ length: n }, (_, i) => ((((i * 7919) % 10007) - 4001) / 10007) * scale),
  );

  it('are numpy’s to within the error that is promised', () => {
    for (const [i, values] of series.entries())
      for (const [s, share] of vectors.shares.entries()) {
        const wanted = vectors.series[i]!.quantiles[s]!;
        expect(Math.abs(quantile(histogramOf(values), share) - wanted)).toBeLessThanOrEqual(room(wanted));
      }
  });

  it('of a weighted mixture too', () => {
    const all = emptyHistogram();
    for (const [i, values] of series.entries()) addHistogram(all, histogramOf(values), vectors.series[i]!.weight);
    for (const [s, share] of vectors.shares.entries()) {
      const wanted = vectors.weighted[s]!;
      expect(Math.abs(quantile(all, share) - wanted)).toBeLessThanOrEqual(room(wanted));
    }
  });

  it('of nothing are not a number', () => expect(quantile(emptyHistogram(), 0.5)).toBeNaN());
});

describe('histograms', () => {
  const value = fc.oneof(
    fc.float({ noNaN: true, min: Math.fround(-63), max: Math.fround(63) }),
    fc.constantFrom(0, -0, 1, -1, 2 ** -10, -(2 ** -10), 2 ** -11, 1.4e-45, Math.fround(63.99)),
  );
  const many = fc.array(value, { maxLength: 60 }).map((values) => Float32Array.from(values));

  it('know a value to within the error, and keep the order of values', () => {
    fc.assert(
      fc.property(value, value, (a, b) => {
        const [bins, values] = [[0, 0], Float32Array.of(a, b)];
        for (const i of [0, 1]) {
          bins[i] = binOf(values[i]!, bitsOf(values)[i]!);
          expect(Math.abs(middleOf(bins[i]!) - values[i]!)).toBeLessThanOrEqual(room(values[i]!));
        }
        if (values[0]! < values[1]!) expect(bins[0]).toBeLessThanOrEqual(bins[1]!);
      }),
      { numRuns: 2000 },
    );
  });

  it('take what lies beyond into their last bins', () => {
    const values = Float32Array.of(1e30, -1e30);
    expect([0, 1].map((i) => binOf(values[i]!, bitsOf(values)[i]!))).toEqual([BINS - 1, 0]);
  });

  it('of parts add up to that of the whole, in any order', () => {
    fc.assert(
      fc.property(many, many, many, (a, b, c) => {
        const whole = Float32Array.of(...a, ...b, ...c);
        for (const parts of [
          [a, b, c],
          [c, a, b],
        ]) {
          const sum = emptyHistogram();
          for (const part of parts) addEncoded([sum], encodeHistograms(dense(part)));
          expect(sum).toEqual(histogramOf(whole));
        }
      }),
    );
  });
});
