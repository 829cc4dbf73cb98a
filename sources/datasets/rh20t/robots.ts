/**
 * The seven robots of RH20T: what `configs/configs.json` and `rh20t_api/configurations.py` of rh20t/rh20t_api@aa31244 say.
 * Serials of the fixed cameras are not in the release's own code: they are those that programs which used the data list.
 */

/** How `calib/<time>/tcp.npy` writes the end effector at calibration time, before the publisher's preprocessing. */
export type CalibrationTcp =
  /** Metres and a quaternion (w first). */
  | 'quaternion'
  /** Metres and a rotation vector of a flange whose y and z axes point the other way. */
  | 'rotation-vector'
  /** Millimetres and extrinsic xyz angles. */
  | 'millimetres';

export interface Rh20tConfig {
  readonly robot: string;
  readonly gripper: string;
  /** Between the fingers of the open gripper: its maker's stroke (the release says 0 … 110 for all of them). */
  readonly openMillimetres: number;
  readonly calibrationTcp: CalibrationTcp;
  /** Serials of the cameras on the hand; the first is the one that `camFromTcp` is of. */
  readonly hands: readonly string[];
  readonly fixed: readonly string[];
  /** `tc_mat`, `align_mat_tcp`, `align_mat_base`: 4×4, row-major. */
  readonly camFromTcp: readonly number[];
  readonly tcpFromEe: readonly number[];
  readonly robotFromBase: readonly number[];
}

const NONE = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1] as const;
const HALF_TURN = [-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1] as const;
const QUARTER_TURN = [0, -1, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1] as const;

const FLEXIV = { robot: 'flexiv', gripper: 'Dahuan AG-95', openMillimetres: 95, calibrationTcp: 'quaternion' } as const;
const UNALIGNED = { tcpFromEe: NONE, robotFromBase: NONE } as const;
const UR5 = {
  robot: 'ur5',
  calibrationTcp: 'quaternion',
  hands: ['045322071843'],
  fixed: ['036422060909', '038522062288', '104122062295', '104122062823', '104122063550', '104422070011', 'f0172289'],
  tcpFromEe: QUARTER_TURN,
  robotFromBase: HALF_TURN,
} as const;
const ROBOTIQ = { gripper: 'Robotiq 2F-85', openMillimetres: 85 } as const;
const SECOND_CELL = [
  '036422060215',
  '037522062165',
  '104122061850',
  '104122063678',
  '104422070044',
  '105422061350',
  'f0461559',
] as const;
const KUKA = {
  robot: 'kuka',
  ...ROBOTIQ,
  ...UNALIGNED,
  calibrationTcp: 'millimetres',
  hands: ['135122075425', '135122070361'],
  fixed: [
    '037522061512',
    '104122060811',
    '104122061018',
    '104122061330',
    '104122061602',
    '104122063633',
    '104122064161',
    'f0271510',
  ],
  camFromTcp: [0, -1, 0, 0.035, 1, 0, 0, 0.055, 0, 0, 1, 0.2, 0, 0, 0, 1],
} as const;

/** By the number in the folder's name, `…_cfg_0001`. */
export const CONFIGS: Readonly<Record<string, Rh20tConfig>> = {
  1: {
    ...FLEXIV,
    ...UNALIGNED,
    hands: ['043322070878'],
    fixed: [
      '035622060973',
      '038522062547',
      '038522063145',
      '039422060546',
      '750612070851',
      '750612070853',
      '819112070044',
    ],
    camFromTcp: [0, -1, 0, 0, 1, 0, 0, 0.077, 0, 0, 1, 0.2665, 0, 0, 0, 1],
  },
  2: {
    ...FLEXIV,
    ...UNALIGNED,
    hands: ['104422070042'],
    fixed: SECOND_CELL,
    camFromTcp: [0, -1, 0, 0, 1, 0, 0, 0.077, 0, 0, 1, 0.2915, 0, 0, 0, 1],
  },
  3: {
    ...UR5,
    gripper: 'WSG-50',
    openMillimetres: 110,
    camFromTcp: [1, 0, 0, 0.027, 0, 1, 0, 0.0775, 0, 0, 1, 0.24, 0, 0, 0, 1],
  },
  4: { ...UR5, ...ROBOTIQ, camFromTcp: [1, 0, 0, 0.027, 0, 1, 0, 0.0775, 0, 0, 1, 0.21, 0, 0, 0, 1] },
  5: {
    robot: 'franka',
    gripper: 'franka',
    openMillimetres: 80,
    calibrationTcp: 'rotation-vector',
    hands: ['104422070042', '135122079702'],
    fixed: SECOND_CELL,
    camFromTcp: [0, 1, 0, 0.033, -1, 0, 0, -0.05, 0, 0, 1, 0.09, 0, 0, 0, 1],
    tcpFromEe: HALF_TURN,
    robotFromBase: NONE,
  },
  6: KUKA,
  7: KUKA,
};
