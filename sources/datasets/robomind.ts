/** RoboMIND v1.x (HDF5 per episode). Facts: formats §7.4; colour order §0.5. */
import { PrepError } from '../../schemas/errors.ts';
import type { FilesRecord } from '../../schemas/records.ts';
import type { EpisodeIdentity, SourceArm, SourceCamera, SourceData } from '../../schemas/source.ts';
import type { DatasetSpec, RobotSpec } from '../../schemas/spec.ts';
import { columns, member } from '../fields/columns.ts';
import { encodedOrRaw } from '../fields/pictures.ts';
import { aboveOf, besideKey, said } from '../fields/words.ts';
import { hand, scene } from '../rigs/cameras.ts';
import { publishedIntrinsics } from './robomind/intrinsics.ts';

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
export default {
  name: 'robomind',
  version: 1,
  title: 'RoboMIND v1 (HDF5)',
  licence: 'Apache-2.0',
  format: 'files',
  anchor: /(^|\/)h5_[a-z0-9_]+\/.*trajectory\.hdf5$/,
  // The table lies at the root of the download, at most a few folders above an episode.
  companions: (anchor) => ({ instructions: aboveOf(anchor, 'RoboMIND_v1_2_instr.csv') }),
  shared: ['instructions'],
  clock: 'index',
  robots: { franka: arm(1), ur: arm(1), fr3_dual: arm(2), agilex: arm(2) },
  cameras: [
    ...['camera_top', 'camera_front', 'camera_left', 'camera_right'].map((name) => scene(name)),
    hand('camera_right_wrist', 0),
    hand('camera_left_wrist', 1),
  ],
  gripper: { action: 'commanded', proprio: 'measured' },
  calibration: 'intrinsics, one set per kind of robot (flagged as assumed); camera poses are not published',
  impossible:
    'camera-frame actions (only --reference base); UR episodes whose end-effector pose stands still while the joints move (quarantined, frozen-pose); TienKung (no end-effector pose); simulation (pictures at another rate than poses); which end of the AgileX gripper is open is disputed, and the larger reading is taken for it',
  identity,
  data,
} satisfies DatasetSpec<FilesRecord>;

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
  const told = record.has('instructions') ? besideKey(record.text('instructions'), task) : '';
  return {
    id: record.path.replace(/\/data\/trajectory\.hdf5$/, ''),
    sourceId: record.path,
    robot: robotOf(record.path),
    success: /(^|\/)success_episodes\//.test(record.path) ? true : /(^|\/)fail/.test(record.path) ? false : null,
    instructions: said([told]),
    segments: [],
  };
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
  const measured = record.hdf5().numbers('puppet/joint_position', width * count);
  const master = record.hdf5().has('master/joint_position')
    ? record.hdf5().numbers('master/joint_position', width * count)
    : measured;
  // Left comes first in the file, the right arm is slot 0.
  return (count === 2 ? [1, 0] : [0]).map((arm): SourceArm => {
    const own = (joints: Float64Array, of: readonly [number, number]): Float64Array =>
      columns(joints, width * count, [width * arm + of[0], width * arm + of[1]]);
    const open = (joints: Float64Array): Float64Array => own(joints, [width - 1, width]).map((x) => 1 - x);
    return {
      pose: {
        kind: 'xyz+extrinsic-xyz',
        values: member(ee, { width: 6, count, of: arm }),
        field: 'puppet/end_effector',
      },
      opennessMeasured: open(measured),
      opennessCommanded: open(master),
      // About 89 % of the UR episodes repeat one pose while the joints move.
      joints: { width: width - 1, values: own(measured, [0, width - 1]) },
    };
  });
}

function agilexArm(record: FilesRecord, side: string): SourceArm {
  const read = (root: string): Float64Array => record.hdf5().numbers(`${root}/end_effector_${side}`, 7);
  const puppet = read('puppet');
  const master = record.hdf5().has(`master/end_effector_${side}`) ? read('master') : puppet;
  const open = (values: Float64Array): Float64Array => columns(values, 7, 6).map((x) => x / AGILEX_OPEN);
  return {
    pose: {
      kind: 'xyz+extrinsic-xyz',
      values: columns(puppet, 7, [0, 6]),
      field: `puppet/end_effector_${side}`,
    },
    opennessMeasured: open(puppet),
    opennessCommanded: open(master),
  };
}

function cameraOf(record: FilesRecord, name: string): SourceCamera[] {
  const embodiment = embodimentOf(record.path);
  const path = `observations/rgb_images/${name}`;
  const known = publishedIntrinsics(embodiment, name);
  const large = known !== undefined && known[2]! > 400;
  const { pictures, raw } = encodedOrRaw(record.hdf5(), path, large ? SIZES[0] : SIZES[1]);
  // AgileX, TienKung and simulation gave RGB to OpenCV; the others gave BGR, which their raw buffers still are.
  const appearance = { bgr: raw ? !/agilex|tienkung|sim/.test(embodiment) : /agilex|tienkung|sim/.test(embodiment) };
  const intrinsics = known
    ? { intrinsics: { values: known, field: `embodiment ${embodiment}`, source: 'assumed' } }
    : {};
  return [{ name, ...pictures, appearance, ...intrinsics }];
}
