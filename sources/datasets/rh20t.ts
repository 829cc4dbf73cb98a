/**
 * RH20T: seven robots, up to ten cameras each with a clock of its own. Facts: formats §7.6, read in rh20t/rh20t_api@aa31244.
 * Read are the values that the publisher aligned over all robots (`transformed/`): metres, quaternions with w first, one
 * base frame. The raw values of single robots beside the cameras are not read.
 * Checked on made files alone. Not certain, for want of the publisher's word: that `gripper_command` too begins with
 * millimetres (programs that used the data take it so), the serials of the fixed cameras, and how long the holes in a
 * camera's frames are (one with a hole beyond FRAME_REACH is left out and named in the detail).
 */
import { compose, invert, type Rigid } from '../../schemas/geometry.ts';
import { poseFromSeries, seriesOf } from '../../schemas/pose-series.ts';
import { numbersOf, type PyValue } from '../../schemas/python-data.ts';
import type { FilesRecord } from '../../schemas/records.ts';
import type { EpisodeIdentity, PublishedPose, SourceCamera, SourceData } from '../../schemas/source.ts';
import type { CameraSpec, Companions, DatasetSpec, RobotSpec } from '../../schemas/spec.ts';
import { rh20tPoses, samePlace } from '../calibration/rh20t.ts';
import { CONFIGS, type Rh20tConfig } from '../rigs/rh20t.ts';
import { around, numbersAt, posesAt, type Timed } from '../rigs/timed.ts';
import { clockOf, nameOf, serialsOf, stamps, viewsOf } from './rh20t/clock.ts';
import { gripperOf, ofDict, posesOf } from './rh20t/robot.ts';

/** Size that the intrinsics are of; the videos are half of it. */
const CALIBRATED = { width: 1280, height: 720 } as const;

/** Milliseconds between two recorded poses that may be interpolated. */
const POSE_GAP = 500;

const serials = (of: (config: Rh20tConfig) => readonly string[]): string[] =>
  [...new Set(Object.values(CONFIGS).flatMap(of))].sort();
const cameras: CameraSpec[] = [
  ...serials(({ fixed }) => fixed).map(
    (serial) =>
      ({ name: nameOf(serial), mount: 'fixed', roles: ['third', 'third2'], principalPoint: 'centre' }) as const,
  ),
  ...serials(({ hands }) => hands).map(
    (serial) => ({ name: nameOf(serial), mount: 'hand', arm: 0, roles: ['wrist'], principalPoint: 'centre' }) as const,
  ),
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
  further,
  clock: 'timestamps',
  robots: Object.fromEntries(Object.keys(CONFIGS).map((number) => [robotOf(number), ROBOT])),
  cameras,
  gripper: { action: 'commanded', proprio: 'measured' },
  calibration: 'calib/<time> beside the scenes, tied to the base by the camera on the hand; else transformed/tcp.npy',
  impossible:
    'the tool point (TCP origin and opening axis are not published); cameras whose serial is not listed; human demonstrations',
  identity,
  data,
} satisfies DatasetSpec<FilesRecord>;

function partsOf(anchor: string): { folder: string; parents: string[]; scene: string; task: string; number: string } {
  const folders = anchor.split('/').slice(0, -1);
  const scene = folders.at(-1)!;
  const parents = folders
    .map((_, i) =>
      folders
        .slice(0, i)
        .map((one) => `${one}/`)
        .join(''),
    )
    .reverse();
  return {
    ...{ folder: `${folders.join('/')}/`, parents, scene },
    task: /^task_\d+/.exec(scene)![0],
    number: String(Number(/cfg_(\d+)$/.exec(scene)![1])),
  };
}

function companions(anchor: string): Companions {
  const { folder, parents, number } = partsOf(anchor);
  const camera = (serial: string): [string, string[]][] => {
    const file = (name: string): string[] => ['', 'color/'].map((one) => `${folder}${nameOf(serial)}/${one}${name}`);
    return [
      // Both readings of the release: videos, and the pictures that the publisher's extract.py makes of them.
      [nameOf(serial), [...file('color.mp4'), `${folder}${nameOf(serial)}/color/`]],
      [stamps(serial), file('timestamps.npy')],
    ];
  };
  return {
    metadata: [anchor],
    tasks: parents.map((parent) => `${parent}task_description.json`),
    ...Object.fromEntries(['tcp_base', 'tcp', 'gripper'].map((name) => [name, [`${folder}transformed/${name}.npy`]])),
    ...Object.fromEntries(serialsOf(CONFIGS[number]!).flatMap(camera)),
  };
}

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

/** Scenes that were cut into actions lie one folder deeper than the calibrations. */
function further(record: FilesRecord): Companions {
  const { calib } = metadataOf(record);
  if (typeof calib !== 'number' || calib < 0) return {};
  const parents = partsOf(record.path).parents.slice(0, 2);
  const file = (name: string): string[] => parents.map((parent) => `${parent}calib/${calib}/${name}.npy`);
  return { calib_intrinsics: file('intrinsics'), calib_extrinsics: file('extrinsics'), calib_tcp: file('tcp') };
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
    instructions: typeof text === 'string' && text.trim() !== '' ? [text.trim()] : [],
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

type Published = Pick<SourceCamera, 'pose' | 'intrinsics'>;

function publisherOf(
  record: FilesRecord,
  config: Rh20tConfig,
  { poses, notes }: { poses: Timed; notes: string[] },
): (serial: string) => Published {
  const npy = (name: string): PyValue => (record.has(name) ? record.npy(name) : null);
  const [extrinsics, tcp, lenses] = [npy('calib_extrinsics'), npy('calib_tcp'), npy('calib_intrinsics')];
  const chain = rh20tPoses(config, extrinsics !== null && tcp !== null ? { extrinsics, tcp } : null);
  const onHand = (serial: string): PublishedPose | undefined => {
    const eeFromCam = chain.eeFromCam(serial);
    return eeFromCam ? { ...seriesOf([eeFromCam], 'tc_mat'), parent: 'ee' } : undefined;
  };
  const fixed = (serial: string): PublishedPose | undefined => {
    const [calibrated, paired] = [chain.camFromBase(serial), pairOf(record, serial, poses)];
    if (calibrated && paired && !samePlace(calibrated, paired)) {
      notes.push(`${nameOf(serial)}: calib and transformed/tcp.npy place it differently: neither is used`);
      return undefined;
    }
    const camFromBase = calibrated ?? paired;
    const field = calibrated ? 'calib/extrinsics.npy' : 'transformed/tcp.npy';
    return camFromBase ? { ...seriesOf([camFromBase], field), direction: 'cam-from-base' } : undefined;
  };
  return (serial) => {
    const pose = config.hands.includes(serial) ? onHand(serial) : fixed(serial);
    const k = numbersOf(ofDict(lenses, serial));
    const values = k?.length === 12 ? [k[0]!, k[5]!, k[2]!, k[6]!] : undefined;
    return {
      ...(pose ? { pose } : {}),
      ...(values ? { intrinsics: { values, ...CALIBRATED, field: 'calib/intrinsics.npy' } } : {}),
    };
  };
}

/**
 * Where the release's own pair of poses puts a fixed camera: `camFromEe · baseFromEe⁻¹`, null unless first, middle and last
 * pair agree (of a camera on the hand, or of values that were not aligned, they do not).
 */
function pairOf(record: FilesRecord, serial: string, poses: Timed): Rigid<'cam', 'base'> | null {
  if (!record.has('tcp')) return null;
  const inCam = posesOf(record, 'tcp', [], serial);
  const both = Array.from(inCam.time.keys()).flatMap((i) => {
    const at = around(poses.time, inCam.time[i]!, 0);
    return at ? [[i, at[0]] as const] : [];
  });
  const series = ({ values }: Timed) => ({ kind: 'xyz+wxyz', values, field: 'transformed/tcp' }) as const;
  const places = [0, 0.5, 1].flatMap((share) => {
    const pair = both[Math.floor(share * (both.length - 1))];
    if (!pair) return [];
    const camFromEe = poseFromSeries<'cam', 'ee'>(series(inCam), pair[0]);
    return [compose<'cam', 'ee', 'base'>(camFromEe, invert(poseFromSeries<'base', 'ee'>(series(poses), pair[1])))];
  });
  const [first] = places;
  return first && places.every((one) => samePlace(one, first)) ? first : null;
}
