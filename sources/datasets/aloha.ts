/**
 * ALOHA, ACT and Mobile ALOHA episodes (HDF5): joints of two ViperX 300 arms; and AgileX's recorders (Cobot Magic), which write
 * the same layout for two Piper arms. Facts: formats §7.3, §0.5.
 */
import type { FlagRun } from '../../schemas/episode.ts';
import type { FilesRecord, Hdf5Group } from '../../schemas/records.ts';
import type { EpisodeIdentity, SourceArm, SourceCamera, SourceData } from '../../schemas/source.ts';
import type { CameraSpec, DatasetSpec } from '../../schemas/spec.ts';
import { piperSeries } from '../rigs/piper.ts';
import { viperxSeries } from '../rigs/viperx.ts';

const scene = (name: string): CameraSpec => ({
  name,
  mount: 'fixed',
  roles: ['third', 'third2'],
  principalPoint: 'centre',
});
/** Order in which the recorder lists the lengths of its padded pictures. */
const RECORDER = ['cam_high', 'cam_low', 'cam_left_wrist', 'cam_right_wrist'];

/** Joints of one arm of either robot; its gripper stands behind them. */
const JOINTS = 6;

/** The recorders differ in nothing but names: AgileX's are told by a folder. */
const AGILEX = /agilex|cobot|piper/i;
/** Strokes of Piper's grippers, m. */
const STROKES = [0.07, 0.1];

export default {
  name: 'aloha',
  version: 1,
  title: 'ALOHA / ACT (HDF5 episodes)',
  licence: 'MIT',
  format: 'files',
  anchor: /(^|\/)episode_\d+\.hdf5$/,
  clock: 'index',
  robots: {
    aloha: {
      arms: 2,
      hz: 50,
      eeOrigin: 'ee_gripper_link by forward kinematics of the published ViperX 300 model, each arm in its own base',
      // Between the fingertips already; x of the link points ahead, y across the fingers.
      eeFromTool: [0, 0, 1, 0, 0, 1, 0, 0, -1, 0, 0, 0, 0, 0, 0, 1],
    },
    cobot_magic: {
      arms: 2,
      hz: 50,
      eeOrigin: 'link 6 by forward kinematics of the published Piper parameters, each arm in its own base',
      eeFromTool: null,
    },
  },
  cameras: [
    ...['cam_high', 'top', 'cam_low', 'angle', 'front_close', 'vis'].map(scene),
    { name: 'cam_right_wrist', mount: 'hand', arm: 0, roles: ['wrist'], principalPoint: 'centre' },
    { name: 'right_wrist', mount: 'hand', arm: 0, roles: ['wrist'], principalPoint: 'centre' },
    { name: 'cam_left_wrist', mount: 'hand', arm: 1, roles: ['wrist2'], principalPoint: 'centre' },
    { name: 'left_wrist', mount: 'hand', arm: 1, roles: ['wrist2'], principalPoint: 'centre' },
  ],
  gripper: { action: 'commanded', proprio: 'measured' },
  calibration: 'none',
  impossible:
    'camera-frame actions (only --reference base, each arm in its own base frame); a recorder of AgileX (Piper arms, R and B exchanged) is told by `agilex`, `cobot` or `piper` in the path, for no file says it',
  identity,
  data,
} satisfies DatasetSpec<FilesRecord>;

function identity(record: FilesRecord): EpisodeIdentity {
  const id = record.path.replace(/\.hdf5$/, '');
  const task = record.path.split('/').at(-2)?.replaceAll('_', ' ') ?? '';
  return {
    id,
    sourceId: record.path,
    robot: AGILEX.test(record.path) ? 'cobot_magic' : 'aloha',
    success: null,
    // The format has no language; the folder that a recorder makes is named by the task.
    instructions: task === '' ? [] : [task],
    segments: [],
  };
}

function data(record: FilesRecord): SourceData {
  const file = record.hdf5();
  const [qpos, action] = [file.numbers('observations/qpos', 14), file.numbers('action', 14)];
  const steps = qpos.length / 14;
  const column = (values: Float64Array, at: number): Float64Array =>
    Float64Array.from({ length: steps }, (_, i) => values[14 * i + at]!);
  const agilex = AGILEX.test(record.path);
  const arm = (first: number): SourceArm => {
    const joints = new Float64Array(steps * JOINTS);
    for (let i = 0; i < steps; i++) joints.set(qpos.subarray(14 * i + first, 14 * i + first + JOINTS), i * JOINTS);
    const [measured, commanded] = [column(qpos, first + JOINTS), column(action, first + JOINTS)];
    const scale = agilex ? 1 / strokeOf(measured, commanded) : 1;
    return {
      pose: (agilex ? piperSeries : viperxSeries)(joints, 'observations/qpos'),
      opennessMeasured: measured.map((x) => x * scale),
      opennessCommanded: commanded.map((x) => x * scale),
    };
  };
  const stored = file.keys('observations/images');
  const listed = RECORDER.filter((one) => stored.includes(one));
  // Rows are in the recorder's order, known for its own cameras alone: with others among them zeros tell the lengths.
  const known = listed.length === stored.length && file.has('compress_len');
  const lengths = known && file.shape('compress_len')[0] === stored.length ? file.numbers('compress_len') : null;
  const flagRuns = movingRuns(file, steps);
  return {
    steps,
    arms: [arm(7), arm(0)],
    cameras: stored.map((name): SourceCamera => {
      const row = listed.indexOf(name);
      const own = lengths ? { lengths: lengths.subarray(row * steps, (row + 1) * steps) } : {};
      const path = `observations/images/${name}`;
      // AgileX's recorder hands RGB to OpenCV's encoder, which takes it for BGR; raw frames are as they are.
      const bgr = agilex && file.shape(path).length < 3;
      return { name, ...file.images(path, own), appearance: { bgr } };
    }),
    ...(flagRuns.length > 0 ? { flagRuns } : {}),
  };
}

/** The gripper's value at fully open: 1 where it is normalised already, else the stroke in metres that the values fit. */
function strokeOf(...values: Float64Array[]): number {
  const most = Math.max(...values.map((column) => column.reduce((a, b) => Math.max(a, b), 0)));
  // Readings overshoot by a few percent.
  return STROKES.find((stroke) => most <= stroke * 1.05) ?? 1;
}

/** Commanded speed of the base (m/s, rad/s) below which it stands. */
const STANDS = 0.01;

/** Steps at which the base of Mobile ALOHA drives: its odometry is not recorded, so the poses stay in the arms' own bases. */
function movingRuns(file: Hdf5Group, steps: number): FlagRun[] {
  if (!file.has('base_action')) return [];
  const speed = file.numbers('base_action', 2);
  const moves = (step: number): boolean => Math.max(...speed.subarray(2 * step, 2 * step + 2).map(Math.abs)) > STANDS;
  const runs: FlagRun[] = [];
  for (let start = 0; start < steps; start++) {
    if (!moves(start)) continue;
    let end = start + 1;
    while (end < steps && moves(end)) end++;
    runs.push({ flag: 'base_moving', start, end });
    start = end;
  }
  return runs;
}
