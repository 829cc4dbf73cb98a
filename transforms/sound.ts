/** From what a dataset file read to a sound episode, or the reason why it is none. Whole-episode, no pixels. */
import type { ArmTrack, Episode } from '../schemas/episode.ts';
import { PrepError } from '../schemas/errors.ts';
import { framesOf } from '../schemas/frames.ts';
import { quaternionWxyz, type Rigid, rotationFromQuaternion } from '../schemas/geometry.ts';
import { poseCount, poseFromSeries } from '../schemas/pose-series.ts';
import {
  type EpisodeIdentity,
  POSE_WIDTH,
  type PoseSeries,
  type SourceArm,
  type SourceData,
} from '../schemas/source.ts';

/** Openness this far outside 0 … 1 is sensor noise and clipped; farther is a wrong unit. */
export const OPENNESS_SLACK = 0.25;

/** The clock of a dataset and the rate of the episode's robot. */
export interface Clock {
  readonly kind: 'index' | 'timestamps';
  readonly hz: number;
}

/**
 * @throws PrepError `zero-steps`, `not-finite`, `not-rigid`, `bad-value` (openness in another unit), `bad-time`, `field-shape`;
 * the place names step and field.
 */
export function soundEpisode(identity: EpisodeIdentity, data: SourceData, clock: Clock): Episode {
  const { steps } = data;
  if (steps < 1) throw new PrepError({ code: 'zero-steps', expected: 'at least one step', found: 'zero steps' });
  for (const camera of data.cameras)
    if (framesOf(camera.frames) !== steps)
      throw new PrepError({
        code: 'field-shape',
        at: { camera: camera.name, ...(camera.field ? { field: camera.field } : {}) },
        expected: `${steps} frames`,
        found: `${framesOf(camera.frames)}`,
      });
  const hz = identity.hz ?? clock.hz;
  if (!(Number.isFinite(hz) && hz > 0))
    throw new PrepError({ code: 'bad-value', at: { field: 'hz' }, expected: 'steps per second', found: `${hz}` });
  const time = clock.kind === 'timestamps' ? soundTime(data) : Float64Array.from({ length: steps }, (_, i) => i / hz);
  return { ...identity, ...data, hz, time, arms: data.arms.map((arm) => soundArm(arm, steps)) };
}

/** Seconds since the first step. @throws PrepError `bad-time` where they do not ascend. */
function soundTime({ steps, time }: SourceData): Float64Array {
  if (time?.length !== steps)
    throw new PrepError({ code: 'bad-time', expected: `${steps} time stamps`, found: `${time?.length ?? 'none'}` });
  return time.map((t, step) => {
    if (Number.isFinite(t) && (step === 0 || t > time[step - 1]!)) return t - time[0]!;
    const found = step === 0 ? `${t}` : `${t} after ${time[step - 1]}`;
    throw new PrepError({ code: 'bad-time', at: { step, field: 'time' }, expected: 'ascending seconds', found });
  });
}

/** A pose whose numbers all stay within this was not recorded, if a joint meanwhile turned by more than `TURNED` (rad). */
const FROZEN = 1e-3;
const TURNED = 0.01;

/** @throws PrepError `frozen-pose` */
function refuseFrozen({ pose, joints }: SourceArm): void {
  if (!joints) return;
  const [moved, turned] = [widestRange(pose.values, POSE_WIDTH[pose.kind]), widestRange(joints.values, joints.width)];
  if (moved >= FROZEN || turned <= TURNED) return;
  throw new PrepError({
    code: 'frozen-pose',
    at: { field: pose.field },
    expected: `a pose that follows the joints, which turn by ${turned.toFixed(2)} rad`,
    found: `one that changes by ${moved.toPrecision(2)}`,
  });
}

/** Largest difference of one column over all rows. */
function widestRange(values: Float64Array, width: number): number {
  let widest = 0;
  for (let column = 0; column < width; column++) {
    let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (let i = column; i < values.length; i += width)
      [low, high] = [Math.min(low, values[i]!), Math.max(high, values[i]!)];
    widest = Math.max(widest, high - low);
  }
  return widest;
}

function soundArm(arm: SourceArm, steps: number): ArmTrack {
  const poses = posesOf(arm.pose, steps);
  refuseFrozen(arm);
  return {
    ...armPoses(poses),
    opennessMeasured: soundOpenness(arm.opennessMeasured, steps, arm.opennessFields?.measured ?? 'measured openness'),
    opennessCommanded: soundOpenness(
      arm.opennessCommanded,
      steps,
      arm.opennessFields?.commanded ?? 'commanded openness',
    ),
  };
}

/** Poses whose rotations are exactly those of their stored quaternions. */
function armPoses(poses: readonly Rigid<'base', 'ee'>[]): Pick<ArmTrack, 'baseFromEe' | 'orientation'> {
  const orientation = new Float64Array(4 * poses.length);
  for (const [step, pose] of poses.entries()) orientation.set(quaternionWxyz(pose.r), 4 * step);
  return {
    orientation,
    baseFromEe: poses.map(({ t }, step) => ({
      r: rotationFromQuaternion(orientation.subarray(4 * step, 4 * step + 4), 'wxyz'),
      t,
    })),
  };
}

/** No end effector is farther from its base, or from the origin of a simulator's world, metres; in millimetres all are. */
const FARTHEST = 100;

function posesOf(series: PoseSeries, steps: number): Rigid<'base', 'ee'>[] {
  if (poseCount(series) === steps)
    return Array.from({ length: steps }, (_, step) => {
      const pose = poseFromSeries<'base', 'ee'>(series, step);
      const length = Math.hypot(...pose.t);
      if (length <= FARTHEST) return pose;
      throw new PrepError({
        code: 'bad-value',
        at: { step, field: series.field },
        expected: `a position within ${FARTHEST} m`,
        found: `one at ${length.toPrecision(4)} (millimetres?)`,
      });
    });
  throw new PrepError({
    code: 'field-shape',
    at: { field: series.field },
    expected: `${steps} poses`,
    found: `${poseCount(series)}`,
  });
}

function soundOpenness(values: Float64Array, steps: number, field: string): Float64Array {
  if (values.length !== steps)
    throw new PrepError({
      code: 'field-shape',
      at: { field },
      expected: `${steps} numbers`,
      found: `${values.length}`,
    });
  return values.map((x, step) => {
    if (!Number.isFinite(x))
      throw new PrepError({ code: 'not-finite', at: { step, field }, expected: 'a finite number', found: `${x}` });
    if (x < -OPENNESS_SLACK || x > 1 + OPENNESS_SLACK)
      throw new PrepError({
        code: 'bad-value',
        at: { step, field },
        expected: 'openness between 0 and 1',
        found: `${x} (another unit?)`,
      });
    return Math.min(1, Math.max(0, x));
  });
}
