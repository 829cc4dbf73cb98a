/** InternData-M1 (simulated Franka + Robotiq) in LeRobot v2.1. Facts: formats §4, checked on the publisher's demo episodes. */
import { compose, invert, type Rigid, rotationFromEuler, rotationFromQuaternion } from '../../schemas/geometry.ts';
import { seriesOf } from '../../schemas/pose-series.ts';
import type { LerobotRecord } from '../../schemas/records.ts';
import type { EpisodeIdentity, SourceCamera, SourceData } from '../../schemas/source.ts';
import type { DatasetSpec, EpisodePlace } from '../../schemas/spec.ts';
import { columns } from '../fields/columns.ts';
import { placed } from '../fields/poses.ts';
import { placeId, saidOnce } from '../fields/words.ts';
import { hand, scene } from '../rigs/cameras.ts';
import { baseFromTrace, FINGERS } from '../rigs/finger-trace.ts';
import { aheadAlongZ } from '../rigs/tools.ts';

/** View → name of its entry in `task_data.camera_data`. */
const VIEWS = { base_view: 'obs_camera', base_view_2: 'obs_camera_2', ego_view: 'realsense' } as const;
const TRACE = 'annotation.tcp_3d_trace';
/** First finger joint of the Robotiq: 0 open, π/4 closed. */
const CLOSED = 0.7853;
/** The camera hangs on `panda_link8`, against which the published EE frame is turned by −45° about z. */
const eeFromLink8: Rigid<'ee', 'link8'> = {
  r: rotationFromEuler([0, 0, Math.PI / 4], 'extrinsic-xyz'),
  t: new Float64Array(3),
};

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
      eeFromTool: aheadAlongZ(FINGERS),
    },
  },
  cameras: [scene('base_view'), scene('base_view_2'), hand('ego_view')],
  gripper: { action: 'commanded', proprio: 'measured' },
  calibration:
    'camera_data of each episode; where the base stands from its tcp_3d_trace, else the rotations of the cameras alone',
  impossible:
    'proprioception and the places of cameras in episodes without tcp_3d_trace; the AgileX part (its columns are not documented)',
  identity,
  data,
} satisfies DatasetSpec<LerobotRecord>;

function identity(record: LerobotRecord, place: EpisodePlace): EpisodeIdentity {
  const told = Array.isArray(record.entry.tasks) ? record.entry.tasks.map(String) : record.tasks().slice(0, 1);
  const task = member(record.entry, 'task_data');
  return {
    id: placeId(place),
    sourceId: String(member(task, 'original_episode_name') ?? placeId(place)),
    robot: 'franka_robotiq',
    success: null,
    instructions: saidOnce([...told, member(task, 'rewritten_instruction')]),
    segments: [],
    hz: record.info.fps,
  };
}

function data(record: LerobotRecord): SourceData {
  const pose = placed(
    { place: record.numbers('state.eef_position', 3), turn: record.numbers('state.eef_quaternion', 4) },
    'xyz+wxyz',
    'state.eef_position + state.eef_quaternion',
  );
  const joint = columns(record.numbers('state.gripper_width', 6), 6, 0).map(Math.abs);
  const worldFromBase = record.has(TRACE)
    ? baseFromTrace({ payloads: record.bytes(TRACE), field: TRACE }, { series: pose, joint })
    : null;
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
