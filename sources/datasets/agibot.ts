/** AgiBotWorld Alpha and Beta in their original layout. Facts: formats §2. */
import { PrepError } from '../../schemas/errors.ts';
import { seriesOf } from '../../schemas/pose-series.ts';
import type { FilesRecord } from '../../schemas/records.ts';
import type { EpisodeIdentity, PoseSeries, SourceArm, SourceCamera, SourceData } from '../../schemas/source.ts';
import type { CameraSpec, Companions, DatasetSpec } from '../../schemas/spec.ts';
import { agibotCamera } from '../calibration/agibot.ts';
import { inWorld, movingBase } from '../rigs/moving-base.ts';

/** Pinhole cameras; the fisheye views have no pinhole intrinsics and are left out. */
const CAMERAS = ['head', 'hand_right', 'hand_left'] as const;
/** Index in the arrays of two: left first. */
const ARMS = [1, 0] as const;
/** Reading of a closed gripper, degrees of the actuator. */
const CLOSED = 120;
const hand = (name: string, arm: 0 | 1): CameraSpec => ({
  name,
  mount: 'hand',
  arm,
  roles: [arm === 0 ? 'wrist' : 'wrist2'],
  principalPoint: 'centre',
});

export default {
  name: 'agibot',
  version: 1,
  title: 'AgiBotWorld Alpha / Beta (original layout)',
  licence: 'CC BY-NC-SA 4.0',
  format: 'files',
  anchor: /(^|\/)proprio_stats\/[^/]+\/[^/]+\/proprio_stats\.h5$/,
  companions,
  shared: ['task'],
  clock: 'index',
  robots: {
    a2d: {
      arms: 2,
      hz: 30,
      eeOrigin: 'flange (arm link 7)',
      eeFromTool: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0.143, 0, 0, 0, 1],
    },
  },
  cameras: [
    { name: 'head', mount: 'moving', roles: ['third'], principalPoint: 'centre' },
    hand('hand_right', 0),
    hand('hand_left', 1),
  ],
  gripper: { action: 'commanded', proprio: 'measured' },
  calibration:
    'aligned camera poses per frame and intrinsics, JSON beside each episode (releases before February 2025 are wrong)',
  impossible: 'dexterous hands (no closure map: rejected, no-openness); fisheye cameras',
  identity,
  data,
} satisfies DatasetSpec<FilesRecord>;

function partsOf(anchor: string): { root: string; task: string; episode: string } {
  const [, root, task, episode] = /^(.*?)proprio_stats\/([^/]+)\/([^/]+)\/proprio_stats\.h5$/.exec(anchor)!;
  return { root: root!, task: task!, episode: episode! };
}

/** The folder `parameters` is repeated in some archives. */
function companions(anchor: string): Companions {
  const { root, task, episode } = partsOf(anchor);
  const camera = (name: string): [string, string[]][] => [
    [name, [`${root}observations/${task}/${episode}/videos/${name}_color.mp4`]],
    ...['intrinsic_params', 'extrinsic_params_aligned'].map((file): [string, string[]] => [
      `${name}_${file}`,
      ['parameters/camera', 'camera'].map(
        (folder) => `${root}parameters/${task}/${episode}/${folder}/${name}_${file}.json`,
      ),
    ]),
  ];
  return { task: [`${root}task_info/task_${task}.json`], ...Object.fromEntries(CAMERAS.flatMap(camera)) };
}

interface Entry {
  readonly episode_id?: unknown;
  readonly task_name?: unknown;
  readonly init_scene_text?: unknown;
  readonly label_info?: {
    readonly action_config?: readonly { start_frame: number; end_frame: number; action_text: string }[];
  };
}

function identity(record: FilesRecord): EpisodeIdentity {
  const { task, episode } = partsOf(record.path);
  const listed = record.has('task') ? (record.json('task') as Entry[]) : [];
  const entry = Array.isArray(listed) ? listed.find(({ episode_id }) => String(episode_id) === episode) : undefined;
  const texts = [entry?.task_name, entry?.init_scene_text]
    .filter((text) => typeof text === 'string')
    .map((text) => text.trim());
  return {
    id: `${task}/${episode}`,
    sourceId: record.path,
    robot: 'a2d',
    success: null,
    instructions: texts.filter((text) => text !== ''),
    segments: (entry?.label_info?.action_config ?? []).map(({ start_frame, end_frame, action_text }) => ({
      start: Number(start_frame),
      end: Number(end_frame),
      text: String(action_text).trim(),
    })),
  };
}

function data(record: FilesRecord): SourceData {
  const file = record.hdf5();
  const steps = file.shape('state/end/position')[0] ?? 0;
  const base = baseOf(record);
  const notes: string[] = [];
  const cameras = CAMERAS.flatMap((name): SourceCamera[] => {
    if (!record.has(name)) return [];
    const pictures = record.video(name);
    if (pictures.frames.kind === 'stream' && pictures.frames.count > steps)
      notes.push(`${name}: ${pictures.frames.count - steps} frames beyond the last step are left out`);
    const shown =
      pictures.frames.kind === 'stream' && pictures.frames.count > steps ? record.video(name, steps) : pictures;
    if (!record.has(`${name}_extrinsic_params_aligned`) && !record.has(`${name}_intrinsic_params`))
      return [{ name, ...shown }];
    const file = (part: string): unknown =>
      record.has(`${name}_${part}`) ? record.json(`${name}_${part}`) : undefined;
    const camera = agibotCamera(
      name,
      { intrinsic: file('intrinsic_params'), extrinsic: file('extrinsic_params_aligned') },
      steps,
    );
    if (camera.repeated > 0) notes.push(`${name}: the last camera pose stands for ${camera.repeated} more steps`);
    const pose = inWorld(seriesOf(camera.baseFromCam, 'extrinsic_params_aligned'), base);
    return [{ name, ...shown, pose, intrinsics: { values: camera.intrinsics as number[], field: 'intrinsic' } }];
  });
  return { steps, arms: ARMS.map((arm) => armOf(record, arm, base)), cameras, ...(notes.length > 0 ? { notes } : {}) };
}

/** Odometry where it was recorded; most episodes have none. */
function baseOf(record: FilesRecord) {
  const file = record.hdf5();
  const field = 'state/robot/position';
  const turn = 'state/robot/orientation';
  if ([field, turn].some((one) => !file.has(one) || file.shape(one).length < 2)) return null;
  return movingBase(poses(file.numbers(field, 3), file.numbers(turn, 4), field));
}

function poses(place: Float64Array, turn: Float64Array, field: string): PoseSeries {
  const values = new Float64Array((7 * place.length) / 3);
  for (let i = 0; i < place.length / 3; i++)
    values.set([...place.subarray(3 * i, 3 * i + 3), ...turn.subarray(4 * i, 4 * i + 4)], 7 * i);
  return { kind: 'xyz+xyzw', values, field };
}

function armOf(record: FilesRecord, arm: number, base: ReturnType<typeof baseOf>): SourceArm {
  const file = record.hdf5();
  const ofArm = (values: Float64Array, width: number): Float64Array =>
    values.filter((_, i) => Math.floor(i / width) % 2 === arm);
  const [place, turn] = [file.numbers('state/end/position', 6), file.numbers('state/end/orientation', 8)];
  const raw = record.hdf5();
  const width = raw.shape('state/effector/position')[1] ?? 0;
  if (width !== 2)
    throw new PrepError({
      code: 'no-openness',
      at: { field: 'state/effector/position' },
      expected: 'a gripper per arm (2 columns)',
      found: `${width} columns: dexterous hands`,
    });
  const measured = ofArm(openness(file.numbers('state/effector/position', 2)), 1);
  return {
    pose: inWorld(poses(ofArm(place, 3), ofArm(turn, 4), 'state/end'), base),
    opennessMeasured: measured,
    opennessCommanded: commanded(record, arm, measured),
  };
}

/**
 * Degrees of the actuator, 0 (some units 35) open … 120 closed; other units count from 0 closed to −45° (or −π/4) open.
 * Both grippers of a robot are of one kind: what the one shows says how the other, which may rest at 0, is read.
 */
function openness(values: Float64Array): Float64Array {
  const low = values.reduce((least, x) => Math.min(least, x), Number.POSITIVE_INFINITY);
  const high = values.reduce((most, x) => Math.max(most, x), Number.NEGATIVE_INFINITY);
  if (high <= 0 && low < 0 && low >= -Math.PI / 4 - 0.01) return values.map((x) => -x / (Math.PI / 4));
  if (high <= 0 && low < 0 && low >= -45.5) return values.map((x) => -x / 45);
  if (low < -5 || high > 1.1 * CLOSED)
    throw new PrepError({
      code: 'bad-value',
      at: { field: 'state/effector/position' },
      expected: 'actuator degrees from 0 to 120',
      found: `${low} to ${high}`,
    });
  return values.map((x) => 1 - Math.min(1, Math.max(0, x / CLOSED)));
}

/** 0 open … 1 closed. A stream that is shorter than the states lists in `index` for which steps a command was sent. */
function commanded(record: FilesRecord, arm: number, measured: Float64Array): Float64Array {
  const file = record.hdf5();
  const field = 'action/effector/position';
  if (!file.has(field) || file.shape(field).length < 2) return measured;
  const values = file
    .numbers(field, 2)
    .filter((_, i) => i % 2 === arm)
    .map((x) => 1 - x);
  if (values.length === measured.length) return values;
  const index = file.has('action/effector/index') ? file.numbers('action/effector/index') : new Float64Array(0);
  const out = Float64Array.from(measured);
  for (const [i, step] of index.entries()) if (step < out.length && i < values.length) out[step] = values[i]!;
  return out;
}
