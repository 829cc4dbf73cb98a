/**
 * RH20T: seven robots, up to ten cameras each with a clock of its own. Facts: formats §7.6, read in rh20t/rh20t_api@aa31244.
 * Read are the values that the publisher aligned over all robots (`transformed/`): metres, quaternions with w first, one
 * base frame. The raw values of single robots beside the cameras are not read.
 * Checked on made files alone. Not certain, for want of the publisher's word: that `gripper_command` too begins with
 * millimetres (programs that used the data take it so), the serials of the fixed cameras, and how long the holes in a
 * camera's frames are (one with a hole beyond FRAME_REACH is left out and named in the detail).
 */
import type { FilesRecord } from '../../schemas/records.ts';
import type { EpisodeIdentity, SourceCamera, SourceData } from '../../schemas/source.ts';
import type { CameraSpec, DatasetSpec, RobotSpec } from '../../schemas/spec.ts';
import { said } from '../fields/words.ts';
import { hand, scene } from '../rigs/cameras.ts';
import { around, numbersAt, posesAt } from '../rigs/timed.ts';
import { publisherOf } from './rh20t/cameras.ts';
import { clockOf, nameOf, viewsOf } from './rh20t/clock.ts';
import { calibrationFiles, companions, partsOf } from './rh20t/files.ts';
import { gripperOf, posesOf } from './rh20t/robot.ts';
import { CONFIGS, type Rh20tConfig } from './rh20t/robots.ts';

/** Milliseconds between two recorded poses that may be interpolated. */
const POSE_GAP = 500;

const serials = (of: (config: Rh20tConfig) => readonly string[]): string[] =>
  [...new Set(Object.values(CONFIGS).flatMap(of))].sort();
const cameras: CameraSpec[] = [
  ...serials(({ fixed }) => fixed).map((serial) => scene(nameOf(serial))),
  ...serials(({ hands }) => hands).map((serial) => hand(nameOf(serial))),
];
const robotOf = (number: string): string => `${CONFIGS[number]!.robot}_cfg${number}`;
/**
 * The release says neither where between the fingers its TCP lies nor how they open. (Its axes are the same for all robots:
 * as seen by the hand camera x is down, y to the left, z ahead.)
 */
const ROBOT: RobotSpec = { arms: 1, hz: 10, eeOrigin: 'aligned TCP of transformed/tcp_base.npy', eeFromTool: null };

export default {
  name: 'rh20t',
  version: 1,
  title: 'RH20T (videos as published, or extracted pictures)',
  licence: 'CC BY-SA 4.0 or CC BY-NC 4.0, by part',
  format: 'files',
  // Human demonstrations (`…_human`) have no robot.
  anchor: /(^|\/)task_\d+_user_\d+_scene_\d+_cfg_000[1-7]\/metadata\.json$/,
  companions,
  shared: ['tasks'],
  further: (record) => calibrationFiles(record.path, metadataOf(record).calib),
  clock: 'timestamps',
  robots: Object.fromEntries(Object.keys(CONFIGS).map((number) => [robotOf(number), ROBOT])),
  cameras,
  gripper: { action: 'commanded', proprio: 'measured' },
  calibration: 'camera poses from calib/<time> beside the scenes; else from transformed/tcp.npy',
  impossible:
    'the tool point (TCP origin and opening axis are not published); cameras whose serial is not listed; human demonstrations',
  identity,
  data,
} satisfies DatasetSpec<FilesRecord>;

interface Metadata {
  readonly calib?: unknown;
  readonly calib_quality?: unknown;
  readonly finish_time?: unknown;
  readonly rating?: unknown;
}

function metadataOf(record: FilesRecord): Metadata {
  const told = record.json('metadata');
  return typeof told === 'object' && told !== null ? told : {};
}

function identity(record: FilesRecord): EpisodeIdentity {
  const { scene, task, number } = partsOf(record.path);
  const { rating } = metadataOf(record);
  const tasks = record.has('tasks') ? (record.json('tasks') as Record<string, Record<string, unknown>>) : {};
  const text = tasks?.[task]?.task_description_english;
  return {
    id: scene,
    sourceId: record.path,
    robot: robotOf(number),
    // 0 robot failure, 1 task failure, 2 … 9 completed, better and better.
    success: typeof rating === 'number' ? rating >= 2 : null,
    instructions: said([text]),
    segments: [],
  };
}

function data(record: FilesRecord): SourceData {
  const config = CONFIGS[partsOf(record.path).number]!;
  const notes: string[] = [];
  const poses = posesOf(record, 'tcp_base', notes);
  const { measured, commanded } = gripperOf(record, config);
  const views = viewsOf(record, config, notes);
  const { calib_quality, finish_time } = metadataOf(record);
  const finish = typeof finish_time === 'number' && finish_time > 0 ? finish_time : Number.POSITIVE_INFINITY;
  const known = (t: number): boolean =>
    t <= finish && [poses, measured, commanded].every(({ time }) => around(time, t, POSE_GAP) !== null);
  const { steps, cameras } = clockOf(views, known, notes);
  const publish = publisherOf(record, config, { poses, notes });
  if (calib_quality === 0) notes.push('the publisher says that some cameras are not calibrated');
  return {
    steps: steps.length,
    // From the first step on: seconds since 1970 have no room for microseconds.
    time: Float64Array.from(steps, (t) => (t - steps[0]!) / 1000),
    arms: [
      {
        pose: posesAt(poses, steps, { gap: POSE_GAP, field: 'transformed/tcp_base' }),
        opennessMeasured: numbersAt(measured, steps, POSE_GAP),
        opennessCommanded: numbersAt(commanded, steps, POSE_GAP),
        opennessFields: { measured: 'gripper_info', commanded: 'gripper_command' },
      },
    ],
    cameras: cameras.map(
      ({ serial, frames }): SourceCamera => ({
        name: nameOf(serial),
        ...record.video(nameOf(serial), frames),
        ...publish(serial),
      }),
    ),
    ...(notes.length > 0 ? { notes } : {}),
  };
}
