/** BridgeData V2 in RLDS (`bridge_dataset`, `bridge_orig`): WidowX, four views, no calibration of any kind. Facts: formats §6.6. */
import type { RldsRecord } from '../../schemas/records.ts';
import type { EpisodeIdentity, SourceData } from '../../schemas/source.ts';
import type { DatasetSpec, EpisodePlace } from '../../schemas/spec.ts';
import { columns } from '../fields/columns.ts';
import { plainId, said } from '../fields/words.ts';
import { scene } from '../rigs/cameras.ts';

const VIEWS = ['image_0', 'image_1', 'image_2', 'image_3'] as const;

export default {
  name: 'bridge',
  version: 1,
  title: 'BridgeData V2 (RLDS)',
  licence: 'CC BY 4.0',
  format: 'rlds',
  containers: ['bridge_dataset', 'bridge_orig'],
  clock: 'index',
  robots: {
    widowx: { arms: 1, hz: 5, eeOrigin: 'end effector as published (state xyz + rpy)', eeFromTool: null },
  },
  cameras: VIEWS.map((name) => scene(name)),
  gripper: { action: 'commanded', proprio: 'measured' },
  calibration: 'none',
  impossible: 'camera-frame actions (only --reference base)',
  identity,
  data,
} satisfies DatasetSpec<RldsRecord>;

/** The record numbers its episodes within a file; without that, its place in the container. The splits may repeat episodes. */
function identity(record: RldsRecord, place: EpisodePlace): EpisodeIdentity {
  const named = record.has('episode_metadata/file_path') && record.has('episode_metadata/episode_id');
  const sourceId = named
    ? `${record.text('episode_metadata/file_path')}/${record.numbers('episode_metadata/episode_id', 1)[0]}`
    : `${place.container}/${place.index}`;
  return {
    id: `${place.split}/${plainId(sourceId)}`,
    sourceId,
    robot: 'widowx',
    success: null,
    instructions: said([record.text('steps/language_instruction')]),
    segments: [],
  };
}

function data(record: RldsRecord): SourceData {
  const { steps } = record;
  const state = record.numbers('steps/observation/state', 7);
  const action = record.numbers('steps/action', 7);
  return {
    steps,
    arms: [
      {
        pose: { kind: 'xyz+extrinsic-xyz', values: columns(state, 7, [0, 6]), field: 'steps/observation/state' },
        opennessMeasured: columns(state, 7, 6),
        opennessCommanded: columns(action, 7, 6),
      },
    ],
    cameras: viewsShown(record).map((name) => ({ name, ...record.images(`steps/observation/${name}`) })),
  };
}

/**
 * A view that an episode lacks is stored as black frames and `has_image_<n>` is false. Some copies have every flag false
 * beside real pictures: an episode without any view is a contradiction, so then the flags say nothing.
 */
function viewsShown(record: RldsRecord): string[] {
  const stored = VIEWS.filter((name) => record.has(`steps/observation/${name}`));
  const flag = (name: string): string => `episode_metadata/has_${name}`;
  const flagged = stored.filter((name) => !record.has(flag(name)) || record.numbers(flag(name), 1)[0] === 1);
  return flagged.length > 0 ? flagged : stored;
}
