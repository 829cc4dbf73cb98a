/**
 * The camera-frame 10-D action as geometry (conventions, "The 10-D action of one arm at one future step"):
 * labels forward, poses back for deployment, another reference camera, another tool. float64; metres.
 */
import {
  compose,
  composeRotations,
  invert,
  invertRotation,
  type Rigid,
  type Rot6dLayout,
  type Rotation,
  rotate,
  rotationFromMatrix,
} from './geometry.ts';

/** The motion of the end effector in camera axes: translation (3, m) and rotation. */
export interface CameraMotion {
  readonly t: Float64Array;
  readonly r: Rotation<'cam', 'cam'>;
}

/** `t = Rcb·(p(Ek) − p(E0))`, `R = Rcb·R(Ek)·R(E0)ᵀ·Rcbᵀ` with `Rcb = R(baseFromCam)ᵀ`. */
export function motionInCamera(
  baseFromCam: Rotation<'base', 'cam'>,
  now: Rigid<'base', 'ee'>,
  then: Rigid<'base', 'ee'>,
): CameraMotion {
  const camFromBase = invertRotation(baseFromCam);
  const moved = composeRotations<'base', 'ee', 'base'>(then.r, invertRotation(now.r));
  const r = composeRotations<'cam', 'base', 'cam'>(
    camFromBase,
    composeRotations<'base', 'base', 'cam'>(moved, baseFromCam),
  );
  return {
    t: rotate(
      camFromBase,
      [0, 1, 2].map((i) => then.t[i]! - now.t[i]!),
    ),
    r,
  };
}

/** The inverse, for deployment: where the EE must be after this motion. `R(Ek) = Rcbᵀ·R·Rcb·R(E0)`, `p(Ek) = p(E0) + Rcbᵀ·t`. */
export function poseAfterMotion(
  baseFromCam: Rotation<'base', 'cam'>,
  now: Rigid<'base', 'ee'>,
  motion: CameraMotion,
): Rigid<'base', 'ee'> {
  const inBase = composeRotations<'base', 'cam', 'base'>(
    composeRotations<'base', 'cam', 'cam'>(baseFromCam, motion.r),
    invertRotation(baseFromCam),
  );
  const step = rotate(baseFromCam, motion.t);
  return {
    r: composeRotations<'base', 'base', 'ee'>(inBase, now.r),
    t: now.t.map((x, i) => x + step[i]!),
  };
}

/** The same motion for another reference camera: `Q = R(newCam)ᵀ·R(oldCam)`, `t' = Q·t`, `R' = Q·R·Qᵀ`. */
export function retargetMotion(
  oldBaseFromCam: Rotation<'base', 'cam'>,
  newBaseFromCam: Rotation<'base', 'cam'>,
  motion: CameraMotion,
): CameraMotion {
  const newFromOld = composeRotations<'cam', 'base', 'cam'>(invertRotation(newBaseFromCam), oldBaseFromCam);
  const r = composeRotations<'cam', 'cam', 'cam'>(
    composeRotations<'cam', 'cam', 'cam'>(newFromOld, motion.r),
    invertRotation(newFromOld),
  );
  return { t: rotate(newFromOld, motion.t), r };
}

/** The motion of the tool point instead of the EE origin: `t' = t + (R − I)·R_ce·d`, `d` = translation of eeFromTool. */
export function motionOfTool(
  motion: CameraMotion,
  camFromEe: Rotation<'cam', 'ee'>,
  eeFromTool: Rigid<'ee', 'tool'>,
): CameraMotion {
  const arm = rotate(camFromEe, eeFromTool.t);
  const turned = rotate(motion.r, arm);
  return { r: motion.r, t: motion.t.map((x, i) => x + turned[i]! - arm[i]!) };
}

/** Flange pose from a tool pose, for robots that are commanded at the flange. */
export function flangeFromTool(
  baseFromTool: Rigid<'base', 'tool'>,
  eeFromTool: Rigid<'ee', 'tool'>,
): Rigid<'base', 'ee'> {
  return compose<'base', 'tool', 'ee'>(baseFromTool, invert(eeFromTool));
}

/** Six numbers of a rotation: its first two rows (pytorch3d) or its first two columns (Zhou et al.). */
export function rot6d(m: ArrayLike<number>, layout: Rot6dLayout): number[] {
  return layout === 'rows' ? [m[0]!, m[1]!, m[2]!, m[3]!, m[4]!, m[5]!] : [m[0]!, m[3]!, m[6]!, m[1]!, m[4]!, m[7]!];
}

/** Inverse of `rot6d` by Gram–Schmidt, third vector by cross product; accepts numbers a network made. */
export function rotationFromRot6d<To extends string, From extends string>(
  six: ArrayLike<number>,
  layout: Rot6dLayout,
): Rotation<To, From> {
  const unit = (v: number[]): number[] => v.map((x) => x / Math.hypot(...v));
  const a = unit([six[0]!, six[1]!, six[2]!]);
  const along = a[0]! * six[3]! + a[1]! * six[4]! + a[2]! * six[5]!;
  const b = unit([six[3]! - along * a[0]!, six[4]! - along * a[1]!, six[5]! - along * a[2]!]);
  const c = [a[1]! * b[2]! - a[2]! * b[1]!, a[2]! * b[0]! - a[0]! * b[2]!, a[0]! * b[1]! - a[1]! * b[0]!];
  const rows = rotationFromMatrix<To, From>([...a, ...b, ...c]);
  return layout === 'rows' ? rows : rotationFromMatrix<To, From>(invertRotation(rows));
}
