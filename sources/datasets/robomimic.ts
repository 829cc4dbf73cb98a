/** robomimic's image datasets (HDF5), with `camera_info` or without. Facts: formats §7.1. */
import { compose, invert, type Rigid, rigidFromMatrix } from '../../schemas/geometry.ts';
import { posesOfSeries, seriesOf } from '../../schemas/pose-series.ts';
import type { FilesRecord } from '../../schemas/records.ts';
import type { EpisodeIdentity, PoseSeries, SourceArm, SourceCamera, SourceData } from '../../schemas/source.ts';
import type { DatasetSpec } from '../../schemas/spec.ts';
import { dataAttribute, demonstrations, jsonObject, modelCamera, PANDA_OPEN } from '../rigs/robosuite.ts';

const FIXED = ['agentview', 'frontview', 'sideview', 'birdview', 'shouldercamera0', 'shouldercamera1'];
const HANDS = { robot0_eye_in_hand: 0, robot1_eye_in_hand: 1 } as const;
/** A hand camera farther from its hand than this is none, metres. */
const NEAR = 0.3;

export default {
  name: 'robomimic',
  version: 1,
  title: 'robomimic (HDF5 with images)',
  licence: 'CC BY 4.0 (code MIT)',
  format: 'files',
  anchor: /\.hdf5$/,
  inside: demonstrations,
  clock: 'index',
  robots: {
    panda: {
      arms: 1,
      hz: 20,
      eeOrigin: 'grip site of robosuite',
      eeFromTool: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1],
    },
    two_pandas: {
      arms: 2,
      hz: 20,
      eeOrigin: 'grip site of robosuite',
      eeFromTool: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1],
    },
  },
  cameras: [
    ...FIXED.map((name) => ({ name, mount: 'fixed', roles: ['third', 'third2'], principalPoint: 'corner' }) as const),
    { name: 'robot0_eye_in_hand', mount: 'hand', arm: 0, roles: ['wrist'], principalPoint: 'corner' },
    { name: 'robot1_eye_in_hand', mount: 'hand', arm: 1, roles: ['wrist2'], principalPoint: 'corner' },
  ],
  gripper: { action: 'commanded', proprio: 'measured' },
  calibration: 'camera_info of newer files; scene cameras of the model file (mjcf) in older ones',
  impossible: 'hand cameras of older files; language, except where ep_meta has it',
  identity,
  data,
} satisfies DatasetSpec<FilesRecord>;

const armsOf = (record: FilesRecord): number => (record.hdf5().has('obs/robot1_eef_pos') ? 2 : 1);

function identity(record: FilesRecord): EpisodeIdentity {
  const id = `${record.path.replace(/\.hdf5$/, '')}/${record.inside.replace(/^data\//, '')}`;
  const meta = record.hdf5().attribute('ep_meta');
  const told = typeof meta === 'string' ? languageOf(meta) : '';
  const kwargs = dataAttribute(record, 'env_args').env_kwargs as { control_freq?: unknown } | undefined;
  const hz = Number(kwargs?.control_freq);
  return {
    id,
    sourceId: `${record.path}/${record.inside}`,
    robot: armsOf(record) === 2 ? 'two_pandas' : 'panda',
    success: null,
    instructions: told === '' ? [] : [told],
    segments: [],
    ...(hz > 0 ? { hz } : {}),
  };
}

/** Nothing else needs `ep_meta`: one that is no JSON costs the language alone. */
function languageOf(meta: string): string {
  try {
    const { lang } = JSON.parse(meta) as { lang?: unknown };
    return typeof lang === 'string' ? lang.trim() : '';
  } catch {
    return '';
  }
}

function data(record: FilesRecord): SourceData {
  const demo = record.hdf5();
  const actions = demo.numbers('actions', 7 * armsOf(record));
  const steps = actions.length / (7 * armsOf(record));
  const arms = Array.from({ length: armsOf(record) }, (_, arm): SourceArm => {
    const fingers = demo.numbers(`obs/robot${arm}_gripper_qpos`, 2);
    return {
      pose: posesOf(record, arm),
      opennessMeasured: Float64Array.from({ length: steps }, (_, i) => fingers[2 * i]! / PANDA_OPEN),
      opennessCommanded: Float64Array.from(
        { length: steps },
        (_, i) => (1 - actions[7 * (armsOf(record) * i + arm) + 6]!) / 2,
      ),
    };
  });
  return { steps, arms, cameras: [...FIXED, ...Object.keys(HANDS)].flatMap((name) => cameraOf(record, name)) };
}

function posesOf(record: FilesRecord, arm: number): PoseSeries {
  const place = record.hdf5().numbers(`obs/robot${arm}_eef_pos`, 3);
  const turn = record.hdf5().numbers(`obs/robot${arm}_eef_quat`, 4);
  const values = new Float64Array((7 * place.length) / 3);
  for (let i = 0; i < place.length / 3; i++)
    values.set([...place.subarray(3 * i, 3 * i + 3), ...turn.subarray(4 * i, 4 * i + 4)], 7 * i);
  return { kind: 'xyz+xyzw', values, field: `${record.inside}/obs/robot${arm}_eef_pos + _quat` };
}

function cameraOf(record: FilesRecord, name: string): SourceCamera[] {
  const frames = `obs/${name}_image`;
  if (!record.hdf5().has(frames)) return [];
  const pictures = record.hdf5().images(frames);
  const info = cameraInfo(record)[name] as { intrinsics?: number[][]; extrinsics?: number[][] } | undefined;
  if (!info?.intrinsics || !info.extrinsics)
    return [{ name, ...pictures, ...(name in HANDS ? {} : modelCamera(record, name, pictures)) }];
  const k = info.intrinsics.flat();
  const intrinsics = { values: [k[0]!, k[4]!, k[2]!, k[5]!], field: `camera_info.${name}.intrinsics` };
  const field = `camera_info.${name}.extrinsics`;
  const published = info.extrinsics.flat();
  if (!(name in HANDS))
    return [{ name, ...pictures, intrinsics, pose: { kind: 'matrix', values: Float64Array.from(published), field } }];
  const [first] = posesOfSeries<'base', 'ee'>(posesOf(record, HANDS[name as keyof typeof HANDS]));
  const pose = handPose(rigidFromMatrix(published, { field }), first!);
  return [{ name, ...pictures, intrinsics, ...(pose ? { pose: seriesOf([pose], field) } : {}) }];
}

function cameraInfo(record: FilesRecord): Readonly<Record<string, unknown>> {
  const own = record.hdf5().attribute('camera_info');
  if (typeof own === 'string') return jsonObject(own, `${record.inside}.attrs camera_info`);
  const env = dataAttribute(record, 'env_args').camera_info;
  return typeof env === 'object' && env !== null ? (env as Record<string, unknown>) : {};
}

/** The exporter writes `X = cam(0) · hand(0)⁻¹` of a hand camera: its pose at the first step is `X · hand(0)`. */
function handPose(published: Rigid<'base', 'base'>, hand: Rigid<'base', 'ee'>): Rigid<'base', 'cam'> | null {
  const camera = compose<'base', 'base', 'ee'>(published, hand) as unknown as Rigid<'base', 'cam'>;
  const onHand = compose<'ee', 'base', 'cam'>(invert(hand), camera);
  return Math.hypot(...onHand.t) <= NEAR ? camera : null;
}
