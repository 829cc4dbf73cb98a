/**
 * ALOHA, ACT and Mobile ALOHA episodes (HDF5): joints of two ViperX 300 arms; and AgileX's recorders (Cobot Magic), which write
 * the same layout for two Piper arms. Facts: formats §7.3, §0.5.
 */
import type { FilesRecord } from '../../schemas/records.ts';
import type { EpisodeIdentity, SourceArm, SourceCamera, SourceData } from '../../schemas/source.ts';
import type { DatasetSpec } from '../../schemas/spec.ts';
import { columns } from '../fields/columns.ts';
import { said } from '../fields/words.ts';
import { hand, scene } from '../rigs/cameras.ts';
import { drivingRuns } from '../rigs/moving-base.ts';
import { piperSeries, strokeOf } from '../rigs/piper.ts';
import { aheadAlongX } from '../rigs/tools.ts';
import { viperxSeries } from '../rigs/viperx.ts';
import { paddedLengths } from './aloha/recorder.ts';

/** Joints of one arm of either robot; its gripper stands behind them. */
const JOINTS = 6;

/** The recorders differ in nothing but names: AgileX's are told by a folder. */
const AGILEX = /agilex|cobot|piper/i;
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
      eeFromTool: aheadAlongX(0),
    },
    cobot_magic: {
      arms: 2,
      hz: 50,
      eeOrigin: 'link 6 by forward kinematics of the published Piper parameters, each arm in its own base',
      eeFromTool: null,
    },
  },
  cameras: [
    ...['cam_high', 'top', 'cam_low', 'angle', 'front_close', 'vis'].map((name) => scene(name)),
    ...['cam_right_wrist', 'right_wrist'].map((name) => hand(name, 0)),
    ...['cam_left_wrist', 'left_wrist'].map((name) => hand(name, 1)),
  ],
  gripper: { action: 'commanded', proprio: 'measured' },
  calibration: 'none',
  impossible:
    'camera-frame actions (only --reference base, each arm in its own base frame); recordings of AgileX (Piper arms, red and blue exchanged) are recognised only by `agilex`, `cobot` or `piper` in the path, for no file says it',
  identity,
  data,
} satisfies DatasetSpec<FilesRecord>;

function identity(record: FilesRecord): EpisodeIdentity {
  return {
    id: record.path.replace(/\.hdf5$/, ''),
    sourceId: record.path,
    robot: AGILEX.test(record.path) ? 'cobot_magic' : 'aloha',
    success: null,
    // The format has no language; the folder that a recorder makes is named by the task.
    instructions: said([record.path.split('/').at(-2)?.replaceAll('_', ' ')]),
    segments: [],
  };
}

function data(record: FilesRecord): SourceData {
  const file = record.hdf5();
  const [qpos, action] = [file.numbers('observations/qpos', 14), file.numbers('action', 14)];
  const steps = qpos.length / 14;
  const agilex = AGILEX.test(record.path);
  const arm = (first: number): SourceArm => {
    const joints = columns(qpos, 14, [first, first + JOINTS]);
    const measured = columns(qpos, 14, first + JOINTS);
    const commanded = columns(action, 14, first + JOINTS);
    const scale = agilex ? 1 / strokeOf(measured, commanded) : 1;
    return {
      pose: (agilex ? piperSeries : viperxSeries)(joints, 'observations/qpos'),
      opennessMeasured: measured.map((x) => x * scale),
      opennessCommanded: commanded.map((x) => x * scale),
    };
  };
  const lengths = paddedLengths(file, steps);
  const flagRuns = file.has('base_action') ? drivingRuns(file.numbers('base_action', 2).subarray(0, 2 * steps)) : [];
  return {
    steps,
    arms: [arm(7), arm(0)],
    cameras: file.keys('observations/images').map((name): SourceCamera => {
      const path = `observations/images/${name}`;
      // AgileX's recorder hands RGB to OpenCV's encoder, which takes it for BGR; raw frames are as they are.
      const bgr = agilex && file.shape(path).length < 3;
      return { name, ...file.images(path, lengths[name] ? { lengths: lengths[name] } : {}), appearance: { bgr } };
    }),
    ...(flagRuns.length > 0 ? { flagRuns } : {}),
  };
}
