/** Published numbers → rigid transforms, for every way that sources write poses. */
import { type Place, PrepError } from '../schemas/errors.ts';
import {
  composeRotations,
  invert,
  type Rigid,
  type Rotation,
  rigidFromMatrix,
  rotationFromEuler,
  rotationFromMatrix,
  rotationFromQuaternion,
  rotationFromVector,
} from '../schemas/geometry.ts';
import { POSE_WIDTH, type PoseKind, type PoseSeries, type PublishedPose } from '../schemas/source.ts';

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

/** axesFromCv: rotations whose columns are the OpenCV camera axes (x right, y down, z forward) in another convention's. */
const AXES = {
  opencv: null,
  opengl: rotationFromMatrix<'cam', 'cam'>([1, 0, 0, 0, -1, 0, 0, 0, -1]),
  isaac: rotationFromMatrix<'cam', 'cam'>([0, 0, 1, -1, 0, 0, 0, -1, 0]),
} as const;

/** Rotations by angles above this are degrees, not radians. */
const LARGEST_ANGLE = 2 * Math.PI;

/**
 * A published camera pose as `parentFromCam` with OpenCV axes: one, or one per step. With `translation: 'unknown'` every
 * translation is NaN.
 * @throws PrepError `field-shape` (neither one nor one per step), `zero-extrinsics`, `bad-angle` (degrees), `not-finite`, `not-rigid`
 */
export function cameraPoses<Parent extends string>(
  pose: PublishedPose,
  steps: number,
  at: Place,
): Rigid<Parent, 'cam'>[] {
  const count = poseCount(pose);
  if (count !== 1 && count !== steps) {
    const expected = `${POSE_WIDTH[pose.kind]} numbers, once or for each of ${steps} steps`;
    throw new PrepError({
      code: Number.isInteger(count) ? 'field-shape' : 'not-rigid',
      at: { ...at, field: pose.field },
      expected,
      found: `${pose.values.length} numbers`,
    });
  }
  return Array.from({ length: count }, (_, index) =>
    cameraPose(pose, index, count === 1 ? at : { ...at, step: index }),
  );
}

function cameraPose<Parent extends string>(pose: PublishedPose, index: number, at: Place): Rigid<Parent, 'cam'> {
  const place = { ...at, field: pose.field };
  const width = POSE_WIDTH[pose.kind];
  const values = pose.values.subarray(index * width, (index + 1) * width);
  if (values.every((x) => x === 0))
    throw new PrepError({ code: 'zero-extrinsics', at: place, expected: 'a camera pose', found: `${width} zeros` });
  if (width === 6 && pose.kind !== 'xyz+rotvec') refuseDegrees(values.subarray(3), place);
  const unknown = pose.translation === 'unknown';
  const published = poseFromSeries<Parent, 'cam'>(
    unknown ? withoutTranslation(pose, values) : pose,
    unknown ? 0 : index,
    at,
  );
  const turned =
    pose.direction === 'cam-from-base' ? (invert(published) as unknown as Rigid<Parent, 'cam'>) : published;
  const axes = AXES[pose.axes ?? 'opencv'];
  const r = axes ? composeRotations<Parent, 'cam', 'cam'>(turned.r, axes) : turned.r;
  return { r, t: unknown ? new Float64Array(3).fill(Number.NaN) : turned.t };
}

/** The translation of such a pose may be anything, NaN included; it must not be looked at. */
function withoutTranslation(pose: PublishedPose, values: Float64Array): PublishedPose {
  const copy = Float64Array.from(values);
  const places = POSE_WIDTH[pose.kind] >= 12 ? [3, 7, 11] : [0, 1, 2];
  for (const place of places) copy[place] = 0;
  return { ...pose, values: copy };
}

function refuseDegrees(angles: Float64Array, at: Place): void {
  const angle = Math.max(...angles.map(Math.abs));
  if (angle <= LARGEST_ANGLE) return;
  throw new PrepError({
    code: 'bad-angle',
    at,
    expected: 'angles in radians (at most 2π)',
    found: `an angle of ${angle}, as degrees would be`,
  });
}
