/**
 * Forward kinematics of AgileX's Piper, six joints, by modified Denavit-Hartenberg parameters as its maker publishes them in
 * `piper_sdk` (the variant with the 2° offsets of joints 2 and 3, firmware 1.6-3 and later). Metres, radians; the arm's own base.
 */
import { compose, type Rigid, rotationFromMatrix } from '../../schemas/geometry.ts';
import { seriesOf } from '../../schemas/pose-series.ts';
import type { PoseSeries } from '../../schemas/source.ts';

const DEGREE = Math.PI / 180;
/** a, alpha (of the link before), d, offset of theta. */
const LINKS = [
  [0, 0, 0.123, 0],
  [0, -90 * DEGREE, 0, -172.22 * DEGREE],
  [0.28503, 0, 0, -102.78 * DEGREE],
  [-0.02198, 90 * DEGREE, 0.25075, 0],
  [0, -90 * DEGREE, 0, 0],
  [0, 90 * DEGREE, 0.091, 0],
] as const;
const PIPER_JOINTS = LINKS.length;
const NOWHERE: Rigid<'base', 'ee'> = {
  r: rotationFromMatrix([1, 0, 0, 0, 1, 0, 0, 0, 1]),
  t: new Float64Array(3),
};

/** From the arm's base to link 6, z ahead. @param joints radians */
export function piperPose(joints: ArrayLike<number>): Rigid<'base', 'ee'> {
  return LINKS.reduce<Rigid<'base', 'ee'>>(
    (pose, [a, alpha, d, offset], i) => compose(pose, link(a, alpha, d, joints[i]! + offset)),
    NOWHERE,
  );
}

/** `Rot_x(alpha) · Trans_x(a) · Rot_z(theta) · Trans_z(d)` (Craig). */
function link(a: number, alpha: number, d: number, theta: number): Rigid<'ee', 'ee'> {
  const [ca, sa, ct, st] = [Math.cos(alpha), Math.sin(alpha), Math.cos(theta), Math.sin(theta)];
  return {
    r: rotationFromMatrix([ct, -st, 0, st * ca, ct * ca, -sa, st * sa, ct * sa, ca]),
    t: new Float64Array([a, -sa * d, ca * d]),
  };
}

/** Poses of all steps. @param joints `steps × 6` row-major */
export function piperSeries(joints: Float64Array, field: string): PoseSeries {
  const poses = Array.from({ length: joints.length / PIPER_JOINTS }, (_, i) =>
    piperPose(joints.subarray(i * PIPER_JOINTS, (i + 1) * PIPER_JOINTS)),
  );
  return seriesOf(poses, field);
}

/** Strokes of the grippers that Piper arms carry, m. */
const STROKES = [0.07, 0.1];

/** The gripper's value at fully open: 1 where it is normalised already, else the stroke in metres that the values fit. */
export function strokeOf(...values: Float64Array[]): number {
  const most = Math.max(...values.map((column) => column.reduce((a, b) => Math.max(a, b), 0)));
  // Readings overshoot by a few percent.
  return STROKES.find((stroke) => most <= stroke * 1.05) ?? 1;
}
