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

/** A column's numbers of one arm, and which of them a step's masks let count. */
interface Part {
  readonly values: Float32Array;
  readonly bits: Int32Array;
  /** First number of the arm within a step, numbers per step, first index in the moments. */
  readonly from: number;
  readonly stride: number;
  readonly at: number;
  /** How many leading numbers count at a step. */
  valid(step: number): number;
}

function* partsOf(rows: MomentRows, { arms, steps }: Shape): Generator<Part> {
  const { present, actionValid } = rows;
  const chunk = steps * VECTOR;
  const bits = (values: Float32Array) => new Int32Array(values.buffer, values.byteOffset, values.length);
  for (let arm = 0; arm < arms; arm++) {
    const has = (step: number): boolean => (present[step]! & armBit(arm)) !== 0;
    const at = arm * (chunk + 2 * VECTOR);
    const part = (values: Float32Array, width: number, offset: number, valid: Part['valid']): Part => ({
      values,
      bits: bits(values),
      from: arm * width,
      stride: arms * width,
      at: at + offset,
      valid,
    });
    yield part(rows.action, chunk, 0, (step) => (has(step) ? Math.min(actionValid[step]!, steps) * VECTOR : 0));
    yield part(rows.history, VECTOR, chunk, (step) => (has(step) && present[step]! & HISTORY_BIT ? VECTOR : 0));
    yield part(rows.proprio, VECTOR, chunk + VECTOR, (step) => (has(step) ? VECTOR : 0));
  }
}

/**
 * Moments of one episode's rows; their values are counted in `histograms` too (`BINS` per number, one after another).
 * Two passes: the mean first, then the deviations from it.
 */
export function momentsOfRows(rows: MomentRows, shape: Shape, histograms: Uint32Array): Moments {
  const out = emptyMoments(numbersOf(shape));
  for (const part of partsOf(rows, shape)) {
    sums(part, rows.steps, out, histograms);
    const last = part.at + part.stride / shape.arms;
    for (let i = part.at; i < last; i++) if (out.count[i]! > 0) out.mean[i] = out.mean[i]! / out.count[i]!;
    deviations(part, rows.steps, out);
  }
  return out;
}

/** Counts, extremes, and the sum in place of the mean. */
function sums({ values, bits, from, stride, at, valid }: Part, steps: number, out: Moments, into: Uint32Array): void {
  const { count, mean, min, max } = out;
  for (let step = 0; step < steps; step++) {
    const [o, many] = [from + step * stride, valid(step)];
    for (let j = 0; j < many; j++) {
      const b = bits[o + j]!;
      if (isUnusable(b)) continue;
      const [x, i] = [values[o + j]!, at + j];
      if (count[i] === 0 || x < min[i]!) min[i] = x;
      if (count[i] === 0 || x > max[i]!) max[i] = x;
      count[i] = count[i]! + 1;
      mean[i] = mean[i]! + x;
      const bin = i * BINS + binOf(x, b);
      into[bin] = into[bin]! + 1;
    }
  }
}

function deviations({ values, bits, from, stride, at, valid }: Part, steps: number, { mean, m2 }: Moments): void {
  for (let step = 0; step < steps; step++) {
    const [o, many] = [from + step * stride, valid(step)];
    for (let j = 0; j < many; j++) {
      if (isUnusable(bits[o + j]!)) continue;
      const d = values[o + j]! - mean[at + j]!;
      m2[at + j] = m2[at + j]! + d * d;
    }
  }
}

/** Adds moments of other rows. The result depends on the order of additions in its last bits: keep to one. */
export function addMoments(into: Moments, more: Moments): void {
  for (let i = 0; i < into.count.length; i++) {
    const [n, m] = [into.count[i]!, more.count[i]!];
    if (m === 0) continue;
    const delta = more.mean[i]! - into.mean[i]!;
    into.count[i] = n + m;
    into.mean[i] = into.mean[i]! + (delta * m) / (n + m);
    into.m2[i] = into.m2[i]! + more.m2[i]! + (delta * delta * n * m) / (n + m);
    into.min[i] = n === 0 ? more.min[i]! : Math.min(into.min[i]!, more.min[i]!);
    into.max[i] = n === 0 ? more.max[i]! : Math.max(into.max[i]!, more.max[i]!);
  }
}
