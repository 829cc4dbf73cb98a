/** RoboMIND v1.x (HDF5 per episode). Facts: formats §7.4; colour order §0.5. */
import { PrepError } from '../../schemas/errors.ts';
import type { SourcePictures } from '../../schemas/frames.ts';
import type { FilesRecord } from '../../schemas/records.ts';
import type { EpisodeIdentity, SourceArm, SourceCamera, SourceData } from '../../schemas/source.ts';
import type { CameraSpec, DatasetSpec, RobotSpec } from '../../schemas/spec.ts';

/** fx fy cx cy that the publisher gives for each embodiment, at the size of its pictures. */
const K: Readonly<Record<string, Readonly<Record<string, readonly number[]>>>> = {
  franka_3rgb: {
    camera_left: [608.41, 608.31, 318.07, 256.19],
    camera_right: [609.1, 608.82, 328.12, 247.01],
    camera_top: [909.62, 908.73, 635.7, 364.51],
  },
  franka_1rgb: { camera_top: [608.78, 608.54, 322.79, 257.36] },
  franka_fr3_dual: {
    camera_left: [462.02, 462.02, 317.42, 239.2],
    camera_right: [462.48, 462.35, 321.53, 240.6],
    camera_top: [693, 692.79, 642.33, 358.94],
    camera_front: [612.86, 612.75, 641.66, 347.09],
  },
  ur_1rgb: { camera_top: [609.32, 609.75, 317.79, 257.32] },
  agilex_3rgb: {
    camera_left_wrist: [454.63, 454.63, 327.59, 238.48],
    camera_right_wrist: [454.05, 454.05, 327.88, 238.58],
    camera_front: [455.47, 455.47, 327.16, 236.71],
  },
};
/** Pictures that are no JPEG are BGR buffers of one of two sizes. */
const SIZES = [
  { width: 1280, height: 720 },
  { width: 640, height: 480 },
] as const;
/** Reading of the AgileX gripper at fully open. The sources disagree on its direction; larger is open here. */
const AGILEX_OPEN = 4.79;
const arm = (arms: number): RobotSpec => ({
  arms,
  hz: 30,
  eeOrigin: 'end effector as published (xyz + rpy)',
  eeFromTool: null,
});
const scene = (name: string): CameraSpec => ({
  name,
  mount: 'fixed',
  roles: ['third', 'third2'],
  principalPoint: 'centre',
});

export default {
  name: 'robomind',
  version: 1,
  title: 'RoboMIND v1 (HDF5)',
  licence: 'Apache-2.0',
  format: 'files',
  anchor: /(^|\/)h5_[a-z0-9_]+\/.*trajectory\.hdf5$/,
  companions: (anchor) => ({ instructions: tablesFor(anchor) }),
  shared: ['instructions'],
  clock: 'index',
  robots: { franka: arm(1), ur: arm(1), fr3_dual: arm(2), agilex: arm(2) },
  cameras: [
    ...['camera_top', 'camera_front', 'camera_left', 'camera_right'].map(scene),
    { name: 'camera_right_wrist', mount: 'hand', arm: 0, roles: ['wrist'], principalPoint: 'centre' },
    { name: 'camera_left_wrist', mount: 'hand', arm: 1, roles: ['wrist2'], principalPoint: 'centre' },
  ],
  gripper: { action: 'commanded', proprio: 'measured' },
  calibration: 'intrinsics: one set per embodiment (flagged as assumed); camera poses are not published',
  impossible:
    'camera-frame actions (only --reference base); UR episodes with a frozen end effector; TienKung (no end-effector pose) and simulation (pictures at another rate than poses). Of the AgileX gripper the sources disagree on the direction: larger is taken for open',
  identity,
  data,
} satisfies DatasetSpec<FilesRecord>;

/** The table of instructions lies at the root of the download, at most a few folders above an episode. */
function tablesFor(anchor: string): string[] {
  const folders = anchor.split('/').slice(0, -1);
  return folders.map((_, i) => folders.slice(0, i).concat('RoboMIND_v1_2_instr.csv').join('/'));
}

const embodimentOf = (path: string): string => /(?:^|\/)h5_([a-z0-9_]+)\//.exec(path)?.[1] ?? '';

function robotOf(path: string): 'franka' | 'ur' | 'fr3_dual' | 'agilex' {
  const embodiment = embodimentOf(path);
  if (/fr3_dual/.test(embodiment)) return 'fr3_dual';
  const found = (['franka', 'ur', 'agilex'] as const).find((name) => embodiment.startsWith(name));
  if (found) return found;
  throw new PrepError({
    code: 'no-pose',
    at: { field: 'end_effector' },
    expected: 'franka, ur, fr3_dual or agilex',
    found: `h5_${embodiment}, ${/^sim/.test(embodiment) ? 'whose pictures have another rate than its poses' : 'which publishes no end-effector pose'}`,
  });
}

function identity(record: FilesRecord): EpisodeIdentity {
  const parts = record.path.split('/');
  const start = parts.findIndex((part) => part.startsWith('h5_'));
  const task = parts[start + 1] ?? '';
  const told = record.has('instructions') ? instructionOf(record.text('instructions'), task) : '';
  return {
    id: record.path.replace(/\/data\/trajectory\.hdf5$/, ''),
    sourceId: record.path,
    robot: robotOf(record.path),
    success: /(^|\/)success_episodes\//.test(record.path) ? true : /(^|\/)fail/.test(record.path) ? false : null,
    instructions: told === '' ? [] : [told],
    segments: [],
  };
}

/** Two columns, task and instruction; quoted where a text holds a comma. */
function instructionOf(csv: string, task: string): string {
  const line = csv.split(/\r?\n/).find((one) => one.startsWith(`${task},`) || one.startsWith(`"${task}",`));
  const text = line?.slice(line.indexOf(',', line.indexOf(task) + task.length) + 1).trim() ?? '';
  return (text.startsWith('"') ? text.slice(1, text.lastIndexOf('"')).replaceAll('""', '"') : text).trim();
}

function data(record: FilesRecord): SourceData {
  const arms = armsOf(record);
  const stored = record.hdf5().keys('observations/rgb_images');
  return { steps: arms[0]!.opennessMeasured.length, arms, cameras: stored.flatMap((name) => cameraOf(record, name)) };
}

function armsOf(record: FilesRecord): SourceArm[] {
  const robot = robotOf(record.path);
  if (robot === 'agilex') return ['right', 'left'].map((side) => agilexArm(record, side));
  const width = robot === 'ur' ? 7 : 8;
  const count = robot === 'fr3_dual' ? 2 : 1;
  const ee = record.hdf5().numbers('puppet/end_effector', 6 * count);
  const steps = ee.length / (6 * count);
  const measured = record.hdf5().numbers('puppet/joint_position', width * count);
  const master = record.hdf5().has('master/joint_position')
    ? record.hdf5().numbers('master/joint_position', width * count)
    : measured;
  // Left comes first in the file, the right arm is slot 0.
  return (count === 2 ? [1, 0] : [0]).map((arm): SourceArm => {
    const values = new Float64Array(6 * steps);
    for (let i = 0; i < steps; i++) values.set(ee.subarray(6 * (count * i + arm), 6 * (count * i + arm) + 6), 6 * i);
    const own = (joints: Float64Array, from: number, to: number): Float64Array =>
      joints.filter((_, i) => Math.floor(i / width) % count === arm && i % width >= from && i % width < to);
    const open = (joints: Float64Array): Float64Array => own(joints, width - 1, width).map((x) => 1 - x);
    return {
      pose: { kind: 'xyz+extrinsic-xyz', values, field: 'puppet/end_effector' },
      opennessMeasured: open(measured),
      opennessCommanded: open(master),
      // About 89 % of the UR episodes repeat one pose while the joints move.
      joints: { width: width - 1, values: own(measured, 0, width - 1) },
    };
  });
}

function agilexArm(record: FilesRecord, side: string): SourceArm {
  const read = (root: string): Float64Array => record.hdf5().numbers(`${root}/end_effector_${side}`, 7);
  const puppet = read('puppet');
  const master = record.hdf5().has(`master/end_effector_${side}`) ? read('master') : puppet;
  const open = (values: Float64Array): Float64Array => values.filter((_, i) => i % 7 === 6).map((x) => x / AGILEX_OPEN);
  return {
    pose: {
      kind: 'xyz+extrinsic-xyz',
      values: puppet.filter((_, i) => i % 7 < 6),
      field: `puppet/end_effector_${side}`,
    },
    opennessMeasured: open(puppet),
    opennessCommanded: open(master),
  };
}

function cameraOf(record: FilesRecord, name: string): SourceCamera[] {
  const embodiment = embodimentOf(record.path);
  const path = `observations/rgb_images/${name}`;
  const known = Object.entries(K).find(([key]) => embodiment.startsWith(key))?.[1][name];
  const large = known !== undefined && known[2]! > 400;
  const { pictures, raw } = picturesOf(record, path, large ? SIZES[0] : SIZES[1]);
  // AgileX, TienKung and simulation gave RGB to OpenCV; the others gave BGR, which their raw buffers still are.
  const appearance = { bgr: raw ? !/agilex|tienkung|sim/.test(embodiment) : /agilex|tienkung|sim/.test(embodiment) };
  const intrinsics = known
    ? { intrinsics: { values: known, field: `embodiment ${embodiment}`, source: 'assumed' } }
    : {};
  return [{ name, ...pictures, appearance, ...intrinsics }];
}

/** Some files hold raw buffers whatever their attribute `compress` says: only the first row tells. */
function picturesOf(
  record: FilesRecord,
  path: string,
  size: (typeof SIZES)[number],
): { pictures: SourcePictures; raw: boolean } {
  try {
    return { pictures: record.hdf5().images(path), raw: false };
  } catch (error) {
    if (!(error instanceof PrepError) || error.code !== 'bad-image') throw error;
    return { pictures: record.hdf5().images(path, { raw: size }), raw: true };
  }
}
