/** RoboTwin 2.0 (HDF5), old and new layout. Facts: formats §7.5. */
import { PrepError } from '../../schemas/errors.ts';
import type { FilesRecord } from '../../schemas/records.ts';
import type { EpisodeIdentity, SourceArm, SourceCamera, SourceData } from '../../schemas/source.ts';
import type { CameraSpec, DatasetSpec } from '../../schemas/spec.ts';

const scene = (name: string): CameraSpec => ({
  name,
  mount: 'fixed',
  roles: ['third', 'third2'],
  principalPoint: 'corner',
});
const hand = (name: string, arm: 0 | 1): CameraSpec => ({
  name,
  mount: 'hand',
  arm,
  roles: [arm === 0 ? 'wrist' : 'wrist2'],
  principalPoint: 'corner',
});

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
    dual_arm: {
      arms: 2,
      hz: 15,
      eeOrigin: 'wrist link in the world',
      // The fingers point along x of the wrist link, 0.12 m ahead.
      eeFromTool: [0, 0, 1, 0.12, 0, 1, 0, 0, -1, 0, 0, 0, 0, 0, 0, 1],
    },
  },
  cameras: [
    ...['head_camera', 'cam_head', 'front_camera', 'cam_third_view'].map(scene),
    hand('right_camera', 0),
    hand('cam_right_wrist', 0),
    hand('left_camera', 1),
    hand('cam_left_wrist', 1),
  ],
  gripper: { action: 'measured', proprio: 'measured' },
  calibration: 'intrinsics and camera poses per frame',
  impossible: 'episodes whose configuration left out the end poses (rejected: no-pose)',
  identity,
  data,
} satisfies DatasetSpec<FilesRecord>;

function identity(record: FilesRecord): EpisodeIdentity {
  return {
    id: record.path.replace(/\.hdf5$/, ''),
    sourceId: record.path,
    robot: 'dual_arm',
    success: null,
    instructions: texts(record)
      .map((text) => text.trim())
      .filter((text) => text !== ''),
    segments: [],
  };
}

function texts(record: FilesRecord): string[] {
  if (record.hdf5().has('instructions')) {
    const stored = record.hdf5().texts('instructions')[0] ?? '[]';
    const list: unknown = stored.trim().startsWith('[') ? JSON.parse(stored) : [stored];
    return Array.isArray(list) ? list.map(String) : [];
  }
  if (!record.has('instructions')) return [];
  const { seen } = record.json('instructions') as { seen?: unknown };
  return Array.isArray(seen) ? seen.map(String) : [];
}

/** Names of one layout. `cameras` is the group, `poses` what its matrices are. */
const OLD = { cameras: 'observation', frames: 'rgb', k: 'intrinsic_cv', poses: 'extrinsic_cv' } as const;
const NEW = { cameras: 'vision', frames: 'colors', k: 'intrinsic_matrix', poses: 'extrinsics_matrix' } as const;

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
  const k = file.has(`${path}/${layout.k}`) ? fourOf(file.numbers(`${path}/${layout.k}`)) : null;
  const intrinsics = k ? { intrinsics: { values: k, field: `${path}/${layout.k}` } } : {};
  const field = `${path}/${layout.poses}`;
  if (!file.has(field)) return [{ ...pictures, ...intrinsics }];
  const values = file.numbers(field);
  const pose =
    layout.poses === 'extrinsic_cv'
      ? ({ kind: 'matrix34', values, field, direction: 'cam-from-base' } as const)
      : ({ kind: 'matrix', values, field, axes: 'opengl' } as const);
  return [{ ...pictures, ...intrinsics, pose }];
}

/** 3×3 matrices → fx fy cx cy each. */
function fourOf(matrices: Float64Array): Float64Array {
  const entries = [0, 4, 2, 5];
  return Float64Array.from(
    { length: (4 * matrices.length) / 9 },
    (_, i) => matrices[9 * Math.floor(i / 4) + entries[i % 4]!]!,
  );
}
