/** One published camera pose → poses per step in the base frame and what their geometry says of them. */
import type { Place } from '../schemas/errors.ts';
import { angleBetween, compose, invert, type Rigid, rigidFromMatrix } from '../schemas/geometry.ts';
import type { PublishedPose } from '../schemas/source.ts';
import type { CameraSpec, RobotSpec } from '../schemas/spec.ts';
import { type Judgement, judgeFixed, judgeHand, judgePoses, type Scene } from './camera-geometry.ts';
import { cameraPoses } from './poses.ts';

export interface PoseVerdict extends Judgement {
  /** One, or one per step; null where none can be used. */
  readonly poses: readonly Rigid<'base', 'cam'>[] | null;
  readonly translationKnown: boolean;
}

export interface PoseContext {
  /** Poses of each arm, slot order. */
  readonly arms: readonly (readonly Rigid<'base', 'ee'>[])[];
  readonly spec: CameraSpec;
  readonly robot: RobotSpec;
  readonly image: Scene['image'];
  readonly at: Place;
}

/** A camera that does not move by this between its first and any other step stands still (rounding of the numbers). */
const STILL = { metres: 1e-6, radians: 1e-6 } as const;
/** A mount may bend and a tracker may lag by this; beyond it the camera does not sit on the hand as it says. */
const MOUNT = { metres: 0.005, radians: Math.PI / 180 } as const;
/** A camera farther from a hand than this is not mounted on it, metres: it may ride on a moving base that carries a resting arm too. */
const REACH = 0.3;
/** Motion of the hand below which nothing says whether a camera is on it. */
const TELLING = { metres: 0.02, radians: (3 * Math.PI) / 180 } as const;

/** @throws PrepError where the numbers are no poses */
export function judgePose(published: PublishedPose, context: PoseContext): PoseVerdict {
  const { spec, robot, image, at } = context;
  const eeFromTool = robot.eeFromTool ? rigidFromMatrix<'ee', 'tool'>(robot.eeFromTool) : null;
  const scene = { eeFromTool, image };
  const hand = context.arms[spec.arm ?? 0] ?? context.arms[0]!;
  const steps = hand.length;
  const known = published.translation !== 'unknown';
  if (spec.mount === 'hand') return judgeHandPose(published, { ...context, hand, scene });
  const given = cameraPoses<'base'>(published, steps, at);
  const poses = given.length > 1 && stands(given) ? given.slice(0, 1) : given;
  if (!known) return { quality: 'unchecked', reason: null, detail: null, measures: {}, poses, translationKnown: false };
  // The tool of any arm may be the one that this camera watches.
  const verdicts = context.arms.map((arm) =>
    poses.length === 1 ? judgeFixed(poses[0]!, arm, scene) : judgePoses(poses, arm, scene),
  );
  const best = verdicts.reduce((a, b) => (RANK[b.quality] < RANK[a.quality] ? b : a));
  const carried = poses.length > 1 ? context.arms.findIndex((arm) => rides(poses, arm)) : -1;
  if (carried >= 0)
    return {
      ...best,
      quality: 'unusable',
      reason: 'camera-on-hand',
      detail: `the poses move rigidly with arm ${carried}: they are a hand camera's`,
      poses: null,
      translationKnown: false,
    };
  const moves = spec.mount === 'fixed' && poses.length > 1 && best.quality === 'unchecked';
  const verdict = moves ? { ...best, ...SUSPECT_MOTION } : best;
  return { ...verdict, poses, translationKnown: true };
}

const RANK = { good: 0, unchecked: 0, suspect: 1, unusable: 2 } as const;
const SUSPECT_MOTION = {
  quality: 'suspect',
  reason: 'bad-translation',
  detail: 'a camera that should stand still moves during the episode',
} as const;

function judgeHandPose(
  published: PublishedPose,
  { spec, scene, hand, at }: PoseContext & { hand: PoseContext['arms'][number]; scene: Scene },
): PoseVerdict {
  const onHand = (eeFromCam: Rigid<'ee', 'cam'>): Rigid<'base', 'cam'>[] =>
    hand.map((pose) => compose<'base', 'ee', 'cam'>(pose, eeFromCam));
  const translationKnown = published.translation !== 'unknown';
  const mounted = (eeFromCam: Rigid<'ee', 'cam'>, poses: readonly Rigid<'base', 'cam'>[]): PoseVerdict => {
    if (translationKnown) return { ...judgeHand(eeFromCam, spec.mean, scene), poses, translationKnown };
    return { quality: 'unchecked', reason: null, detail: null, measures: {}, poses, translationKnown };
  };
  if (published.parent === 'ee') {
    const eeFromCam = cameraPoses<'ee'>(published, 1, at)[0]!;
    return mounted(eeFromCam, onHand(eeFromCam));
  }
  const poses = cameraPoses<'base'>(published, hand.length, at);
  const mounts = poses.map((pose, step) => compose<'ee', 'base', 'cam'>(invert(hand[step]!), pose));
  const first = mounts[0]!;
  if (poses.length === 1) return mounted(first, onHand(first));
  const verdict = mounted(first, poses);
  const drift = farthest(mounts);
  if (verdict.quality !== 'unchecked' || (drift.metres <= MOUNT.metres && drift.radians <= MOUNT.radians))
    return verdict;
  const words = `${(1000 * drift.metres).toFixed(1)} mm and ${((180 / Math.PI) * drift.radians).toFixed(2)}°`;
  return {
    ...verdict,
    quality: 'suspect',
    reason: 'hand-camera-off-mount',
    detail: `its place on the hand changes by ${words} during the episode`,
  };
}

function farthest<A extends string, B extends string>(
  poses: readonly Rigid<A, B>[],
): { metres: number; radians: number } {
  const [first] = poses;
  let [metres, radians] = [0, 0];
  for (const pose of poses) {
    const distance = Math.hypot(...pose.t.map((x, i) => x - first!.t[i]!));
    // A NaN translation is not known: only the rotation can tell.
    if (distance > metres) metres = distance;
    radians = Math.max(radians, angleBetween(first!.r, pose.r));
  }
  return { metres, radians };
}

function stands(poses: readonly Rigid<'base', 'cam'>[]): boolean {
  const { metres, radians } = farthest(poses);
  return metres <= STILL.metres && radians <= STILL.radians;
}

/** True where the hand moves enough to tell and the camera keeps its place on it, near it. */
function rides(poses: readonly Rigid<'base', 'cam'>[], hand: readonly Rigid<'base', 'ee'>[]): boolean {
  const moved = farthest(hand);
  if (moved.metres < TELLING.metres && moved.radians < TELLING.radians) return false;
  const mounts = poses.map((pose, step) => compose<'ee', 'base', 'cam'>(invert(hand[step]!), pose));
  if (Math.hypot(...mounts[0]!.t) > REACH) return false;
  const drift = farthest(mounts);
  return drift.metres <= MOUNT.metres && drift.radians <= MOUNT.radians;
}
