/** DROID as recorded: trajectory.h5, metadata and MP4 per episode. Facts: formats §1.2. */
import { PrepError } from '../../schemas/errors.ts';
import { framesOf } from '../../schemas/frames.ts';
import type { FilesRecord } from '../../schemas/records.ts';
import type { EpisodeIdentity, PublishedPose, SourceCamera, SourceData } from '../../schemas/source.ts';
import type { Companions, DatasetSpec } from '../../schemas/spec.ts';
import { episodeFolders, normalEpisode, openKarlp } from '../calibration/karlp.ts';
import { pinhole } from '../fields/columns.ts';
import { beyondLast } from '../fields/pictures.ts';
import { aboveOf } from '../fields/words.ts';
import { exteriorZed, FRANKA_ROBOTIQ, wristZed } from '../rigs/franka-zed.ts';
import { instructions, metadata, SERIALS, serialsOf, toldPose, VIEWS, type View } from './droid_raw/metadata.ts';

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
  companions: (anchor) => ({
    metadata: [`${folderOf(anchor)}metadata_*.json`],
    annotations: aboveOf(anchor, ANNOTATIONS),
  }),
  shared: ['annotations'],
  further,
  clock: 'index',
  robots: { franka_robotiq: FRANKA_ROBOTIQ },
  cameras: [exteriorZed('exterior_image_1_left'), exteriorZed('exterior_image_2_left'), wristZed('wrist_image_left')],
  gripper: { action: 'commanded', proprio: 'measured' },
  calibration:
    'the JSON files of KarlP/droid (--calibration DIR), else poses (and in newer recordings intrinsics) in trajectory.h5',
  impossible:
    'intrinsics of each camera itself in older recordings without side files (the mean over all robots is used and flagged); recordings with stereo videos alone',
  identity,
  data,
  sideFiles: async (directory) => openKarlp(directory, SERIALS),
} satisfies DatasetSpec<FilesRecord>;

const folderOf = (anchor: string): string => anchor.slice(0, anchor.lastIndexOf('/') + 1);

function further(record: FilesRecord): Companions {
  const serials = serialsOf(record);
  return Object.fromEntries(
    VIEWS.map((view) => [view, [`${folderOf(record.path)}recordings/MP4/${serials[view]}.mp4`]]),
  );
}

function identity(record: FilesRecord): EpisodeIdentity {
  const told = metadata(record);
  const folders = episodeFolders(record.path) ?? episodeFolders(String(told.hdf5_path ?? ''));
  if (!folders)
    throw new PrepError({
      code: 'bad-id',
      at: { file: record.path },
      expected: '<LAB>/<success|failure>/<date>/<time stamp>/trajectory.h5',
      found: record.path,
    });
  return {
    id: normalEpisode(folders.join('/')),
    sourceId: record.path,
    robot: 'franka_robotiq',
    success: folders[1] === 'success',
    instructions: instructions(record, told),
    segments: [],
  };
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
  const notes = views.flatMap((view, i) => beyondLast(view, counts[i]!, steps));
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
  const values = file.has(lens) ? pinhole(file.numbers(lens, 9).subarray(0, 9)) : null;
  const pose: PublishedPose | null = file.has(poses)
    ? { kind: 'xyz+extrinsic-xyz', values: file.numbers(poses, 6).subarray(0, steps * 6), field: poses }
    : toldPose(metadata(record), view);
  return {
    name: view,
    ...pictures,
    ...(pose ? { pose } : {}),
    ...(values ? { intrinsics: { values, width: 1280, height: 720, field: lens } } : {}),
  };
}
