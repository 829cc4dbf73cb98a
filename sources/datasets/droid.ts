/** DROID in RLDS: releases 1.0.1, 1.0.0 and droid_100. Facts: formats §1. */
import { PrepError } from '../../schemas/errors.ts';
import type { RldsRecord } from '../../schemas/records.ts';
import type { EpisodeIdentity, PublishedPose, SourceData } from '../../schemas/source.ts';
import type { DatasetSpec } from '../../schemas/spec.ts';
import { episodeFolders, normalEpisode, openKarlp } from '../calibration/karlp.ts';
import { exteriorZed, FRANKA_ROBOTIQ, wristZed } from '../rigs/franka-zed.ts';

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
    franka_robotiq: FRANKA_ROBOTIQ,
  },
  cameras: [exteriorZed('exterior_image_1_left'), exteriorZed('exterior_image_2_left'), wristZed('wrist_image_left')],
  gripper: { action: 'commanded', proprio: 'measured' },
  calibration: 'the JSON files of KarlP/droid (--calibration DIR), else the extrinsics of release 1.0.1, else none',
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
  const parts = episodeFolders(path);
  if (parts) return normalEpisode(parts.join('/'));
  throw new PrepError({
    code: 'bad-id',
    at: { field: 'episode_metadata/file_path' },
    expected: '…/<LAB>/<success|failure>/<date>/<time stamp>/trajectory.h5',
    found: JSON.stringify(path),
  });
}
