/** DROID as recorded: trajectory.h5, metadata and MP4 per episode. Facts: formats §1.2. */
import { PrepError } from '../../schemas/errors.ts';
import { framesOf } from '../../schemas/frames.ts';
import type { FilesRecord } from '../../schemas/records.ts';
import type { EpisodeIdentity, PublishedPose, SourceCamera, SourceData } from '../../schemas/source.ts';
import type { Companions, DatasetSpec } from '../../schemas/spec.ts';
import { normalEpisode, openKarlp } from '../calibration/karlp.ts';
import { exteriorZed, FRANKA_ROBOTIQ, wristZed } from '../rigs/franka-zed.ts';

/** Camera names are those of the RLDS release, so that its tables and these mix; → key of its serial in the metadata. */
const SERIALS = {
  exterior_image_1_left: 'ext1_cam_serial',
  exterior_image_2_left: 'ext2_cam_serial',
  wrist_image_left: 'wrist_cam_serial',
} as const;
type View = keyof typeof SERIALS;
const VIEWS = Object.keys(SERIALS) as View[];
const ANNOTATIONS = 'aggregated-annotations-030724.json';
/** A stream that ends so many frames early cuts the episode there; one that lacks more is damaged. */
const FEW_FRAMES = 5;
const POSE = 'observation/robot_state/cartesian_position';

export default {
  name: 'droid_raw',
  version: 1,
  title: 'DROID (raw recordings)',
  licence: 'CC BY 4.0',
  format: 'files',
  anchor: /(^|\/)trajectory\.h5$/,
  companions: (anchor) => ({ metadata: [`${folderOf(anchor)}metadata_*.json`], annotations: annotationsFor(anchor) }),
  shared: ['annotations'],
  further,
  clock: 'index',
  robots: { franka_robotiq: FRANKA_ROBOTIQ },
  cameras: [exteriorZed('exterior_image_1_left'), exteriorZed('exterior_image_2_left'), wristZed('wrist_image_left')],
  gripper: { action: 'commanded', proprio: 'measured' },
  calibration:
    'KarlP/droid side files (--calibration), else poses (and in newer recordings intrinsics) in trajectory.h5',
  impossible:
    'own intrinsics of older recordings without side files (fleet means are used and flagged); stereo-only recordings',
  identity,
  data,
  sideFiles: async (directory) => openKarlp(directory, SERIALS),
} satisfies DatasetSpec<FilesRecord>;

const folderOf = (anchor: string): string => anchor.slice(0, anchor.lastIndexOf('/') + 1);

function annotationsFor(anchor: string): string[] {
  const folders = anchor.split('/').slice(0, -1);
  return folders.map((_, i) => [...folders.slice(0, i), ANNOTATIONS].join('/'));
}

function further(record: FilesRecord): Companions {
  const serials = serialsOf(record);
  return Object.fromEntries(
    VIEWS.map((view) => [view, [`${folderOf(record.path)}recordings/MP4/${serials[view]}.mp4`]]),
  );
}

const metadata = (record: FilesRecord): Readonly<Record<string, unknown>> =>
  record.has('metadata') ? (record.json('metadata') as Record<string, unknown>) : {};

/** From the metadata, else from `camera_type`: 0 is the hand's, the others are numbered in sorted order. */
function serialsOf(record: FilesRecord): Record<View, string> {
  const told = metadata(record);
  const types = record.hdf5().has('observation/camera_type') ? record.hdf5().keys('observation/camera_type') : [];
  const onHand = (serial: string): boolean => record.hdf5().numbers(`observation/camera_type/${serial}`)[0] === 0;
  const outer = types.filter((serial) => !onHand(serial)).sort();
  const guess: Record<View, string | undefined> = {
    exterior_image_1_left: outer[0],
    exterior_image_2_left: outer[1],
    wrist_image_left: types.find(onHand),
  };
  return Object.fromEntries(VIEWS.map((view) => [view, String(told[SERIALS[view]] ?? guess[view] ?? '')])) as Record<
    View,
    string
  >;
}

function identity(record: FilesRecord): EpisodeIdentity {
  const told = metadata(record);
  const path = [record.path, String(told.hdf5_path ?? '')].map((one) => one.split('/').slice(-5, -1)).find(isEpisode);
  if (!path)
    throw new PrepError({
      code: 'bad-id',
      at: { file: record.path },
      expected: '<LAB>/<success|failure>/<date>/<time stamp>/trajectory.h5',
      found: record.path,
    });
  return {
    id: normalEpisode(path.join('/')),
    sourceId: record.path,
    robot: 'franka_robotiq',
    success: path[1] === 'success',
    instructions: instructions(record, told),
    segments: [],
  };
}

const isEpisode = (parts: readonly string[]): boolean =>
  parts.length === 4 && (parts[1] === 'success' || parts[1] === 'failure');

/** Annotations are by uuid; without them the task that the operator was given. */
function instructions(record: FilesRecord, told: Readonly<Record<string, unknown>>): string[] {
  const all = record.has('annotations') ? (record.json('annotations') as Record<string, Record<string, unknown>>) : {};
  const own = Object.values(all[String(told.uuid)] ?? {});
  const texts = own.length > 0 ? own : [told.current_task];
  return texts
    .filter((text): text is string => typeof text === 'string')
    .map((text) => text.trim())
    .filter((text) => text !== '');
}

function data(record: FilesRecord): SourceData {
  const file = record.hdf5();
  const all = file.shape(POSE)[0] ?? 0;
  const views = VIEWS.filter((view) => record.has(view));
  const counts = views.map((view) => framesOf(record.video(view).frames));
  const steps = Math.min(all, ...counts);
  if (all - steps > FEW_FRAMES) {
    const worst = views[counts.indexOf(steps)]!;
    throw new PrepError({
      code: 'bad-video',
      at: { file: record.pathOf(worst) },
      expected: `${all} frames for ${all} steps`,
      found: `${steps} frames`,
    });
  }
  const cut = (values: Float64Array, width: number): Float64Array => values.subarray(0, steps * width);
  const open = (field: string): Float64Array => cut(file.numbers(field, 1), 1).map((x) => 1 - x);
  const notes = views.flatMap((view, i) =>
    counts[i]! > steps ? [`${view}: ${counts[i]! - steps} frames beyond the last step are left out`] : [],
  );
  if (steps < all) notes.push(`${all - steps} steps without a frame of every camera are left out`);
  return {
    steps,
    arms: [
      {
        pose: { kind: 'xyz+extrinsic-xyz', values: cut(file.numbers(POSE, 6), 6), field: POSE },
        opennessMeasured: open('observation/robot_state/gripper_position'),
        opennessCommanded: open('action/gripper_position'),
      },
    ],
    cameras: views.map((view) => cameraOf(record, view, steps)),
    ...(file.has('action/joint_velocity')
      ? { jointVelocityCommand: { width: 7, values: cut(file.numbers('action/joint_velocity', 7), 7) } }
      : {}),
    ...(notes.length > 0 ? { notes } : {}),
  };
}

function cameraOf(record: FilesRecord, view: View, steps: number): SourceCamera {
  const file = record.hdf5();
  const serial = serialsOf(record)[view];
  const pictures = record.video(view, steps);
  const [poses, lens] = [
    `observation/camera_extrinsics/${serial}_left`,
    `observation/camera_intrinsics/${serial}_left`,
  ];
  const k = file.has(lens) ? file.numbers(lens, 9) : null;
  const pose: PublishedPose | null = file.has(poses)
    ? { kind: 'xyz+extrinsic-xyz', values: file.numbers(poses, 6).subarray(0, steps * 6), field: poses }
    : toldPose(metadata(record), view);
  return {
    name: view,
    ...pictures,
    ...(pose ? { pose } : {}),
    ...(k ? { intrinsics: { values: [k[0]!, k[4]!, k[2]!, k[5]!], width: 1280, height: 720, field: lens } } : {}),
  };
}

/** The metadata repeat the pose at the first step, as six numbers or as an object that holds them. */
function toldPose(told: Readonly<Record<string, unknown>>, view: View): PublishedPose | null {
  const field = SERIALS[view].replace('serial', 'extrinsics');
  const value = told[field];
  const list = Array.isArray(value) ? value : (value as { extrinsics?: unknown } | null | undefined)?.extrinsics;
  if (!Array.isArray(list) || list.length !== 6 || !list.every((x) => typeof x === 'number')) return null;
  return { kind: 'xyz+extrinsic-xyz', values: Float64Array.from(list), field: `metadata ${field}` };
}
