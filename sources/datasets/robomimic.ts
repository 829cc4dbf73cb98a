/** robomimic's image datasets (HDF5), with `camera_info` or without. Facts: formats §7.1. */
import { rigidFromMatrix } from '../../schemas/geometry.ts';
import { posesOfSeries, seriesOf } from '../../schemas/pose-series.ts';
import type { FilesRecord } from '../../schemas/records.ts';
import type { EpisodeIdentity, PoseSeries, SourceArm, SourceCamera, SourceData } from '../../schemas/source.ts';
import type { DatasetSpec } from '../../schemas/spec.ts';
import { columns, pinhole } from '../fields/columns.ts';
import { placed } from '../fields/poses.ts';
import { said } from '../fields/words.ts';
import { hand, scene } from '../rigs/cameras.ts';
import {
  cameraInfo,
  controlRate,
  demonstrations,
  episodeText,
  handPose,
  modelCamera,
  PANDA_OPEN,
  pandas,
} from '../rigs/robosuite.ts';

const FIXED = ['agentview', 'frontview', 'sideview', 'birdview', 'shouldercamera0', 'shouldercamera1'];
const HANDS = { robot0_eye_in_hand: 0, robot1_eye_in_hand: 1 } as const;

export default {
  name: 'robomimic',
  version: 1,
  title: 'robomimic (HDF5 with images)',
  licence: 'CC BY 4.0 (code MIT)',
  format: 'files',
  anchor: /\.hdf5$/,
  inside: demonstrations,
  clock: 'index',
  robots: { panda: pandas(1), two_pandas: pandas(2) },
  cameras: [
    ...FIXED.map((name) => scene(name, 'corner')),
    hand('robot0_eye_in_hand', 0, 'corner'),
    hand('robot1_eye_in_hand', 1, 'corner'),
  ],
  gripper: { action: 'commanded', proprio: 'measured' },
  calibration: 'camera_info of newer files; in older ones scene cameras from the simulator model (MJCF)',
  impossible: 'pose of the hand camera in older files; instructions, except where ep_meta has them',
  identity,
  data,
} satisfies DatasetSpec<FilesRecord>;

const armsOf = (record: FilesRecord): number => (record.hdf5().has('obs/robot1_eef_pos') ? 2 : 1);

function identity(record: FilesRecord): EpisodeIdentity {
  const id = `${record.path.replace(/\.hdf5$/, '')}/${record.inside.replace(/^data\//, '')}`;
  return {
    id,
    sourceId: `${record.path}/${record.inside}`,
    robot: armsOf(record) === 2 ? 'two_pandas' : 'panda',
    success: null,
    instructions: said([episodeText(record, 'lang')]),
    segments: [],
    ...controlRate(record),
  };
}

function data(record: FilesRecord): SourceData {
  const demo = record.hdf5();
  const count = armsOf(record);
  const actions = demo.numbers('actions', 7 * count);
  const arms = Array.from({ length: count }, (_, arm): SourceArm => {
    const fingers = demo.numbers(`obs/robot${arm}_gripper_qpos`, 2);
    return {
      pose: posesOf(record, arm),
      opennessMeasured: columns(fingers, 2, 0).map((x) => x / PANDA_OPEN),
      opennessCommanded: columns(actions, 7 * count, 7 * arm + 6).map((x) => (1 - x) / 2),
    };
  });
  const cameras = [...FIXED, ...Object.keys(HANDS)].flatMap((name) => cameraOf(record, name));
  return { steps: actions.length / (7 * count), arms, cameras };
}

function posesOf(record: FilesRecord, arm: number): PoseSeries {
  const field = `obs/robot${arm}_eef`;
  const [place, turn] = [record.hdf5().numbers(`${field}_pos`, 3), record.hdf5().numbers(`${field}_quat`, 4)];
  return placed({ place, turn }, 'xyz+xyzw', `${record.inside}/${field}_pos + _quat`);
}

function cameraOf(record: FilesRecord, name: string): SourceCamera[] {
  const frames = `obs/${name}_image`;
  if (!record.hdf5().has(frames)) return [];
  const pictures = record.hdf5().images(frames);
  const info = cameraInfo(record)[name] as { intrinsics?: number[][]; extrinsics?: number[][] } | undefined;
  if (!info?.intrinsics || !info.extrinsics)
    return [{ name, ...pictures, ...(name in HANDS ? {} : modelCamera(record, name, pictures)) }];
  const intrinsics = { values: pinhole(info.intrinsics.flat()), field: `camera_info.${name}.intrinsics` };
  const field = `camera_info.${name}.extrinsics`;
  const published = info.extrinsics.flat();
  if (!(name in HANDS))
    return [{ name, ...pictures, intrinsics, pose: { kind: 'matrix', values: Float64Array.from(published), field } }];
  const [first] = posesOfSeries<'base', 'ee'>(posesOf(record, HANDS[name as keyof typeof HANDS]));
  const pose = handPose(rigidFromMatrix(published, { field }), first!);
  return [{ name, ...pictures, intrinsics, ...(pose ? { pose: seriesOf([pose], field) } : {}) }];
}
