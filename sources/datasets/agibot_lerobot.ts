/**
 * AgiBotWorld Alpha and Beta as any4lerobot ports them to LeRobot (v2.1, v3.0): states and actions under their original
 * names, videos as they were, no calibration and no episode ids. Facts: formats §2.6.
 */
import type { LerobotRecord } from '../../schemas/records.ts';
import type { EpisodeIdentity, PoseSeries, SourceArm, SourceData } from '../../schemas/source.ts';
import type { DatasetSpec, EpisodePlace } from '../../schemas/spec.ts';
import { openAgibotParameters, segmentsOf } from '../calibration/agibot-parameters.ts';
import { ARMS, CAMERAS, G1, G1_CAMERAS, openness, requireGrippers } from '../rigs/agibot-g1.ts';
import { movingBase } from '../rigs/moving-base.ts';

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
    'none in the port; --calibration with parameters/ and task_info/ of the original release (those before February 2025 are wrong)',
  impossible:
    'camera-frame actions without --calibration (--reference base works); dexterous hands (no closure map: rejected, no-openness); fisheye cameras',
  identity,
  data,
  sideFiles: async (directory) => openAgibotParameters(directory, CAMERAS),
} satisfies DatasetSpec<LerobotRecord>;

/** `…/task_327_episode_648642`: a dataset of one episode says which one it is. */
const NAMED = /(?:^|\/)task_(\d+)_episode_(\d+)$/;

function identity(record: LerobotRecord, { container, split, index }: EpisodePlace): EpisodeIdentity {
  const [, task, episode] = NAMED.exec(container) ?? [];
  const id = task === undefined ? `${container}/${split}/${index}` : `${task}/${episode}`;
  const texts = (record.tasks()[0] ?? '').split(' | ').map((text) => text.trim());
  return {
    id,
    sourceId: `${container}/${split}/${index}`,
    robot: 'a2d',
    success: null,
    instructions: texts.filter((text) => text !== ''),
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
  return movingBase(posesOf(record.numbers(`${BASE}.position`, 3), turn, BASE)) !== null;
}

function posesOf(place: Float64Array, turn: Float64Array, field: string): PoseSeries {
  const values = new Float64Array((7 * place.length) / 3);
  for (let i = 0; i < place.length / 3; i++)
    values.set([...place.subarray(3 * i, 3 * i + 3), ...turn.subarray(4 * i, 4 * i + 4)], 7 * i);
  return { kind: 'xyz+xyzw', values, field };
}

function armOf(record: LerobotRecord, arm: number): SourceArm {
  const ofArm = (values: Float64Array, width: number): Float64Array =>
    values.filter((_, i) => Math.floor(i / width) % 2 === arm);
  requireGrippers(record.info.features[EFFECTOR]!.shape[0] ?? 1, EFFECTOR);
  const measured = ofArm(openness(record.numbers(EFFECTOR, 2), EFFECTOR), 1);
  return {
    pose: posesOf(ofArm(record.numbers(PLACE, 6), 3), ofArm(record.numbers(TURN, 8), 4), PLACE),
    opennessMeasured: measured,
    // 0 open … 1 closed
    opennessCommanded: commands(record, measured) ? ofArm(record.numbers(COMMAND, 2), 1).map((x) => 1 - x) : measured,
  };
}

/** Measured openness that no open gripper rests at (some units rest at 0.7). */
const CLOSING = 0.5;

/**
 * The port fills absent streams with zeros, and 0 is the command to stay open. It is one where the joints were commanded
 * too and the gripper stayed open.
 */
function commands(record: LerobotRecord, measured: Float64Array): boolean {
  if (!record.has(COMMAND)) return false;
  if (record.numbers(COMMAND, 2).some((x) => x !== 0)) return true;
  const joints = 'actions.joint.position';
  const moved = record.has(joints) && record.numbers(joints, 14).some((x) => x !== 0);
  return moved && measured.every((x) => x > CLOSING);
}
