/** AgiBotWorld Alpha and Beta in their original layout. Facts: formats §2. */
import { framesOf } from '../../schemas/frames.ts';
import { seriesOf } from '../../schemas/pose-series.ts';
import type { FilesRecord } from '../../schemas/records.ts';
import type { EpisodeIdentity, SourceArm, SourceCamera, SourceData } from '../../schemas/source.ts';
import type { DatasetSpec } from '../../schemas/spec.ts';
import { beyondLast } from '../fields/pictures.ts';
import { placed } from '../fields/poses.ts';
import { said } from '../fields/words.ts';
import {
  ARMS,
  CAMERAS,
  commandedWhereSent,
  G1,
  G1_CAMERAS,
  ofArm,
  openness,
  requireGrippers,
} from '../rigs/agibot-g1.ts';
import { inWorld, recordedBase } from '../rigs/moving-base.ts';
import { agibotCamera } from './agibot/calibration.ts';
import { ANCHOR, calibrationOf, companions, listedEntry, partsOf } from './agibot/files.ts';
import { segmentsOf } from './agibot/parameters.ts';

export default {
  name: 'agibot',
  version: 1,
  title: 'AgiBotWorld Alpha / Beta (original layout)',
  licence: 'CC BY-NC-SA 4.0',
  format: 'files',
  anchor: ANCHOR,
  companions,
  shared: ['task'],
  clock: 'index',
  robots: { a2d: G1 },
  cameras: G1_CAMERAS,
  gripper: { action: 'commanded', proprio: 'measured' },
  calibration:
    'aligned camera poses per frame and intrinsics, JSON beside each episode (those published before February 2025 are wrong)',
  impossible:
    'episodes with dexterous hands (how far they are closed is not documented: rejected, no-openness); fisheye cameras',
  identity,
  data,
} satisfies DatasetSpec<FilesRecord>;

function identity(record: FilesRecord): EpisodeIdentity {
  const { task, episode } = partsOf(record.path);
  const entry = listedEntry(record);
  return {
    id: `${task}/${episode}`,
    sourceId: record.path,
    robot: 'a2d',
    success: null,
    instructions: said([entry?.task_name, entry?.init_scene_text]),
    segments: segmentsOf(entry?.label_info?.action_config),
  };
}

function data(record: FilesRecord): SourceData {
  const steps = record.hdf5().shape('state/end/position')[0] ?? 0;
  // Odometry, where it was recorded: most episodes have none.
  const base = recordedBase(record.hdf5(), 'state/robot');
  const notes: string[] = [];
  const cameras = CAMERAS.filter((name) => record.has(name)).map((name): SourceCamera => {
    const recorded = record.video(name);
    const frames = framesOf(recorded.frames);
    notes.push(...beyondLast(name, frames, steps));
    const pictures = { name, ...(frames > steps ? record.video(name, steps) : recorded) };
    const files = calibrationOf(record, name);
    if (files.intrinsic === undefined && files.extrinsic === undefined) return pictures;
    const { baseFromCam, intrinsics, repeated } = agibotCamera(name, files, steps);
    if (repeated > 0) notes.push(`${name}: the last camera pose stands for ${repeated} more steps`);
    const pose = inWorld(seriesOf(baseFromCam, 'extrinsic_params_aligned'), base);
    return { ...pictures, pose, intrinsics: { values: intrinsics as number[], field: 'intrinsic' } };
  });
  return { steps, arms: ARMS.map((arm) => armOf(record, arm, base)), cameras, ...(notes.length > 0 ? { notes } : {}) };
}

function armOf(record: FilesRecord, arm: number, base: ReturnType<typeof recordedBase>): SourceArm {
  const file = record.hdf5();
  const place = ofArm(file.numbers('state/end/position', 6), 3, arm);
  const turn = ofArm(file.numbers('state/end/orientation', 8), 4, arm);
  const effector = 'state/effector/position';
  requireGrippers(file.shape(effector)[1] ?? 0, effector);
  const measured = ofArm(openness(file.numbers(effector, 2), effector), 1, arm);
  return {
    pose: inWorld(placed({ place, turn }, 'xyz+xyzw', 'state/end'), base),
    opennessMeasured: measured,
    opennessCommanded: commanded(record, arm, measured),
  };
}

function commanded(record: FilesRecord, arm: number, measured: Float64Array): Float64Array {
  const file = record.hdf5();
  const field = 'action/effector/position';
  if (!file.has(field) || file.shape(field).length < 2) return measured;
  const index = file.has('action/effector/index') ? file.numbers('action/effector/index') : new Float64Array(0);
  return commandedWhereSent({ sent: ofArm(file.numbers(field, 2), 1, arm), index }, measured);
}
