/** AgiBotWorld Alpha and Beta in their original layout. Facts: formats §2. */
import { seriesOf } from '../../schemas/pose-series.ts';
import type { FilesRecord } from '../../schemas/records.ts';
import type { EpisodeIdentity, PoseSeries, SourceArm, SourceCamera, SourceData } from '../../schemas/source.ts';
import type { Companions, DatasetSpec } from '../../schemas/spec.ts';
import { agibotCamera } from '../calibration/agibot.ts';
import { ARMS, CAMERAS, G1, G1_CAMERAS, openness, requireGrippers } from '../rigs/agibot-g1.ts';
import { inWorld, movingBase } from '../rigs/moving-base.ts';

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
  robots: { a2d: G1 },
  cameras: G1_CAMERAS,
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
  const effector = 'state/effector/position';
  requireGrippers(file.shape(effector)[1] ?? 0, effector);
  const measured = ofArm(openness(file.numbers(effector, 2), effector), 1);
  return {
    pose: inWorld(poses(ofArm(place, 3), ofArm(turn, 4), 'state/end'), base),
    opennessMeasured: measured,
    opennessCommanded: commanded(record, arm, measured),
  };
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
