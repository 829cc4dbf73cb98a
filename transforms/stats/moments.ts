/**
 * Count, mean, squared deviations and extremes of every number of a row, mergeable without loss (Chan, Golub, LeVeque 1979).
 * Order of the numbers: arm slot, then chunk steps of the action, history, proprioception, then the 10 dimensions.
 */
import { armBit, HISTORY_BIT, VECTOR } from '../../schemas/row.ts';
import { BINS, binOf, isUnusable } from './histogram.ts';

export interface Shape {
  readonly arms: number;
  /** Chunk steps. */
  readonly steps: number;
}

export interface Moments {
  readonly count: Float64Array;
  readonly mean: Float64Array;
  /** Sum of squared deviations from the mean. */
  readonly m2: Float64Array;
  /** 0 where the count is 0, as in `max`. */
  readonly min: Float64Array;
  readonly max: Float64Array;
}

/** Numbers per row: what one arm has is its chunk, then history, then proprioception. */
export const numbersOf = ({ arms, steps }: Shape): number => arms * (steps + 2) * VECTOR;

export const emptyMoments = (length: number): Moments => ({
  count: new Float64Array(length),
  mean: new Float64Array(length),
  m2: new Float64Array(length),
  min: new Float64Array(length),
  max: new Float64Array(length),
});

/** Rows of one episode; shapes as in the step row. */
export interface MomentRows {
  readonly steps: number;
  readonly action: Float32Array;
  readonly actionValid: Int16Array;
  readonly history: Float32Array;
  readonly proprio: Float32Array;
  readonly present: Int32Array;
}

/** A column's numbers of one arm, and how many leading ones each step's masks let count. */
interface Part {
  readonly values: Float32Array;
  readonly bits: Int32Array;
  readonly valid: Int32Array;
  /** First number of the arm within a step, numbers per step, first index in the moments, numbers of the arm. */
  readonly from: number;
  readonly stride: number;
  readonly at: number;
  readonly width: number;
}

function* partsOf(rows: MomentRows, { arms, steps }: Shape): Generator<Part> {
  const { present, actionValid } = rows;
  const chunk = steps * VECTOR;
  for (let arm = 0; arm < arms; arm++) {
    const at = arm * (chunk + 2 * VECTOR);
    const part = (values: Float32Array, width: number, offset: number, valid: (step: number) => number): Part => ({
      values,
      bits: new Int32Array(values.buffer, values.byteOffset, values.length),
      valid: Int32Array.from({ length: rows.steps }, (_, step) => (present[step]! & armBit(arm) ? valid(step) : 0)),
      from: arm * width,
      stride: arms * width,
      at: at + offset,
      width,
    });
    yield part(rows.action, chunk, 0, (step) => Math.min(actionValid[step]!, steps) * VECTOR);
    yield part(rows.history, VECTOR, chunk, (step) => (present[step]! & HISTORY_BIT ? VECTOR : 0));
    yield part(rows.proprio, VECTOR, chunk + VECTOR, () => VECTOR);
  }
}

/** Moments of one episode's rows; their values are counted in `histograms` too (`BINS` per number, one after another). */
export function momentsOfRows(rows: MomentRows, shape: Shape, histograms: Uint32Array): Moments {
  const out = emptyMoments(numbersOf(shape));
  // Number by number: a histogram is 35 KB, and all of them do not fit into a cache.
  for (const part of partsOf(rows, shape))
    for (let j = 0; j < part.width; j++) momentsOfNumber(part, j, out, histograms);
  return out;
}

/** Two passes: the mean first, then the deviations from it. */
function momentsOfNumber(
  { values, bits, valid, from, stride, at }: Part,
  j: number,
  out: Moments,
  into: Uint32Array,
): void {
  const first = (at + j) * BINS;
  let count = 0;
  let sum = 0;
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (let step = 0, o = from + j; step < valid.length; step++, o += stride) {
    const b = bits[o]!;
    if (j >= valid[step]! || isUnusable(b)) continue;
    const x = values[o]!;
    count++;
    sum += x;
    if (x < min) min = x;
    if (x > max) max = x;
    const bin = first + binOf(x, b);
    into[bin] = into[bin]! + 1;
  }
  if (count === 0) return;
  const mean = sum / count;
  let m2 = 0;
  for (let step = 0, o = from + j; step < valid.length; step++, o += stride) {
    if (j >= valid[step]! || isUnusable(bits[o]!)) continue;
    const d = values[o]! - mean;
    m2 += d * d;
  }
  const i = at + j;
  out.count[i] = count;
  out.mean[i] = mean;
  out.m2[i] = m2;
  out.min[i] = min;
  out.max[i] = max;
}

/** Adds moments of other rows. The result depends on the order of additions in its last bits: keep to one. */
export function addMoments(into: Moments, more: Moments): void {
  const { count, mean, m2, min, max } = into;
  for (let i = 0; i < count.length; i++) {
    const n = count[i]!;
    const m = more.count[i]!;
    if (m === 0) continue;
    const delta = more.mean[i]! - mean[i]!;
    count[i] = n + m;
    mean[i] = mean[i]! + (delta * m) / (n + m);
    m2[i] = m2[i]! + more.m2[i]! + (delta * delta * n * m) / (n + m);
    min[i] = n === 0 ? more.min[i]! : Math.min(min[i]!, more.min[i]!);
    max[i] = n === 0 ? more.max[i]! : Math.max(max[i]!, more.max[i]!);
  }
}
