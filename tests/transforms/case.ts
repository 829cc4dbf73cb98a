/** Small made episodes for tests of transforms: one arm, chosen poses, cameras without frames. */
import type { ArmTrack, Camera, CameraCalibration, Episode } from '../../schemas/episode.ts';
import { identityRotation, quaternionWxyz, type Rigid, rigidFromMatrix } from '../../schemas/geometry.ts';
import { DEFAULT_LABELS, type LabelOptions } from '../../schemas/options.ts';
import type { RobotSpec } from '../../schemas/spec.ts';
import { type LabelColumns, labelColumns } from '../../transforms/columns.ts';

export const ROBOT: RobotSpec = { arms: 1, hz: 15, eeOrigin: 'flange', eeFromTool: null };

export const at = (x: number, y: number, z: number): Rigid<'base', 'ee'> => ({
  r: identityRotation(),
  t: new Float64Array([x, y, z]),
});

export function arm(poses: readonly Rigid<'base', 'ee'>[], commanded?: readonly number[]): ArmTrack {
  const openness = Float64Array.from(commanded ?? poses.map(() => 1));
  return {
    orientation: Float64Array.from(poses.flatMap((pose) => [...quaternionWxyz(pose.r)])),
    baseFromEe: poses,
    opennessMeasured: openness,
    opennessCommanded: openness,
  };
}

export function episodeOf(arms: readonly ArmTrack[], { hz = 15, ...more }: Partial<Episode> = {}): Episode {
  return {
    id: 'LAB/success/day/one',
    sourceId: 'LAB/success/day/one',
    robot: 'made',
    success: true,
    instructions: [],
    segments: [],
    steps: arms[0]!.baseFromEe.length,
    arms,
    cameras: [],
    hz,
    time: Float64Array.from(arms[0]!.baseFromEe, (_, i) => i / hz),
    ...more,
  };
}

const CALIBRATION: CameraCalibration = {
  source: 'release',
  intrinsics_source: 'none',
  quality: 'unchecked',
  reason: null,
  detail: null,
  measures: {},
};

export function camera(name: string, more: Partial<Camera> = {}, calibration: Partial<CameraCalibration> = {}): Camera {
  return {
    name,
    width: 320,
    height: 180,
    intrinsics: null,
    assumedIntrinsics: false,
    baseFromCam: null,
    translationKnown: more.baseFromCam != null,
    calibration: { ...CALIBRATION, ...calibration },
    ...more,
  };
}

/** A camera pose from 12 or 16 numbers. */
export const camPose = (m: readonly number[]): Rigid<'base', 'cam'> => rigidFromMatrix(m);

/** Labels of a one-arm episode seen by `poses` of the reference camera. */
export function labelsOf(
  track: ArmTrack,
  poses: readonly Rigid<'base', 'cam'>[],
  { robot = ROBOT, ...labels }: Partial<LabelOptions> & { robot?: RobotSpec } = {},
): LabelColumns {
  const third = camera('third', { baseFromCam: poses });
  return labelColumns({
    steps: track.baseFromEe.length,
    arms: [track],
    robot,
    hz: robot.hz,
    time: Float64Array.from(track.baseFromEe, (_, i) => i / robot.hz),
    clock: 'index',
    cast: { roles: { third }, reference: third },
    flagRuns: [],
    table: { roles: ['third'], arms: 1 },
    labels: { ...DEFAULT_LABELS, ...labels },
    fit: { mode: 'letterbox', size: 256 },
  });
}
