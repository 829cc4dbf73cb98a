/**
 * Forward kinematics of the ViperX 300 with six joints by the product of exponentials; M and the screw axes are those that
 * its maker publishes (Interbotix, class vx300s): metres, space frame = the arm's own base, M at all joints zero.
 */
import { compose, type Rigid, rotationFromMatrix, rotationFromVector } from '../../schemas/geometry.ts';
import { seriesOf } from '../../schemas/pose-series.ts';
import type { PoseSeries } from '../../schemas/source.ts';

const HOME: Rigid<'base', 'ee'> = {
  r: rotationFromMatrix([1, 0, 0, 0, 1, 0, 0, 0, 1]),
  t: new Float64Array([0.536494, 0, 0.42705]),
};
/** ω then v of each joint. */
const SCREWS = [
  [0, 0, 1, 0, 0, 0],
  [0, 1, 0, -0.12705, 0, 0],
  [0, 1, 0, -0.42705, 0, 0.05955],
  [1, 0, 0, 0, 0.42705, 0],
  [0, 1, 0, -0.42705, 0, 0.35955],
  [1, 0, 0, 0, 0.42705, 0],
] as const;
export const VIPERX_JOINTS = SCREWS.length;

/** From the arm's base to `ee_gripper_link` (x ahead, y across the fingers, between the fingertips); joint angles in radians. */
export function viperxPose(joints: ArrayLike<number>): Rigid<'base', 'ee'> {
  return SCREWS.reduceRight<Rigid<'base', 'ee'>>(
    (pose, screw, i) => compose<'base', 'base', 'ee'>(exponential(screw, joints[i]!), pose),
    HOME,
  );
}

/** `exp([S]θ)` for |ω| = 1: `p = (I·θ + (1 − cos θ)[ω] + (θ − sin θ)[ω]²)·v`. */
function exponential(screw: readonly number[], angle: number): Rigid<'base', 'base'> {
  const [w, v] = [screw.slice(0, 3), screw.slice(3)] as [number[], number[]];
  const cross = (a: readonly number[], b: ArrayLike<number>): number[] => [
    a[1]! * b[2]! - a[2]! * b[1]!,
    a[2]! * b[0]! - a[0]! * b[2]!,
    a[0]! * b[1]! - a[1]! * b[0]!,
  ];
  const once = cross(w, v);
  const twice = cross(w, once);
  const [a, b] = [1 - Math.cos(angle), angle - Math.sin(angle)];
  return {
    r: rotationFromVector(w.map((x) => x * angle)),
    t: Float64Array.from(v, (x, i) => x * angle + a * once[i]! + b * twice[i]!),
  };
}

/** Poses of all steps. @param joints `steps × 6` row-major */
export function viperxSeries(joints: Float64Array, field: string): PoseSeries {
  const poses = Array.from({ length: joints.length / VIPERX_JOINTS }, (_, i) =>
    viperxPose(joints.subarray(i * VIPERX_JOINTS, (i + 1) * VIPERX_JOINTS)),
  );
  return seriesOf(poses, field);
}
