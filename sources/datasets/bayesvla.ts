/** Episodes as BayesVLA's preprocessing writes them (HDF5), simulated pick and place or converted recordings. Facts: formats §1.6. */
import type { FilesRecord } from '../../schemas/records.ts';
import type { EpisodeIdentity, SourceCamera, SourceData } from '../../schemas/source.ts';
import type { DatasetSpec } from '../../schemas/spec.ts';
import { pinhole } from '../fields/columns.ts';
import { saidOnce } from '../fields/words.ts';
import { hand, scene } from '../rigs/cameras.ts';

const PROMPTS = ['prompt_text', 'prompt_text2', 'prompt_text3'];

export default {
  name: 'bayesvla',
  version: 1,
  title: 'BayesVLA episodes (HDF5)',
  licence: 'not stated',
  format: 'files',
  anchor: /(^|\/)episode_\d+\.(h5|hdf5)$/,
  further: (record) => Object.fromEntries(viewsOf(record).flatMap((name) => videoOf(record, name))),
  clock: 'timestamps',
  robots: { arm: { arms: 1, hz: 10, eeOrigin: 'ee_pose as published', eeFromTool: null } },
  cameras: [
    scene('e2h_cam'),
    hand('eih_cam'),
    // Of converted DROID.
    scene('exterior_1_left'),
    scene('exterior_2_left'),
    hand('wrist_left'),
  ],
  gripper: { action: 'commanded', proprio: 'measured' },
  calibration: 'intrinsics and camera poses in each file',
  impossible: '',
  identity,
  data,
} satisfies DatasetSpec<FilesRecord>;

function identity(record: FilesRecord): EpisodeIdentity {
  const stamps = record.hdf5().numbers('timestamp', 1);
  const periods = stamps
    .slice(1)
    .map((t, i) => t - stamps[i]!)
    .sort();
  const median = periods[Math.floor(periods.length / 2)] ?? 0;
  return {
    id: record.path.replace(/\.(h5|hdf5)$/, ''),
    sourceId: record.path,
    robot: 'arm',
    success: null,
    instructions: saidOnce(PROMPTS.map((name) => record.hdf5().attribute(name))),
    segments: [],
    ...(median > 0 ? { hz: 1 / median } : {}),
  };
}

const viewsOf = (record: FilesRecord): string[] =>
  record
    .hdf5()
    .keys()
    .filter((name) => record.hdf5().isGroup(name) && record.hdf5().has(`${name}/rgb`));

/** A recording that was converted keeps its video: `rgb` then holds the path, relative to the episode. */
function videoOf(record: FilesRecord, name: string): [string, string[]][] {
  if (record.hdf5().attribute('compress') !== 'mp4') return [];
  const path = record.hdf5().texts(`${name}/rgb`)[0] ?? '';
  const folder = record.path.slice(0, record.path.lastIndexOf('/') + 1);
  return path.includes('..') ? [] : [[name, [`${folder}${path}`, path]]];
}

function data(record: FilesRecord): SourceData {
  const file = record.hdf5();
  const time = file.numbers('timestamp', 1);
  const measured = file.numbers('gripper', 1);
  return {
    steps: time.length,
    time,
    arms: [
      {
        pose: { kind: 'matrix', values: file.numbers('ee_pose', 16), field: 'ee_pose' },
        opennessMeasured: measured,
        opennessCommanded: file.has('gripper_desired') ? file.numbers('gripper_desired', 1) : measured,
      },
    ],
    cameras: viewsOf(record).map((name): SourceCamera => {
      const video = record.has(name);
      const pictures = video ? record.video(name) : file.images(`${name}/rgb`);
      // Encoded by OpenCV from RGB, so that R and B are exchanged; raw frames and videos are right as they are.
      const encoded = !video && file.shape(`${name}/rgb`).length < 3;
      return {
        name,
        ...pictures,
        appearance: { bgr: encoded },
        pose: { kind: 'matrix', values: file.numbers(`${name}/pose`), field: `${name}/pose` },
        intrinsics: { values: pinhole(file.numbers(`${name}/K`).subarray(0, 9)), field: `${name}/K` },
      };
    }),
  };
}
