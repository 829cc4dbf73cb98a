/** ALOHA, ACT and Mobile ALOHA episodes (HDF5): joints of two ViperX 300 arms. Facts: formats §7.3. */
import type { FilesRecord } from '../../schemas/records.ts';
import type { EpisodeIdentity, SourceArm, SourceCamera, SourceData } from '../../schemas/source.ts';
import type { CameraSpec, DatasetSpec } from '../../schemas/spec.ts';
import { VIPERX_JOINTS, viperxSeries } from '../rigs/viperx.ts';

const scene = (name: string): CameraSpec => ({
  name,
  mount: 'fixed',
  roles: ['third', 'third2'],
  principalPoint: 'centre',
});
/** Order in which the recorder lists the lengths of its padded pictures. */
const RECORDER = ['cam_high', 'cam_low', 'cam_left_wrist', 'cam_right_wrist'];

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
    'camera-frame actions (only --reference base, each arm in its own base frame); recorders that gave RGB to OpenCV have R and B exchanged, which no file says',
  identity,
  data,
} satisfies DatasetSpec<FilesRecord>;

function identity(record: FilesRecord): EpisodeIdentity {
  const id = record.path.replace(/\.hdf5$/, '');
  const task = record.path.split('/').at(-2)?.replaceAll('_', ' ') ?? '';
  return {
    id,
    sourceId: record.path,
    robot: 'aloha',
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
  const arm = (first: number): SourceArm => {
    const joints = new Float64Array(steps * VIPERX_JOINTS);
    for (let i = 0; i < steps; i++)
      joints.set(qpos.subarray(14 * i + first, 14 * i + first + VIPERX_JOINTS), i * VIPERX_JOINTS);
    return {
      pose: viperxSeries(joints, 'observations/qpos'),
      opennessMeasured: column(qpos, first + VIPERX_JOINTS),
      opennessCommanded: column(action, first + VIPERX_JOINTS),
    };
  };
  const stored = file.keys('observations/images');
  const lengths = file.has('compress_len') ? file.numbers('compress_len') : null;
  return {
    steps,
    arms: [arm(7), arm(0)],
    cameras: stored.map((name): SourceCamera => {
      const row = RECORDER.filter((one) => stored.includes(one)).indexOf(name);
      const own = lengths && row >= 0 ? { lengths: lengths.subarray(row * steps, (row + 1) * steps) } : {};
      return { name, ...file.images(`observations/images/${name}`, own) };
    }),
  };
}
