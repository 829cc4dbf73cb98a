/** RoboTwin 2.0 (HDF5), old and new layout. Facts: formats §7.5. */
import { PrepError } from '../../schemas/errors.ts';
import type { FilesRecord } from '../../schemas/records.ts';
import type { EpisodeIdentity, SourceArm, SourceCamera, SourceData } from '../../schemas/source.ts';
import type { DatasetSpec } from '../../schemas/spec.ts';
import { pinhole } from '../fields/columns.ts';
import { listedTexts, said } from '../fields/words.ts';
import { hand, scene } from '../rigs/cameras.ts';
import { aheadAlongX } from '../rigs/tools.ts';

export default {
  name: 'robotwin',
  version: 1,
  title: 'RoboTwin 2.0 (HDF5, both layouts)',
  licence: 'MIT',
  format: 'files',
  anchor: /(^|\/)data\/episode_?\d+\.hdf5$/,
  companions: (anchor) => ({ instructions: [anchor.replace(/data\/(episode\d+)\.hdf5$/, 'instructions/$1.json')] }),
  clock: 'index',
  robots: {
    // The fingers point along x of the wrist link, 0.12 m ahead.
    dual_arm: { arms: 2, hz: 15, eeOrigin: 'wrist link in the world', eeFromTool: aheadAlongX(0.12) },
  },
  cameras: [
    ...['head_camera', 'cam_head', 'front_camera', 'cam_third_view'].map((name) => scene(name, 'corner')),
    ...['right_camera', 'cam_right_wrist'].map((name) => hand(name, 0, 'corner')),
    ...['left_camera', 'cam_left_wrist'].map((name) => hand(name, 1, 'corner')),
  ],
  gripper: { action: 'measured', proprio: 'measured' },
  calibration: 'intrinsics and camera poses per frame',
  impossible: 'episodes recorded without end-effector poses (rejected, no-pose)',
  identity,
  data,
} satisfies DatasetSpec<FilesRecord>;

function identity(record: FilesRecord): EpisodeIdentity {
  return {
    id: record.path.replace(/\.hdf5$/, ''),
    sourceId: record.path,
    robot: 'dual_arm',
    success: null,
    instructions: said(seen(record)),
    segments: [],
  };
}

function seen(record: FilesRecord): string[] {
  const file = record.hdf5();
  if (file.has('instructions')) return listedTexts(file.texts('instructions')[0] ?? '');
  const told = record.has('instructions') ? (record.json('instructions') as { seen?: unknown }) : {};
  return Array.isArray(told.seen) ? told.seen.map(String) : [];
}

/** Names of one layout, and what the matrices of its cameras are. */
const OLD = {
  ...{ cameras: 'observation', frames: 'rgb', k: 'intrinsic_cv', poses: 'extrinsic_cv' },
  pose: { kind: 'matrix34', direction: 'cam-from-base' },
} as const;
const NEW = {
  ...{ cameras: 'vision', frames: 'colors', k: 'intrinsic_matrix', poses: 'extrinsics_matrix' },
  pose: { kind: 'matrix', axes: 'opengl' },
} as const;

function data(record: FilesRecord): SourceData {
  const file = record.hdf5();
  const old = file.has('observation');
  const arms = (['right', 'left'] as const).map((side) => armOf(record, side, old));
  const layout = old ? OLD : NEW;
  return {
    steps: arms[0]!.opennessMeasured.length,
    arms,
    cameras: file.keys(layout.cameras).flatMap((name) => cameraOf(record, name, layout)),
  };
}

function armOf(record: FilesRecord, side: 'left' | 'right', old: boolean): SourceArm {
  const file = record.hdf5();
  const field = old ? `endpose/${side}_endpose` : `state/${side}_ee_poses`;
  if (!file.has(field))
    throw new PrepError({
      code: 'no-pose',
      at: { field },
      expected: 'end-effector poses',
      found: 'none: the configuration left them out',
    });
  const grip = old ? [`endpose/${side}_gripper`, `joint_action/${side}_gripper`] : [`state/${side}_ee_joint_states`];
  const openness = file.numbers(grip.find((one) => file.has(one)) ?? grip[0]!, 1);
  return {
    pose: { kind: 'xyz+wxyz', values: file.numbers(field, 7), field },
    opennessMeasured: openness,
    opennessCommanded: openness,
  };
}

function cameraOf(record: FilesRecord, name: string, layout: typeof OLD | typeof NEW): SourceCamera[] {
  const file = record.hdf5();
  const path = `${layout.cameras}/${name}`;
  if (!file.has(`${path}/${layout.frames}`)) return [];
  // The publisher gave RGB to cv2.imencode, which takes it for BGR.
  const pictures = { name, ...file.images(`${path}/${layout.frames}`), appearance: { bgr: true } };
  const k = file.has(`${path}/${layout.k}`) ? pinhole(file.numbers(`${path}/${layout.k}`)) : null;
  const intrinsics = k ? { intrinsics: { values: k, field: `${path}/${layout.k}` } } : {};
  const field = `${path}/${layout.poses}`;
  if (!file.has(field)) return [{ ...pictures, ...intrinsics }];
  return [{ ...pictures, ...intrinsics, pose: { ...layout.pose, values: file.numbers(field), field } }];
}
