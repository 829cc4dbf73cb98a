/** InternData-M1 (simulated Franka + Robotiq) in LeRobot v2.1. Facts: formats §4, checked on the publisher's demo episodes. */
import { PrepError } from '../../schemas/errors.ts';
import { compose, invert, type Rigid, rotationFromEuler, rotationFromQuaternion } from '../../schemas/geometry.ts';
import { posesOfSeries, seriesOf } from '../../schemas/pose-series.ts';
import type { LerobotRecord } from '../../schemas/records.ts';
import type { EpisodeIdentity, PoseSeries, SourceCamera, SourceData } from '../../schemas/source.ts';
import type { DatasetSpec, EpisodePlace } from '../../schemas/spec.ts';

/** View → name of its entry in `task_data.camera_data`. */
const VIEWS = { base_view: 'obs_camera', base_view_2: 'obs_camera_2', ego_view: 'realsense' } as const;
const TRACE = 'annotation.tcp_3d_trace';
/** First finger joint of the Robotiq: 0 open, π/4 closed. */
const CLOSED = 0.7853;
/** From the EE's origin to the middle between the fingertips along its z; fits give 0.1579 … 0.1581. */
const FINGERS = 0.158;
const OPEN_JOINT = 0.02;
/** A base that the finger trace places within this (standard deviation, m) is placed. */
const SPREAD = 5e-4;
/** The camera hangs on `panda_link8`, against which the published EE frame is turned by −45° about z. */
const eeFromLink8: Rigid<'ee', 'link8'> = {
  r: rotationFromEuler([0, 0, Math.PI / 4], 'extrinsic-xyz'),
  t: new Float64Array(3),
};
const view = { mount: 'fixed', roles: ['third', 'third2'], principalPoint: 'centre' } as const;

export default {
  name: 'interndata_m1',
  version: 1,
  title: 'InternData-M1 (LeRobot v2.1)',
  licence: 'CC BY-NC-SA 4.0',
  format: 'lerobot',
  accepts: ({ features, path, robotType }) => {
    if (!Object.hasOwn(features, 'state.eef_quaternion')) return 'no feature state.eef_quaternion';
    return /agilex/i.test(`${path} ${robotType}`) ? 'the AgileX part, whose columns are not documented' : null;
  },
  bytes: [TRACE],
  clock: 'index',
  robots: {
    franka_robotiq: {
      arms: 1,
      hz: 30,
      eeOrigin: 'state.eef (panda_link8 turned by -45 degrees about z)',
      eeFromTool: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, FINGERS, 0, 0, 0, 1],
    },
  },
  cameras: [
    { name: 'base_view', ...view },
    { name: 'base_view_2', ...view },
    { name: 'ego_view', mount: 'hand', arm: 0, roles: ['wrist'], principalPoint: 'centre' },
  ],
  gripper: { action: 'commanded', proprio: 'measured' },
  calibration: 'camera_data of each episode; the base in the world from the finger trace, else rotations only',
  impossible: 'proprioception and camera translations where an episode lacks tcp_3d_trace; the AgileX part',
  identity,
  data,
} satisfies DatasetSpec<LerobotRecord>;

function identity(record: LerobotRecord, { container, split, index }: EpisodePlace): EpisodeIdentity {
  const told = Array.isArray(record.entry.tasks) ? record.entry.tasks.map(String) : record.tasks().slice(0, 1);
  const task = member(record.entry, 'task_data');
  const rewritten = member(task, 'rewritten_instruction');
  const texts = [...told, ...(typeof rewritten === 'string' ? [rewritten] : [])].map((text) => text.trim());
  return {
    id: `${container}/${split}/${index}`,
    sourceId: String(member(task, 'original_episode_name') ?? `${container}/${split}/${index}`),
    robot: 'franka_robotiq',
    success: null,
    instructions: [...new Set(texts.filter((text) => text !== ''))],
    segments: [],
    hz: record.info.fps,
  };
}

function data(record: LerobotRecord): SourceData {
  const pose = posesOf(record);
  const joints = record.numbers('state.gripper_width', 6);
  const joint = Float64Array.from({ length: record.steps }, (_, i) => Math.abs(joints[6 * i]!));
  const worldFromBase = baseOf(record, pose, joint);
  return {
    steps: record.steps,
    arms: [
      {
        pose,
        opennessMeasured: joint.map((x) => 1 - x / CLOSED),
        opennessCommanded: record.numbers('action.gripper_close', 1).map((x) => (1 - x) / 2),
      },
    ],
    cameras: Object.keys(VIEWS).flatMap((name) => cameraOf(record, name as keyof typeof VIEWS, worldFromBase)),
    ...(worldFromBase ? {} : { notes: ['no tcp_3d_trace: of the scene cameras only the rotation is known'] }),
  };
}

function posesOf(record: LerobotRecord): PoseSeries {
  const place = record.numbers('state.eef_position', 3);
  const turn = record.numbers('state.eef_quaternion', 4);
  const values = new Float64Array(7 * record.steps);
  for (let i = 0; i < record.steps; i++)
    values.set([...place.subarray(3 * i, 3 * i + 3), ...turn.subarray(4 * i, 4 * i + 4)], 7 * i);
  return { kind: 'xyz+wxyz', values, field: 'state.eef_position + state.eef_quaternion' };
}

/** Over steps with open fingers: `mean(trace[1], trace[6]) = base + p + 0.158 · z`, the base's rotation being the identity. */
function baseOf(record: LerobotRecord, series: PoseSeries, joint: Float64Array): Rigid<'world', 'base'> | null {
  if (!record.has(TRACE)) return null;
  const traces = record.bytes(TRACE).map(traceOf);
  const offsets = posesOfSeries(series).flatMap(({ r, t }, step) => {
    const trace = traces[step]!;
    if (joint[step]! >= OPEN_JOINT) return [];
    return [[0, 1, 2].map((k) => (trace[3 + k]! + trace[18 + k]!) / 2 - t[k]! - FINGERS * r[3 * k + 2]!)];
  });
  if (offsets.length === 0) return null;
  const mean = [0, 1, 2].map((k) => offsets.reduce((sum, one) => sum + one[k]!, 0) / offsets.length);
  const spread = [0, 1, 2].map((k) =>
    Math.sqrt(offsets.reduce((sum, one) => sum + (one[k]! - mean[k]!) ** 2, 0) / offsets.length),
  );
  if (Math.max(...spread) > SPREAD)
    throw new PrepError({
      code: 'bad-value',
      at: { field: TRACE },
      expected: `a base that stands still (spread below ${SPREAD} m)`,
      found: `${Math.max(...spread).toPrecision(3)} m`,
    });
  return { r: rotationFromEuler([0, 0, 0], 'extrinsic-xyz'), t: Float64Array.from(mean) };
}

/** One documented payload: 33 little-endian float64 behind the bytes `B` + 264. It is never unpickled. */
function traceOf(bytes: Uint8Array, step: number): Float64Array {
  const head = [0x42, 0x08, 0x01, 0, 0];
  const at = bytes.findIndex((_, i) => head.every((byte, k) => bytes[i + k] === byte));
  if (at < 0 || at + head.length + 264 > bytes.length)
    throw new PrepError({
      code: 'bad-pickle',
      at: { step, field: TRACE },
      expected: '33 float64 behind 42 08 01 00 00',
      found: `${bytes.length} other bytes`,
    });
  const view = new DataView(bytes.buffer, bytes.byteOffset + at + head.length, 264);
  return Float64Array.from({ length: 33 }, (_, i) => view.getFloat64(8 * i, true));
}

function cameraOf(
  record: LerobotRecord,
  name: keyof typeof VIEWS,
  worldFromBase: Rigid<'world', 'base'> | null,
): SourceCamera[] {
  const feature = `video.${name}`;
  if (!record.has(feature)) return [];
  const entry = member(member(member(record.entry, 'task_data'), 'camera_data'), VIEWS[name]);
  const [position, orientation, params] = ['position', 'orientation', 'camera_params'].map((key) =>
    numbers(entry, key),
  );
  const pictures = { name, ...record.images(feature) };
  const intrinsics =
    params?.length === 6
      ? { intrinsics: { values: params.slice(0, 4), width: params[4]!, height: params[5]!, field: 'camera_params' } }
      : {};
  if (position?.length !== 3 || orientation?.length !== 4) return [{ ...pictures, ...intrinsics }];
  const published: Rigid<'world', 'cam'> = {
    r: rotationFromQuaternion(orientation, 'wxyz'),
    t: Float64Array.from(position),
  };
  const field = `camera_data.${VIEWS[name]}`;
  if (name === 'ego_view') {
    const onHand = compose<'ee', 'link8', 'cam'>(eeFromLink8, published as unknown as Rigid<'link8', 'cam'>);
    return [{ ...pictures, ...intrinsics, pose: { ...seriesOf([onHand], field), axes: 'isaac', parent: 'ee' } }];
  }
  // The base's rotation in the world is the identity, so the camera's is known even where the base's place is not.
  const pose = worldFromBase
    ? seriesOf([compose<'base', 'world', 'cam'>(invert(worldFromBase), published)], field)
    : { ...seriesOf([published], field), translation: 'unknown' as const };
  return [{ ...pictures, ...intrinsics, pose: { ...pose, axes: 'isaac' } }];
}

const member = (value: unknown, key: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined;

function numbers(value: unknown, key: string): number[] | undefined {
  const list = member(value, key);
  return Array.isArray(list) && list.every((x) => typeof x === 'number') ? list : undefined;
}
