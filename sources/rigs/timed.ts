/** Values with time stamps of their own → values at other times. */
import { PrepError } from '../../schemas/errors.ts';
import { interpolate, quaternionWxyz } from '../../schemas/geometry.ts';
import { poseFromSeries } from '../../schemas/pose-series.ts';
import type { PoseSeries } from '../../schemas/source.ts';

/** `time` ascends strictly; the row of `time[i]` is `width` numbers of `values`. */
export interface Timed {
  readonly time: Float64Array;
  readonly values: Float64Array;
  readonly width: number;
}

/** Rows in any order → ascending; of rows with one time the first stays. */
export function timed(
  rows: readonly { readonly time: number; readonly row: ArrayLike<number> }[],
  width: number,
): Timed {
  const ordered = [...rows].sort((a, b) => a.time - b.time).filter((one, i, all) => one.time !== all[i - 1]?.time);
  const values = new Float64Array(width * ordered.length);
  for (const [i, { row }] of ordered.entries()) values.set(Array.from(row).slice(0, width), width * i);
  return { time: Float64Array.from(ordered, ({ time }) => time), values, width };
}

/** Index of the last time that is not after `t`, −1 before the first. */
export function lastBefore(time: ArrayLike<number>, t: number): number {
  let [low, high] = [0, time.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (time[middle]! <= t) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Index of the nearest time, the earlier of two equally near. */
export function nearest(time: ArrayLike<number>, t: number): number {
  const before = Math.max(0, lastBefore(time, t));
  const after = Math.min(time.length - 1, before + 1);
  return Math.abs(time[after]! - t) < Math.abs(time[before]! - t) ? after : before;
}

/** The rows around `t` and how far between them it lies; null outside, and where they are farther apart than `gap`. */
export function around(time: Float64Array, t: number, gap: number): readonly [number, number, number] | null {
  const before = lastBefore(time, t);
  if (before < 0) return null;
  if (time[before] === t) return [before, before, 0];
  const after = before + 1;
  if (after === time.length || time[after]! - time[before]! > gap) return null;
  return [before, after, (t - time[before]!) / (time[after]! - time[before]!)];
}

/** Numbers at the times `at`, linear between rows. @throws PrepError `bad-time` where no rows are near */
export function numbersAt({ time, values, width }: Timed, at: ArrayLike<number>, gap: number): Float64Array {
  const out = new Float64Array(width * at.length);
  for (let step = 0; step < at.length; step++) {
    const [a, b, s] = around(time, at[step]!, gap) ?? none(step, gap);
    for (let k = 0; k < width; k++)
      out[width * step + k] = (1 - s) * values[width * a + k]! + s * values[width * b + k]!;
  }
  return out;
}

/** Poses (xyz+wxyz) at the times `at`: those recorded then as they are, others on the geodesic between two rows. */
export function posesAt(
  { time, values }: Timed,
  at: ArrayLike<number>,
  options: { gap: number; field: string },
): PoseSeries {
  const { gap, field } = options;
  const recorded: PoseSeries = { kind: 'xyz+wxyz', values, field };
  const out = new Float64Array(7 * at.length);
  for (let step = 0; step < at.length; step++) {
    const [a, b, s] = around(time, at[step]!, gap) ?? none(step, gap);
    if (a === b) out.set(values.subarray(7 * a, 7 * a + 7), 7 * step);
    else {
      const place = { step };
      const { r, t } = interpolate(poseFromSeries(recorded, a, place), poseFromSeries(recorded, b, place), s);
      out.set([...t, ...quaternionWxyz(r)], 7 * step);
    }
  }
  return { ...recorded, values: out };
}

function none(step: number, gap: number): never {
  throw new PrepError({
    code: 'bad-time',
    at: { step },
    expected: `values within ${gap} of one another around it`,
    found: 'none',
  });
}
