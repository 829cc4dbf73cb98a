/** Published numbers → rigid transforms, for every way that sources write poses. */
import { type Place, PrepError } from './errors.ts';
import {
  type Rigid,
  type Rotation,
  rigidFromMatrix,
  rotationFromEuler,
  rotationFromQuaternion,
  rotationFromVector,
  toMatrix34,
} from './geometry.ts';
import { POSE_WIDTH, type PoseKind, type PoseSeries } from './source.ts';

/** A published quaternion may be this far from unit length (rounding, averaging); farther it is no rotation. */
const QUATERNION_TOLERANCE = 0.05;

/** Number of poses; a fraction where the numbers do not come out even. */
export const poseCount = ({ kind, values }: PoseSeries): number => values.length / POSE_WIDTH[kind];

/**
 * Pose `index` of a series.
 * @throws PrepError `not-finite`, `not-rigid` naming step and field
 */
export function poseFromSeries<To extends string, From extends string>(
  { kind, values, field }: PoseSeries,
  index: number,
  at: Place = { step: index },
): Rigid<To, From> {
  const width = POSE_WIDTH[kind];
  const place = { ...at, field };
  const v = values.subarray(index * width, (index + 1) * width);
  const bad = v.findIndex((x) => !Number.isFinite(x));
  if (bad >= 0)
    throw new PrepError({
      code: 'not-finite',
      at: place,
      expected: 'finite numbers',
      found: `${v[bad]} in [${[...v].map((x) => Number(x.toPrecision(6))).join(', ')}]`,
    });
  if (kind === 'matrix' || kind === 'matrix34') return rigidFromMatrix(v, place);
  return { r: rotationOf(kind, v.subarray(3), place), t: v.slice(0, 3) };
}

function rotationOf<To extends string, From extends string>(
  kind: Exclude<PoseKind, 'matrix' | 'matrix34'>,
  v: Float64Array,
  at: Place,
): Rotation<To, From> {
  if (kind === 'xyz+wxyz' || kind === 'xyz+xyzw') refuseUnlikeUnit(v, at);
  if (kind === 'xyz+wxyz') return rotationFromQuaternion<To, From>(v, 'wxyz', at);
  if (kind === 'xyz+xyzw') return rotationFromQuaternion<To, From>(v, 'xyzw', at);
  if (kind === 'xyz+rotvec') return rotationFromVector<To, From>(v, at);
  const euler = {
    'xyz+extrinsic-xyz': 'extrinsic-xyz',
    'xyz+intrinsic-xyz': 'intrinsic-xyz',
    'xyz+extrinsic-zyx': 'extrinsic-zyx',
    'xyz+intrinsic-zyx': 'intrinsic-zyx',
  } as const;
  return rotationFromEuler<To, From>(v, euler[kind], at);
}

function refuseUnlikeUnit(q: Float64Array, at: Place): void {
  const norm = Math.hypot(...q);
  if (Math.abs(norm - 1) <= QUATERNION_TOLERANCE) return;
  throw new PrepError({ code: 'not-rigid', at, expected: 'a unit quaternion', found: `norm ${norm.toPrecision(3)}` });
}

/** Poses as a series again, 3×4 matrices. */
export function seriesOf<To extends string, From extends string>(
  poses: readonly Rigid<To, From>[],
  field: string,
): PoseSeries {
  return { kind: 'matrix34', values: Float64Array.from(poses.flatMap(toMatrix34)), field };
}

/** Every pose of a series. @throws PrepError `not-finite`, `not-rigid` naming step and field */
export const posesOfSeries = <To extends string, From extends string>(series: PoseSeries): Rigid<To, From>[] =>
  Array.from({ length: Math.floor(poseCount(series)) }, (_, index) => poseFromSeries<To, From>(series, index));
