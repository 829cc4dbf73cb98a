/** ManiSkill demonstrations in RLDS (Open X-Embodiment), fully calibrated. Facts: formats §6.5. */
import { compose, invert, type Rigid } from '../../schemas/geometry.ts';
import { posesOfSeries, seriesOf } from '../../schemas/pose-series.ts';
import type { RldsRecord } from '../../schemas/records.ts';
import type { EpisodeIdentity, PoseSeries, SourceCamera, SourceData } from '../../schemas/source.ts';
import type { DatasetSpec, EpisodePlace } from '../../schemas/spec.ts';
import { columns, pinhole } from '../fields/columns.ts';
import { placeId, plainId, said } from '../fields/words.ts';
import { hand } from '../rigs/cameras.ts';
import { aheadAlongZ } from '../rigs/tools.ts';

const OBSERVATION = 'steps/observation';
/** Pictures → prefix of their camera's fields. */
const CAMERAS = { image: 'main_camera', wrist_image: 'wrist_camera' } as const;
/** Reading of one finger at fully open, metres. */
const OPEN = 0.04;

export default {
  name: 'maniskill',
  version: 1,
  title: 'ManiSkill (Open X-Embodiment, RLDS)',
  licence: 'Apache-2.0',
  format: 'rlds',
  containers: ['maniskill_dataset_converted_externally_to_rlds', 'maniskill'],
  clock: 'index',
  robots: {
    panda: {
      arms: 1,
      hz: 20,
      eeOrigin: 'tcp (between the fingertips)',
      eeFromTool: aheadAlongZ(0),
    },
  },
  cameras: [
    { name: 'image', mount: 'fixed', roles: ['third'], principalPoint: 'corner' },
    hand('wrist_image', 0, 'corner'),
  ],
  gripper: { action: 'commanded', proprio: 'measured' },
  calibration: 'intrinsics and camera poses in every step',
  impossible: '',
  identity,
  data,
} satisfies DatasetSpec<RldsRecord>;

function identity(record: RldsRecord, place: EpisodePlace): EpisodeIdentity {
  const told = (path: string): string => (record.has(path) ? record.text(path) : '');
  const published = [told('episode_metadata/file_path'), told('episode_metadata/episode_id')].filter(
    (part) => part !== '',
  );
  const id = published.length === 2 ? published.join('/') : placeId(place);
  return {
    id: plainId(id),
    sourceId: id,
    robot: 'panda',
    success: null,
    instructions: said([record.text('steps/language_instruction')]),
    segments: [],
  };
}

function data(record: RldsRecord): SourceData {
  const worldFromBase = posesOfSeries<'world', 'base'>(series(record, 'base_pose', 7));
  // World poses are given; everything is expressed in the robot's base.
  const inBase = <X extends string>(worldFromX: readonly Rigid<'world', X>[], field: string): PoseSeries =>
    seriesOf(
      worldFromX.map((pose, step) => compose<'base', 'world', X>(invert(worldFromBase[step]!), pose)),
      field,
    );
  const state = record.numbers(`${OBSERVATION}/state`, 18);
  const action = record.numbers('steps/action', 7);
  return {
    steps: record.steps,
    arms: [
      {
        pose: inBase(posesOfSeries<'world', 'ee'>(series(record, 'tcp_pose', 7)), `${OBSERVATION}/tcp_pose`),
        opennessMeasured: columns(state, 18, 7).map((x) => x / OPEN),
        opennessCommanded: columns(action, 7, 6).map((x) => (x + 1) / 2),
      },
    ],
    cameras: Object.entries(CAMERAS).flatMap(([name, prefix]): SourceCamera[] => {
      if (!record.has(`${OBSERVATION}/${name}`)) return [];
      const camFromWorld = posesOfSeries<'cam', 'world'>(series(record, `${prefix}_extrinsic_cv`, 16));
      const k = `${OBSERVATION}/${prefix}_intrinsic_cv`;
      return [
        {
          name,
          ...record.images(`${OBSERVATION}/${name}`),
          pose: inBase(camFromWorld.map(invert), `${OBSERVATION}/${prefix}_extrinsic_cv`),
          intrinsics: { values: pinhole(record.numbers(k, 9)), field: k },
        },
      ];
    }),
  };
}

function series(record: RldsRecord, name: string, width: 7 | 16): PoseSeries {
  const field = `${OBSERVATION}/${name}`;
  return { kind: width === 7 ? 'xyz+wxyz' : 'matrix', values: record.numbers(field, width), field };
}
