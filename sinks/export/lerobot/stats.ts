/** Statistics as LeRobot keeps them (lerobot `compute_stats.py`): per episode and over all, of everything in a column. */

export const QUANTILES = { q01: 0.01, q10: 0.1, q50: 0.5, q90: 0.9, q99: 0.99 } as const;
type QuantileName = keyof typeof QUANTILES;
export const MEASURES = ['min', 'max', 'mean', 'std', 'q01', 'q10', 'q50', 'q90', 'q99'] as const;

/** One number per entry of the feature (channel of a picture), and how many frames were looked at. */
export type Stats = Readonly<Record<(typeof MEASURES)[number], readonly number[]>> & { readonly count: number };

type Entry = Readonly<Record<(typeof MEASURES)[number], number>>;

/** JSON has no NaN: an entry without one known value is zeros. */
const UNKNOWN: Entry = { min: 0, max: 0, mean: 0, std: 0, q01: 0, q10: 0, q50: 0, q90: 0, q99: 0 };

/** Of rows of `width` numbers. Unknown ones (NaN) are passed over. Quantiles between two values are interpolated, as numpy's. */
export function numberStats(rows: readonly (readonly number[])[], width: number): Stats {
  const entries = Array.from({ length: width }, (_, column) =>
    entryOf(Float64Array.from(rows, (row) => row[column]!).filter((x) => !Number.isNaN(x))),
  );
  return { ...columns(entries), count: rows.length };
}

function entryOf(values: Float64Array): Entry {
  if (values.length === 0) return UNKNOWN;
  values.sort();
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length;
  return {
    min: values[0]!,
    max: values.at(-1)!,
    mean,
    std: Math.sqrt(variance),
    ...quantiles((place) => values[place]!, values.length),
  };
}

/** @param at the value at a place in ascending order */
function quantiles(at: (place: number) => number, length: number): Record<QuantileName, number> {
  const one = (share: number): number => {
    const place = share * (length - 1);
    const [below, rest] = [Math.floor(place), place - Math.floor(place)];
    return at(below) + (rest === 0 ? 0 : rest * (at(below + 1) - at(below)));
  };
  const found = Object.entries(QUANTILES).map(([name, share]) => [name, one(share)]);
  return Object.fromEntries(found) as Record<QuantileName, number>;
}

/** Counts of the 256 values of each of the three channels. */
export type Histogram = readonly [Float64Array, Float64Array, Float64Array];
export const newHistogram = (): Histogram => [new Float64Array(256), new Float64Array(256), new Float64Array(256)];

/** Of pictures, in the range 0 … 1. */
export function imageStats(histogram: Histogram, frames: number): Stats {
  return { ...columns(histogram.map(channelOf)), count: frames };
}

function channelOf(counts: Float64Array): Entry {
  const total = counts.reduce((sum, n) => sum + n, 0);
  if (total === 0) return UNKNOWN;
  const mean = counts.reduce((sum, n, value) => sum + n * value, 0) / total;
  const variance = counts.reduce((sum, n, value) => sum + n * (value - mean) ** 2, 0) / total;
  const at = (place: number): number => {
    let below = 0;
    return counts.findIndex((n) => {
      below += n;
      return below > place;
    });
  };
  const whole = { min: at(0), max: at(total - 1), mean, std: Math.sqrt(variance), ...quantiles(at, total) };
  return Object.fromEntries(Object.entries(whole).map(([name, value]) => [name, value / 255])) as Entry;
}

const columns = (entries: readonly Entry[]): Record<(typeof MEASURES)[number], number[]> =>
  Object.fromEntries(MEASURES.map((name) => [name, entries.map((entry) => entry[name])])) as Record<
    (typeof MEASURES)[number],
    number[]
  >;

/**
 * Two parts as one. Quantiles of a whole cannot be had from those of its parts: the outer ones are bounds (least of the low,
 * most of the high, as LeRobot of August 2026), the median is weighted.
 */
export function mergeStats(a: Stats, b: Stats): Stats {
  const count = a.count + b.count;
  const [left, right] = [a.count / count, b.count / count];
  const each = (name: (typeof MEASURES)[number], of: (x: number, y: number) => number): number[] =>
    a[name].map((x, i) => of(x, b[name][i]!));
  const weighted = (x: number, y: number): number => left * x + right * y;
  const mean = each('mean', weighted);
  const std = a.std.map((_, i) => {
    const spread = (stats: Stats): number => stats.std[i]! ** 2 + (stats.mean[i]! - mean[i]!) ** 2;
    return Math.sqrt(left * spread(a) + right * spread(b));
  });
  const [least, most] = [Math.min, Math.max];
  return {
    min: each('min', least),
    max: each('max', most),
    mean,
    std,
    q01: each('q01', least),
    q10: each('q10', least),
    q50: each('q50', weighted),
    q90: each('q90', most),
    q99: each('q99', most),
    count,
  };
}
