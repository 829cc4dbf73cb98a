/** LIBERO's demonstration files (HDF5). Facts: formats §7.2. */
import type { FilesRecord } from '../../schemas/records.ts';
import type { EpisodeIdentity, SourceCamera, SourceData } from '../../schemas/source.ts';
import type { DatasetSpec } from '../../schemas/spec.ts';
import { columns } from '../fields/columns.ts';
import { hand } from '../rigs/cameras.ts';
import { controlRate, dataAttribute, demonstrations, modelCamera, PANDA_OPEN, pandas } from '../rigs/robosuite.ts';

export default {
  name: 'libero',
  version: 1,
  title: 'LIBERO (HDF5 demonstrations)',
  licence: 'CC BY 4.0 (code MIT)',
  format: 'files',
  anchor: /_demo\.hdf5$/,
  inside: demonstrations,
  clock: 'index',
  robots: { panda: pandas(1) },
  cameras: [
    { name: 'agentview', mount: 'fixed', roles: ['third'], principalPoint: 'corner' },
    hand('eye_in_hand', 0, 'corner'),
  ],
  gripper: { action: 'commanded', proprio: 'measured' },
  calibration: 'pose of agentview from the simulator model (MJCF) where a file has it, else none',
  impossible:
    'pose of the hand camera, and of every camera in files without a model (a replay in the simulator gives them)',
  identity,
  data,
} satisfies DatasetSpec<FilesRecord>;

function identity(record: FilesRecord): EpisodeIdentity {
  const id = `${record.path.replace(/_demo\.hdf5$/, '')}/${record.inside.replace(/^data\//, '')}`;
  const problem = dataAttribute(record, 'problem_info').language_instruction;
  const told = typeof problem === 'string' ? withoutScene(problem) : '';
  return {
    id,
    sourceId: `${record.path}/${record.inside}`,
    robot: 'panda',
    success: null,
    instructions: told === '' ? [] : [told],
    segments: [],
    ...controlRate(record),
  };
}

/** Prompts of libero_10 and libero_90 begin with the name of the scene: `LIVING ROOM SCENE6 put …`. */
const withoutScene = (text: string): string => text.trim().replace(/^([A-Z]+ )*SCENE\d+ +/, '');

function data(record: FilesRecord): SourceData {
  const demo = record.hdf5();
  const states = demo.numbers('obs/ee_states', 6);
  const steps = states.length / 6;
  const actions = demo.numbers('actions', 7);
  const fingers = demo.numbers('obs/gripper_states', 2);
  // obs[i] was recorded after actions[i]: the command given at obs[i] is the next one.
  const command = (i: number): number => actions[7 * Math.min(i + 1, steps - 1) + 6]!;
  const convention = record.hdf5Root().attribute('macros_image_convention', 'data') ?? 'opengl';
  return {
    steps,
    arms: [
      {
        pose: { kind: 'xyz+rotvec', values: states, field: `${record.inside}/obs/ee_states` },
        opennessMeasured: columns(fingers, 2, 0).map((x) => x / PANDA_OPEN),
        opennessCommanded: Float64Array.from({ length: steps }, (_, i) => (1 - command(i)) / 2),
      },
    ],
    cameras: ['agentview', 'eye_in_hand'].flatMap((name): SourceCamera[] => {
      if (!demo.has(`obs/${name}_rgb`)) return [];
      const pictures = demo.images(`obs/${name}_rgb`);
      const appearance = { rowsReversed: convention === 'opengl' };
      return [{ name, ...pictures, appearance, ...(name === 'agentview' ? modelCamera(record, name, pictures) : {}) }];
    }),
  };
}
