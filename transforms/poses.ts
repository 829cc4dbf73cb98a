/** A published camera pose, however it is written, as `parentFromCam` with OpenCV axes. */
import { type Place, PrepError } from '../schemas/errors.ts';
import { composeRotations, invert, type Rigid, rotationFromMatrix } from '../schemas/geometry.ts';
import { poseCount, poseFromSeries } from '../schemas/pose-series.ts';
import { POSE_WIDTH, type PublishedPose } from '../schemas/source.ts';

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
