/** From what a dataset file read to a sound episode, or the reason why it is none. Whole-episode, no pixels. */
import type { ArmTrack, Episode, EpisodeIdentity, PoseSeries, SourceArm, SourceData } from '../schemas/episode.ts';
import { PrepError } from '../schemas/errors.ts';
import {
  quaternionWxyz,
  type Rigid,
  rigidFromMatrix,
  rigidFromVec6,
  rotationFromEuler,
  rotationFromQuaternion,
} from '../schemas/geometry.ts';

/** Numbers per pose of each way to write one. */
const WIDTH = { 'xyz+extrinsic-xyz': 6, 'xyz+intrinsic-xyz': 6, 'xyz+wxyz': 7, 'xyz+xyzw': 7, matrix: 16 } as const;
/** Openness this far outside 0 … 1 is sensor noise and clipped; farther is a wrong unit. */
export const OPENNESS_SLACK = 0.25;

/**
 * @throws PrepError `zero-steps`, `not-finite`, `not-rigid`, `bad-value` (openness in another unit), `field-shape`;
 * the place names step and field.
 */
export function soundEpisode(identity: EpisodeIdentity, data: SourceData): Episode {
  if (data.steps < 1) throw new PrepError({ code: 'zero-steps', expected: 'at least one step', found: 'zero steps' });
  for (const camera of data.cameras)
    if (camera.frames.length !== data.steps)
      throw new PrepError({
        code: 'field-shape',
        at: { camera: camera.name },
        expected: `${data.steps} frames`,
        found: `${camera.frames.length}`,
      });
  return { ...identity, ...data, arms: data.arms.map((arm) => soundArm(arm, data.steps)) };
}

function soundArm(arm: SourceArm, steps: number): ArmTrack {
  return {
    ...armPoses(posesOf(arm.pose, steps)),
    opennessMeasured: soundOpenness(arm.opennessMeasured, steps, 'measured openness'),
    opennessCommanded: soundOpenness(arm.opennessCommanded, steps, 'commanded openness'),
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

function posesOf({ kind, values, field }: PoseSeries, steps: number): Rigid<'base', 'ee'>[] {
  const width = WIDTH[kind];
  if (values.length !== steps * width)
    throw new PrepError({
      code: 'field-shape',
      at: { field },
      expected: `${steps} × ${width} numbers`,
      found: `${values.length}`,
    });
  return Array.from({ length: steps }, (_, step) => {
    const at = { step, field };
    const v = values.subarray(step * width, (step + 1) * width);
    const bad = v.findIndex((x) => !Number.isFinite(x));
    if (bad >= 0) throw new PrepError({ code: 'not-finite', at, expected: 'finite numbers', found: `${v[bad]}` });
    if (kind === 'matrix') return rigidFromMatrix(v, at);
    if (kind === 'xyz+extrinsic-xyz') return rigidFromVec6(v, at);
    const rest = v.subarray(3);
    const r =
      kind === 'xyz+intrinsic-xyz'
        ? rotationFromEuler<'base', 'ee'>(rest, 'intrinsic-xyz', at)
        : rotationFromQuaternion<'base', 'ee'>(rest, kind === 'xyz+wxyz' ? 'wxyz' : 'xyzw', at);
    return { r, t: v.slice(0, 3) };
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
