/** DROID in RLDS: releases 1.0.1, 1.0.0 and droid_100. Facts: formats §1. */
import { PrepError } from '../../schemas/errors.ts';
import type { RldsRecord } from '../../schemas/records.ts';
import type { EpisodeIdentity, PublishedPose, SourceData } from '../../schemas/source.ts';
import type { DatasetSpec } from '../../schemas/spec.ts';
import { normalEpisode, openKarlp } from '../calibration/karlp.ts';

/** Rectified ZED 2 (exterior) and ZED Mini (wrist) at 1280×720, means over the fleet; principal point in the middle. */
const ZED2 = { fx: 528, fy: 528, cx: 639.5, cy: 359.5, width: 1280, height: 720 };
const ZED_MINI = { fx: 733, fy: 733, cx: 639.5, cy: 359.5, width: 1280, height: 720 };
/** eeFromCam of the wrist camera, mean over 28 robots (spread 5–6 mm and 2.2°, one camera at 4°): formats §1.4. */
const WRIST_MOUNT = [0, 0.944, 0.33, -0.0768, -1, 0, 0, 0.0317, 0, -0.33, 0.944, 0.0178];

const fixed = { mount: 'fixed', roles: ['third', 'third2'], principalPoint: 'centre', assumed: ZED2 } as const;
const RELEASED = {
  exterior_image_1_left: 'episode_metadata/extrinsics_exterior_cam_1',
  exterior_image_2_left: 'episode_metadata/extrinsics_exterior_cam_2',
  wrist_image_left: 'episode_metadata/extrinsics_wrist_cam',
} as const;

export default {
  name: 'droid',
  version: 1,
  title: 'DROID (RLDS 1.0.1, 1.0.0, droid_100)',
  licence: 'CC BY 4.0',
  format: 'rlds',
  containers: ['droid', 'droid_101', 'droid_100', 'r2d2_faceblur'],
  clock: 'index',
  robots: {
    franka_robotiq: {
      arms: 1,
      hz: 15,
      eeOrigin: 'flange (panda_link8)',
      eeFromTool: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0.15, 0, 0, 0, 1],
    },
  },
  cameras: [
    { name: 'exterior_image_1_left', ...fixed },
    { name: 'exterior_image_2_left', ...fixed },
    {
      name: 'wrist_image_left',
      mount: 'hand',
      arm: 0,
      roles: ['wrist'],
      principalPoint: 'centre',
      assumed: ZED_MINI,
      mean: { eeFromCam: WRIST_MOUNT, metres: 0.05, radians: Math.PI / 18 },
    },
  ],
  gripper: { action: 'commanded', proprio: 'measured' },
  calibration: 'KarlP/droid side files (--calibration), else the extrinsics of release 1.0.1, else none',
  impossible:
    'accurate camera poses for about half of the episodes; camera-frame actions for 1.0.0 and droid_100 without side files',
  identity,
  data,
  sideFiles: async (directory) =>
    openKarlp(directory, {
      exterior_image_1_left: 'ext1_cam_serial',
      exterior_image_2_left: 'ext2_cam_serial',
      wrist_image_left: 'wrist_cam_serial',
    }),
} satisfies DatasetSpec<RldsRecord>;

function identity(record: RldsRecord): EpisodeIdentity {
  const sourceId = record.text('episode_metadata/file_path');
  const languages = ['', '_2', '_3'].map((suffix) => `steps/language_instruction${suffix}`);
  return {
    id: idOf(sourceId),
    sourceId,
    robot: 'franka_robotiq',
    success: sourceId.split('/').at(-4) === 'success',
    instructions: languages
      .filter((path) => record.has(path))
      .map((path) => record.text(path))
      .filter((text) => text.trim() !== ''),
    segments: [],
  };
}

function data(record: RldsRecord): SourceData {
  const closed = (path: string): Float64Array => record.numbers(path, 1).map((x) => 1 - x);
  const field = 'steps/observation/cartesian_position';
  return {
    steps: record.steps,
    arms: [
      {
        pose: { kind: 'xyz+extrinsic-xyz', values: record.numbers(field, 6), field },
        opennessMeasured: closed('steps/observation/gripper_position'),
        opennessCommanded: closed('steps/action_dict/gripper_position'),
      },
    ],
    cameras: Object.entries(RELEASED).map(([name, path]) => ({
      name,
      ...record.images(`steps/observation/${name}`),
      ...(record.has(path) ? { pose: releasedPose(record, path) } : {}),
    })),
    jointVelocityCommand: { width: 7, values: record.numbers('steps/action_dict/joint_velocity', 7) },
  };
}

const releasedPose = (record: RldsRecord, field: string): PublishedPose => ({
  kind: 'xyz+extrinsic-xyz',
  values: record.numbers(field, 6),
  field,
});

/** `…/<LAB>/<success|failure>/<date>/<stamp>/trajectory.h5` → `<LAB>/<success|failure>/<date>/<stamp>`, `_` for `:`. */
function idOf(path: string): string {
  const parts = path.split('/').slice(-5, -1);
  if (parts.length === 4 && (parts[1] === 'success' || parts[1] === 'failure')) return normalEpisode(parts.join('/'));
  throw new PrepError({
    code: 'bad-id',
    at: { field: 'episode_metadata/file_path' },
    expected: '…/<LAB>/<success|failure>/<date>/<time stamp>/trajectory.h5',
    found: JSON.stringify(path),
  });
}
