/** A user's own dataset file, as it is passed on the command line: the made RLDS set, base-frame actions. */

import type { RldsRecord } from '../../schemas/records.ts';
import type { DatasetSpec } from '../../schemas/spec.ts';

const columns = (values: Float64Array, width: number, from: number, to: number): Float64Array =>
  values.filter((_, i) => i % width >= from && i % width < to);

export default {
  name: 'made_rlds',
  version: 1,
  title: 'Made RLDS (one defect each)',
  licence: 'none',
  format: 'rlds',
  containers: ['made_rlds'],
  clock: 'index',
  robots: { made: { arms: 1, hz: 10, eeOrigin: 'as published', eeFromTool: null } },
  cameras: [{ name: 'image', mount: 'fixed', roles: ['third'], principalPoint: 'centre' }],
  gripper: { action: 'commanded', proprio: 'measured' },
  calibration: 'none: --reference base',
  impossible: 'camera-frame actions',
  identity(record) {
    const id = record.text('episode_metadata/episode_id');
    return { id, sourceId: id, robot: 'made', success: null, instructions: [], segments: [] };
  },
  data(record) {
    const state = record.numbers('steps/observation/state', 8);
    return {
      steps: record.steps,
      arms: [
        {
          pose: { kind: 'xyz+xyzw', values: columns(state, 8, 0, 7), field: 'steps/observation/state' },
          opennessMeasured: columns(state, 8, 7, 8),
          opennessCommanded: columns(record.numbers('steps/action', 7), 7, 6, 7),
        },
      ],
      cameras: [{ name: 'image', ...record.images('steps/observation/image') }],
    };
  },
} satisfies DatasetSpec<RldsRecord>;
