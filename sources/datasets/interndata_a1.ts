/** InternData-A1 in LeRobot v2.1: simulated single and dual arms, calibration in columns. Facts: formats §3. */
import { PrepError } from '../../schemas/errors.ts';
import type { LerobotRecord } from '../../schemas/records.ts';
import type { EpisodeIdentity, PoseSeries, SourceArm, SourceCamera, SourceData } from '../../schemas/source.ts';
import type { DatasetSpec, EpisodePlace, RobotSpec } from '../../schemas/spec.ts';
import { scaledTo } from '../fields/openness.ts';
import { missing, required, stored, suffixed } from '../fields/suffixed.ts';
import { placeId, saidOnce } from '../fields/words.ts';
import { hand } from '../rigs/cameras.ts';
import { inWorld, movingBase } from '../rigs/moving-base.ts';
import { aheadAlongX, aheadAlongZ } from '../rigs/tools.ts';

const robot = (arms: number, eeOrigin: string, eeFromTool: number[]): RobotSpec => ({
  arms,
  hz: 30,
  eeOrigin,
  eeFromTool,
});

/** `open`: reading of `gripper.position` at fully open where it is known (metres). */
const OPEN: Readonly<Record<string, number>> = { franka: 0.04, lift2: 0.044 };

export default {
  name: 'interndata_a1',
  version: 1,
  title: 'InternData-A1 (LeRobot v2.1)',
  licence: 'CC BY-NC-SA 4.0',
  format: 'lerobot',
  accepts: ({ features }) =>
    suffixed(features, 'head_camera_to_robot_extrinsics') ? null : 'no feature head_camera_to_robot_extrinsics',
  clock: 'index',
  robots: {
    franka: robot(1, 'panda_hand', aheadAlongZ(0.095)),
    frankarobotiq: robot(1, 'panda_link8', aheadAlongZ(0.145)),
    genie1: robot(2, 'arm_l/r_end_link', aheadAlongZ(0.22)),
    lift2: robot(2, 'link6', aheadAlongX(0.16157)),
    split_aloha: robot(2, 'link6', aheadAlongZ(0.135)),
  },
  cameras: [
    { name: 'head', mount: 'moving', roles: ['third'], principalPoint: 'centre' },
    hand('hand'),
    hand('hand_right', 0),
    hand('hand_left', 1),
  ],
  gripper: { action: 'commanded', proprio: 'measured' },
  calibration: 'intrinsics and camera poses per frame, in columns',
  impossible:
    "franka episodes in which the converter overwrote the head camera's pose with the hand camera's (quarantined, camera-on-hand)",
  identity,
  data,
} satisfies DatasetSpec<LerobotRecord>;

function identity(record: LerobotRecord, place: EpisodePlace): EpisodeIdentity {
  return {
    id: placeId(place),
    sourceId: placeId(place),
    robot: robotOf(record),
    success: null,
    instructions: saidOnce(record.tasks()),
    segments: [],
    hz: record.info.fps,
  };
}

function robotOf({ info }: LerobotRecord): string {
  const told = `${info.robotType} ${info.path}`.toLowerCase();
  if (/franka/.test(told)) return /robotiq/.test(told) ? 'frankarobotiq' : 'franka';
  const found = ['genie1', 'lift2', 'split_aloha'].find((name) => told.includes(name));
  if (found) return found;
  throw new PrepError({
    code: 'bad-value',
    at: { field: 'robot_type' },
    expected: 'a robot of InternData-A1',
    found: told,
  });
}

function data(record: LerobotRecord): SourceData {
  const dual = suffixed(record.info.features, 'states.right_ee_to_robot_pose') !== undefined;
  const driven = stored(record, 'states.robot_to_env_pose');
  const base = driven ? movingBase(poses(record, driven)) : null;
  const cameras = dual ? ['head', 'hand_right', 'hand_left'] : ['head', 'hand'];
  return {
    steps: record.steps,
    arms: (dual ? ['right_', 'left_'] : ['']).map(
      (side): SourceArm => ({
        pose: inWorld(poses(record, `states.${side}ee_to_robot_pose`), base),
        ...openness(record, side),
      }),
    ),
    cameras: cameras.flatMap((name): SourceCamera[] => {
      const feature = stored(record, `rgb.${name}`);
      if (feature === undefined) return [];
      const k = required(record, `${name}_camera_intrinsics`);
      const pose = inWorld(poses(record, `${name}_camera_to_robot_extrinsics`), base);
      return [{ name, ...record.images(feature), pose, intrinsics: { values: record.numbers(k, 4), field: k } }];
    }),
  };
}

function poses(record: LerobotRecord, suffix: string): PoseSeries {
  const field = required(record, suffix);
  return { kind: 'xyz+wxyz', values: record.numbers(field, 7), field };
}

/**
 * Commands are `master_actions`; `actions` hold the next frame's measurement and serve where a set has no others. A reading in an
 * unknown unit is scaled by the latter; where they are absent the command serves for both.
 */
function openness(record: LerobotRecord, side: string): Pick<SourceArm, 'opennessMeasured' | 'opennessCommanded'> {
  const listed = (name: string): Float64Array | null => {
    const found = stored(record, `${name}.${side}gripper.openness`);
    return found ? record.numbers(found, 1) : null;
  };
  const [master, next] = [listed('master_actions'), listed('actions')];
  const command = master ?? next;
  if (command === null) throw missing(`actions.${side}gripper.openness`);
  const position = record.numbers(required(record, `states.${side}gripper.position`), 1);
  const open = OPEN[robotOf(record)];
  if (open !== undefined) return { opennessMeasured: position.map((x) => x / open), opennessCommanded: command };
  return { opennessMeasured: next ? scaledTo(position, next) : command, opennessCommanded: command };
}
