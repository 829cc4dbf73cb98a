/**
 * Counts in bins whose width grows with the value (HdrHistogram's layout): equal widths below 2^-10, then 256 bins in
 * every doubling. Whole numbers, so that merging is exact whatever the order; bins come from the float's bits, so that they
 * are the same on every machine. (DDSketch has no resolution left for values that cross zero, KLL and t-digest depend on
 * the order of merging.)
 */

/** Bins per doubling: a value is known to 2^-9 of itself, below 2^-10 to 2^-19. */
const PER_DOUBLING = 256;
const LINEAR_BELOW = 2 ** -10;
const DOUBLINGS = 16;
const HALF = PER_DOUBLING * (DOUBLINGS + 1);
/** Bins of one histogram: of negative values first, then of positive ones. */
export const BINS = 2 * HALF;

/** What is promised of a quantile: within `relative` of its value or `absolute`, whichever is more, up to `until`. */
export const ERROR = {
  relative: 1 / (2 * PER_DOUBLING),
  absolute: LINEAR_BELOW / (2 * PER_DOUBLING),
  until: LINEAR_BELOW * 2 ** DOUBLINGS,
} as const;

const MAGNITUDE = 0x7fff_ffff;
const INFINITE = 0x7f80_0000;
/** Bits of 2^-10 as float32. */
const FIRST_DOUBLING = 117 << 23;
/** Bits of a mantissa below those that choose the bin. */
const REST = 15;

/** True for NaN and the infinities, given a float32's bits. */
export const isUnusable = (bits: number): boolean => (bits & INFINITE) === INFINITE;

/** Bin of a finite float32. @param bits the same value's bits */
export function binOf(x: number, bits: number): number {
  const magnitude = bits & MAGNITUDE;
  const index =
    magnitude < FIRST_DOUBLING
      ? Math.floor((x < 0 ? -x : x) * (PER_DOUBLING / LINEAR_BELOW))
      : Math.min(((magnitude - FIRST_DOUBLING) >>> REST) + PER_DOUBLING, HALF - 1);
  return x < 0 ? HALF - 1 - index : HALF + index;
}

/** The middle of a bin. */
export function middleOf(bin: number): number {
  const negative = bin < HALF;
  const index = negative ? HALF - 1 - bin : bin - HALF;
  const doubling = Math.floor(index / PER_DOUBLING) - 1;
  const within = (index % PER_DOUBLING) + 0.5;
  const value =
    doubling < 0 ? (within * LINEAR_BELOW) / PER_DOUBLING : LINEAR_BELOW * 2 ** doubling * (1 + within / PER_DOUBLING);
  return negative ? -value : value;
}

/** A histogram that holds only the bins between its first and its last. */
export interface Histogram {
  first: number;
  counts: Float64Array;
}

export const emptyHistogram = (): Histogram => ({ first: 0, counts: new Float64Array(0) });

/** Makes room for bins `from` … `to`. */
function reserve(histogram: Histogram, from: number, to: number): void {
  const { first, counts } = histogram;
  const last = first + counts.length - 1;
  if (counts.length > 0 && from >= first && to <= last) return;
  const lower = counts.length === 0 ? from : Math.min(from, first);
  const upper = counts.length === 0 ? to : Math.max(to, last);
  const room = new Float64Array(upper - lower + 1);
  room.set(counts, counts.length === 0 ? 0 : first - lower);
  histogram.first = lower;
  histogram.counts = room;
}

/** Adds `scale` times the counts of another. */
export function addHistogram(into: Histogram, { first, counts }: Histogram, scale = 1): void {
  if (counts.length === 0) return;
  reserve(into, first, first + counts.length - 1);
  const offset = first - into.first;
  for (let i = 0; i < counts.length; i++) into.counts[offset + i] = into.counts[offset + i]! + scale * counts[i]!;
}

/** Rounding of a weighted sum must not push a quantile into the next bin. */
const SLACK = 1e-12;

/** The least value that at least `share` of the weight does not exceed (numpy: `inverted_cdf`), to `ERROR`. */
export function quantile({ first, counts }: Histogram, share: number): number {
  let total = 0;
  for (const count of counts) total += count;
  const wanted = share * total * (1 - SLACK);
  let sum = 0;
  for (let i = 0; i < counts.length; i++) {
    sum += counts[i]!;
    if (counts[i]! > 0 && sum >= wanted) return middleOf(first + i);
  }
  return Number.NaN;
}

/** Dense histograms (`BINS` counts each, one after another) as gaps and counts in base-128 numbers. */
export function encodeHistograms(dense: Uint32Array): Uint8Array {
  let bytes = new Uint8Array(1 << 16);
  let at = 0;
  const write = (value: number): void => {
    let rest = value;
    while (rest > 127) {
      bytes[at++] = (rest & 127) | 128;
      rest = Math.floor(rest / 128);
    }
    bytes[at++] = rest;
  };
  for (let from = 0; from < dense.length; from += BINS) {
    let used = 0;
    for (let bin = 0; bin < BINS; bin++) if (dense[from + bin] !== 0) used++;
    // Five bytes hold any 32-bit number; the counts of a histogram come with as many gaps.
    if (at + 10 * (used + 1) > bytes.length) {
      const larger = new Uint8Array(2 * bytes.length + 10 * (used + 1));
      larger.set(bytes);
      bytes = larger;
    }
    write(used);
    let next = 0;
    for (let bin = 0; bin < BINS; bin++) {
      const count = dense[from + bin]!;
      if (count === 0) continue;
      write(bin - next);
      write(count);
      next = bin + 1;
    }
  }
  return bytes.slice(0, at);
}

/** Adds encoded histograms to those of `into`, one after another. */
export function addEncoded(into: readonly Histogram[], bytes: Uint8Array): void {
  let at = 0;
  const read = (): number => {
    let [value, unit] = [0, 1];
    for (;;) {
      const byte = bytes[at++]!;
      value += (byte & 127) * unit;
      if (byte < 128) return value;
      unit *= 128;
    }
  };
  const [bins, counts] = [new Int32Array(BINS), new Float64Array(BINS)];
  for (const histogram of into) {
    const used = read();
    let next = 0;
    for (let i = 0; i < used; i++) {
      bins[i] = next + read();
      counts[i] = read();
      next = bins[i]! + 1;
    }
    if (used === 0) continue;
    reserve(histogram, bins[0]!, bins[used - 1]!);
    for (let i = 0; i < used; i++) {
      const to = bins[i]! - histogram.first;
      histogram.counts[to] = histogram.counts[to]! + counts[i]!;
    }
  }
}
