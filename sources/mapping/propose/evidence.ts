/** What numbers betray of themselves: unit quaternions, rotation matrices, angles, units. */
import type { Sample } from '../../describe/description.ts';
import { columnRanges } from '../../describe/seen.ts';
import type { FieldRef, Guess } from '../schema.ts';

/** Columns [from, to) of a field. */
export interface Part {
  readonly sample: Sample;
  readonly from: number;
  readonly to: number;
}

export const whole = (sample: Sample): Part => ({ sample, from: 0, to: sample.width });
export const part = (sample: Sample, from: number, count: number): Part => ({ sample, from, to: from + count });

/** As a mapping names it. */
export const refOf = ({ sample, from, to }: Part): FieldRef =>
  from === 0 && to === sample.width ? sample.path : { field: sample.path, columns: [from, to] };

/** A key of the mapping with its value, and what is uncertain about it. */
export type Guesses = Guess[];

export const rangesOf = ({ sample, from, to }: Part): { min: number; max: number }[] =>
  columnRanges(sample.values, sample.width).slice(from, to);

export function largest(of: Part): number {
  return Math.max(...rangesOf(of).map(({ min, max }) => Math.max(Math.abs(min), Math.abs(max))));
}

/** True where something changes over the rows: what never does was not recorded, or is no pose of an arm. */
export const moves = (of: Part): boolean => rangesOf(of).some(({ min, max }) => max - min > 1e-4);

function everyRow({ sample: { values, width, rows }, from, to }: Part, holds: (row: Float64Array) => boolean): boolean {
  let [seen, good] = [0, 0];
  for (let row = 0; row < rows; row++) {
    const numbers = values.subarray(row * width + from, row * width + to);
    if (!numbers.every(Number.isFinite)) continue;
    seen++;
    if (holds(numbers)) good++;
  }
  // A damaged row here and there is for the ingest to find.
  return seen > 0 && good >= 0.98 * seen;
}

/** Four columns of length 1: a quaternion, in whichever order. */
export const isQuaternion = (of: Part): boolean =>
  of.to - of.from === 4 && everyRow(of, (q) => Math.abs(Math.hypot(...q) - 1) < 2e-3);

/** 9, 12 or 16 numbers, row-major, whose rows are orthonormal. */
export function isRotationMatrix(of: Part): boolean {
  const count = of.to - of.from;
  const stride = count === 9 ? 3 : 4;
  if (![9, 12, 16].includes(count)) return false;
  return everyRow(of, (m) => {
    const row = (i: number): number[] => [m[i * stride]!, m[i * stride + 1]!, m[i * stride + 2]!];
    const dot = (i: number, k: number): number => row(i).reduce((sum, x, j) => sum + x * row(k)[j]!, 0);
    const sound = [0, 1, 2].every((i) => Math.abs(dot(i, i) - 1) < 2e-3 && Math.abs(dot(i, (i + 1) % 3)) < 2e-3);
    return sound && (count !== 16 || (Math.abs(m[15]! - 1) < 1e-6 && m[12] === 0 && m[13] === 0 && m[14] === 0));
  });
}

/** Three columns that may be angles in radians; a turn and a half is more than any recorder writes. */
export const isRadians = (of: Part): boolean => largest(of) <= 2 * Math.PI + 0.01;
export const isDegrees = (of: Part): boolean => !isRadians(of) && largest(of) <= 360;

/** Farther than any arm reaches, in metres. */
const FAR = 10;
export const isMillimetres = (of: Part): boolean => largest(of) > FAR;
