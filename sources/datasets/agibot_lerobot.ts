/**
 * AgiBotWorld Alpha and Beta as any4lerobot ports them to LeRobot (v2.1, v3.0): states and actions under their original
 * names, videos as they were, no calibration and no episode ids. Facts: formats §2.6.
 */
import type { LerobotRecord } from '../../schemas/records.ts';
import type { EpisodeIdentity, SourceArm, SourceData } from '../../schemas/source.ts';
import type { DatasetSpec, EpisodePlace } from '../../schemas/spec.ts';
import { placed } from '../fields/poses.ts';
import { placeId, said } from '../fields/words.ts';
import { ARMS, CAMERAS, G1, G1_CAMERAS, ofArm, openness, requireGrippers, wereSent } from '../rigs/agibot-g1.ts';
import { movingBase } from '../rigs/moving-base.ts';
import { openAgibotParameters, originalName, segmentsOf } from './agibot/parameters.ts';

const PLACE = 'observation.states.end.position';
const TURN = 'observation.states.end.orientation';
const EFFECTOR = 'observation.states.effector.position';
const COMMAND = 'actions.effector.position';
const BASE = 'observation.states.robot';

export default {
  name: 'agibot',
  version: 1,
  title: 'AgiBotWorld Alpha / Beta (LeRobot port)',
  licence: 'CC BY-NC-SA 4.0',
  format: 'lerobot',
  accepts: ({ features }) =>
    [PLACE, TURN, EFFECTOR].every((name) => Object.hasOwn(features, name)) ? null : `no features ${PLACE}, ${TURN}`,
  clock: 'index',
  robots: { a2d: G1 },
  cameras: G1_CAMERAS,
  gripper: { action: 'commanded', proprio: 'measured' },
  calibration:
    'none in the port; --calibration DIR with parameters/ and task_info/ of the original release (those published before February 2025 are wrong)',
  impossible:
    'camera-frame actions without --calibration (only --reference base); episodes with dexterous hands (how far they are closed is not documented: rejected, no-openness); fisheye cameras',
  identity,
  data,
  sideFiles: async (directory) => openAgibotParameters(directory, CAMERAS),
} satisfies DatasetSpec<LerobotRecord>;

function identity(record: LerobotRecord, place: EpisodePlace): EpisodeIdentity {
  return {
    id: originalName(place.container) ?? placeId(place),
    sourceId: placeId(place),
    robot: 'a2d',
    success: null,
    instructions: said((record.tasks()[0] ?? '').split(' | ')),
    segments: segmentsOf(record.entry.action_config),
    hz: record.info.fps,
  };
}

function data(record: LerobotRecord): SourceData {
  const { steps } = record;
  const moves = movesItsBase(record);
  return {
    steps,
    arms: ARMS.map((arm) => armOf(record, arm)),
    cameras: CAMERAS.filter((name) => record.has(`observation.images.${name}`)).map((name) => ({
      name,
      ...record.images(`observation.images.${name}`),
    })),
    // Camera poses come from elsewhere, in the base frame of their step: poses of the arms must stay in it too.
    ...(moves ? { flagRuns: [{ flag: 'base_moving', start: 0, end: steps }] } : {}),
  };
}

/** Odometry where it was recorded; the port fills absent streams with zeros, which are no orientation. */
function movesItsBase(record: LerobotRecord): boolean {
  if (!record.has(`${BASE}.position`) || !record.has(`${BASE}.orientation`)) return false;
  const turn = record.numbers(`${BASE}.orientation`, 4);
  if (turn.every((x) => x === 0)) return false;
  return movingBase(placed({ place: record.numbers(`${BASE}.position`, 3), turn }, 'xyz+xyzw', BASE)) !== null;
}

function armOf(record: LerobotRecord, arm: number): SourceArm {
  requireGrippers(record.info.features[EFFECTOR]!.shape[0] ?? 1, EFFECTOR);
  const measured = ofArm(openness(record.numbers(EFFECTOR, 2), EFFECTOR), 1, arm);
  const [place, turn] = [ofArm(record.numbers(PLACE, 6), 3, arm), ofArm(record.numbers(TURN, 8), 4, arm)];
  return {
    pose: placed({ place, turn }, 'xyz+xyzw', PLACE),
    opennessMeasured: measured,
    // 0 open … 1 closed
    opennessCommanded: commands(record, measured)
      ? ofArm(record.numbers(COMMAND, 2), 1, arm).map((x) => 1 - x)
      : measured,
  };
}

/** The port fills absent streams with zeros. */
function commands(record: LerobotRecord, measured: Float64Array): boolean {
  const joints = 'actions.joint.position';
  if (!record.has(COMMAND)) return false;
  const grippers = record.numbers(COMMAND, 2);
  return wereSent({ grippers, joints: record.has(joints) ? record.numbers(joints, 14) : null }, measured);
}
