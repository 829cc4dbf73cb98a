/** InternData-A1 in LeRobot v2.1: simulated single and dual arms, calibration in columns. Facts: formats §3. */
import { PrepError } from '../../schemas/errors.ts';
import type { LerobotRecord } from '../../schemas/records.ts';
import type { EpisodeIdentity, PoseSeries, SourceArm, SourceCamera, SourceData } from '../../schemas/source.ts';
import type { DatasetSpec, EpisodePlace, RobotSpec } from '../../schemas/spec.ts';
import { inWorld, movingBase } from '../rigs/moving-base.ts';

const hand = (name: string, arm: number, role: 'wrist' | 'wrist2') =>
  ({ name, mount: 'hand', arm, roles: [role], principalPoint: 'centre' }) as const;
/** Tool ahead of the EE frame along its z, or along its x (then z of the tool is x of the EE). */
const alongZ = (d: number): number[] => [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, d, 0, 0, 0, 1];
const alongX = (d: number): number[] => [0, 0, 1, d, 0, 1, 0, 0, -1, 0, 0, 0, 0, 0, 0, 1];
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
    franka: robot(1, 'panda_hand', alongZ(0.095)),
    frankarobotiq: robot(1, 'panda_link8', alongZ(0.145)),
    genie1: robot(2, 'arm_l/r_end_link', alongZ(0.22)),
    lift2: robot(2, 'link6', alongX(0.16157)),
    split_aloha: robot(2, 'link6', alongZ(0.135)),
  },
  cameras: [
    { name: 'head', mount: 'moving', roles: ['third'], principalPoint: 'centre' },
    hand('hand', 0, 'wrist'),
    hand('hand_right', 0, 'wrist'),
    hand('hand_left', 1, 'wrist2'),
  ],
  gripper: { action: 'commanded', proprio: 'measured' },
  calibration: 'columns of the release: intrinsics and camera poses per frame',
  impossible: "franka episodes whose head extrinsics the converter overwrote with the hand camera's (quarantined)",
  identity,
  data,
} satisfies DatasetSpec<LerobotRecord>;

/** Prefixes of column names vary between converter versions. */
const suffixed = (features: object, suffix: string): string | undefined =>
  Object.keys(features).find((name) => name === suffix || name.endsWith(`.${suffix}`) || name.endsWith(`/${suffix}`));

function column(record: LerobotRecord, suffix: string): string {
  const found = suffixed(record.info.features, suffix);
  if (found !== undefined && record.has(found)) return found;
  throw missing(suffix);
}

const missing = (suffix: string): PrepError =>
  new PrepError({ code: 'missing-field', at: { field: suffix }, expected: `a column ${suffix}`, found: 'none' });

function identity(record: LerobotRecord, { container, split, index }: EpisodePlace): EpisodeIdentity {
  const id = `${container}/${split}/${index}`;
  const tasks = record.tasks().map((text) => text.trim());
  return {
    id,
    sourceId: id,
    robot: robotOf(record),
    success: null,
    instructions: [...new Set(tasks.filter((text) => text !== ''))],
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
  const envFromRobot = suffixed(record.info.features, 'states.robot_to_env_pose');
  const base = envFromRobot && record.has(envFromRobot) ? movingBase(poses(record, 'states.robot_to_env_pose')) : null;
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
      const feature = suffixed(record.info.features, `rgb.${name}`);
      if (feature === undefined || !record.has(feature)) return [];
      const k = column(record, `${name}_camera_intrinsics`);
      const pose = inWorld(poses(record, `${name}_camera_to_robot_extrinsics`), base);
      return [{ name, ...record.images(feature), pose, intrinsics: { values: record.numbers(k, 4), field: k } }];
    }),
  };
}

function poses(record: LerobotRecord, suffix: string): PoseSeries {
  const field = column(record, suffix);
  return { kind: 'xyz+wxyz', values: record.numbers(field, 7), field };
}

/**
 * Commands are `master_actions`; `actions` hold the next frame's measurement and serve where a set has no others. A reading in an
 * unknown unit is scaled by the latter; where they are absent the command serves for both.
 */
function openness(record: LerobotRecord, side: string): Pick<SourceArm, 'opennessMeasured' | 'opennessCommanded'> {
  const listed = (name: string): Float64Array | null => {
    const found = suffixed(record.info.features, `${name}.${side}gripper.openness`);
    return found !== undefined && record.has(found) ? record.numbers(found, 1) : null;
  };
  const [master, next] = [listed('master_actions'), listed('actions')];
  const command = master ?? next;
  if (command === null) throw missing(`actions.${side}gripper.openness`);
  const position = record.numbers(column(record, `states.${side}gripper.position`), 1);
  const open = OPEN[robotOf(record)];
  if (open !== undefined) return { opennessMeasured: position.map((x) => x / open), opennessCommanded: command };
  return { opennessMeasured: next ? scaledTo(position, next) : command, opennessCommanded: command };
}

/** Least squares of openness = a + b · position between a reading and the openness listed for the frame before it. */
function scaledTo(position: Float64Array, next: Float64Array): Float64Array {
  const [x, y] = [position.slice(1), next.slice(0, -1)];
  const mean = (v: Float64Array): number => v.reduce((sum, one) => sum + one, 0) / Math.max(v.length, 1);
  const [mx, my] = [mean(x), mean(y)];
  const sxx = x.reduce((sum, one) => sum + (one - mx) ** 2, 0);
  const sxy = x.reduce((sum, one, i) => sum + (one - mx) * (y[i]! - my), 0);
  const b = sxx > 1e-12 ? sxy / sxx : 0;
  const measured = position.map((one) => my + b * (one - mx));
  const worst = Math.max(0, ...y.map((one, i) => Math.abs(one - measured[i + 1]!)));
  if (worst <= 0.05) return measured.map((one) => Math.min(1, Math.max(0, one)));
  throw new PrepError({
    code: 'no-openness',
    at: { field: 'gripper.position' },
    expected: 'readings that follow the listed openness on a line',
    found: `a difference of ${worst.toFixed(3)}`,
  });
}
