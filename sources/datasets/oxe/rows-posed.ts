/**
 * Open X-Embodiment sets that publish an end-effector pose, one line each, by their names in TensorFlow Datasets. Facts: formats §6.6 (fields and gripper operations as the
 * standardisation code of OpenVLA and Octo reads them). Where a set's description does not say how an
 * orientation is written, the line says so.
 */
import { action, closedness, euler, libfranka, POLARITY, RPY, TOLD, X, yawPitchRoll } from './columns.ts';
import type { OxeRow } from './row.ts';

export const POSED_ROWS: readonly OxeRow[] = [
  {
    name: 'fractal',
    container: 'fractal20220817_data',
    ...{ hz: 3, robot: 'google_robot', title: 'RT-1 robot action data', cameras: { image: 'fixed' }, language: TOLD },
    poses: [{ kind: 'xyz+xyzw', path: 'observation/base_pose_tool_reached' }],
    measured: [{ path: 'observation/gripper_closed', rule: 'closed' }],
    commanded: closedness('relative'),
  },
  {
    name: 'kuka',
    ...{ hz: 10, robot: 'kuka_iiwa', title: 'QT-Opt', cameras: { image: 'fixed' }, language: TOLD },
    poses: [{ kind: 'xyz+xyzw', path: 'observation/clip_function_input/base_pose_tool_reached', width: 7 }],
    measured: [{ path: 'observation/gripper_closed', width: 1, rule: 'closed' }],
    commanded: closedness('relative'),
  },
  {
    name: 'bridge',
    ...{ hz: 5, robot: 'widowx', title: 'BridgeData V2, first version', cameras: { image: 'fixed' }, language: TOLD },
    poses: euler(),
    measured: [{ path: 'observation/state', from: 6, rule: 'open' }],
    commanded: [{ path: 'action/open_gripper', rule: 'open' }],
  },
  {
    name: 'taco_play',
    ...{
      hz: 15,
      robot: 'franka',
      title: 'TACO Play',
      cameras: { rgb_static: 'fixed', rgb_gripper: 'hand' },
      language: TOLD,
    },
    poses: euler('observation/robot_obs'),
    commanded: [{ path: 'action/rel_actions_world', from: -1, rule: 'open' }],
    doubt: `${RPY}; its description says that the gripper command -1 opens, its other readers that 1 does, which is taken`,
  },
  {
    name: 'viola',
    ...{
      hz: 20,
      robot: 'franka',
      title: 'Austin VIOLA',
      cameras: { agentview_rgb: 'fixed', eye_in_hand_rgb: 'hand' },
      language: TOLD,
    },
    poses: libfranka({ path: 'observation/ee_states' }),
    commanded: closedness('closed'),
  },
  {
    name: 'berkeley_autolab_ur5',
    ...{
      hz: 5,
      robot: 'ur5',
      title: 'Berkeley Autolab UR5',
      cameras: { image: 'fixed', hand_image: 'hand' },
      language: TOLD,
    },
    poses: [{ kind: 'xyz+xyzw', path: 'observation/robot_state', from: 6 }],
    measured: [{ path: 'observation/robot_state', from: 13, rule: 'closed' }],
    commanded: closedness('relative'),
  },
  {
    name: `nyu_rot_dataset${X}`,
    ...{
      hz: 3,
      robot: 'xarm',
      title: 'NYU ROT',
      cameras: { image: 'fixed' },
      poses: euler(),
      commanded: action('open', 6),
      doubt: `${RPY}; ${POLARITY}`,
    },
  },
  {
    name: `stanford_hydra_dataset${X}`,
    ...{
      hz: 10,
      robot: 'franka',
      title: 'Stanford HYDRA',
      cameras: { image: 'fixed', wrist_image: 'hand' },
      doubt: RPY,
    },
    poses: [
      {
        kind: 'xyz+extrinsic-xyz',
        position: { path: 'observation/state' },
        rotation: { path: 'observation/state', from: 7 },
      },
    ],
    commanded: action('closed'),
  },
  {
    name: `austin_buds_dataset${X}`,
    ...{ hz: 20, robot: 'franka', title: 'Austin BUDS', cameras: { image: 'fixed', wrist_image: 'hand' } },
    poses: libfranka({ path: 'observation/state', from: 8 }),
    commanded: action('closed'),
  },
  {
    name: `austin_sailor_dataset${X}`,
    ...{ hz: 20, robot: 'franka', title: 'Austin Sailor', cameras: { image: 'fixed', wrist_image: 'hand' } },
    poses: libfranka({ path: 'observation/state_ee' }),
    commanded: action('closed'),
  },
  {
    name: `austin_sirius_dataset${X}`,
    ...{ hz: 20, robot: 'franka', title: 'Austin Sirius', cameras: { image: 'fixed', wrist_image: 'hand' } },
    poses: libfranka({ path: 'observation/state_ee' }),
    commanded: action('closed'),
  },
  {
    name: 'utaustin_mutex',
    ...{ hz: 20, robot: 'franka', title: 'Austin MUTEX', cameras: { image: 'fixed', wrist_image: 'hand' } },
    poses: libfranka({ path: 'observation/state', from: 8 }),
    commanded: action('closed'),
  },
  {
    name: `nyu_franka_play_dataset${X}`,
    ...{
      hz: 3,
      robot: 'franka',
      title: 'NYU Franka Play',
      cameras: { image: 'fixed', image_additional_view: 'fixed' },
    },
    poses: euler('observation/state', -6),
    commanded: action('open', -2),
  },
  {
    name: `furniture_bench_dataset${X}`,
    ...{ hz: 10, robot: 'franka', title: 'FurnitureBench', cameras: { image: 'fixed', wrist_image: 'hand' } },
    poses: [{ kind: 'xyz+xyzw', path: 'observation/state' }],
    commanded: action('closed'),
  },
  {
    name: `ucsd_pick_and_place_dataset${X}`,
    ...{
      hz: 3,
      robot: 'xarm',
      title: 'UCSD Pick Place',
      cameras: { image: 'fixed' },
      poses: euler(),
      commanded: action('open'),
      doubt: `${RPY}; its positions may be decimetres, and its gripper command is a torque of which 1 is taken to open`,
    },
  },
  {
    name: 'bc_z',
    ...{ hz: 10, robot: 'google_robot', title: 'BC-Z', cameras: { image: 'fixed' }, language: TOLD },
    poses: [
      {
        kind: 'xyz+rotvec',
        position: { path: 'observation/present/xyz' },
        rotation: { path: 'observation/present/axis_angle' },
      },
    ],
    measured: [{ path: 'observation/present/sensed_close', rule: 'closed' }],
    commanded: [{ path: 'action/future/target_close', rule: 'closed' }],
  },
  {
    name: `utokyo_pr2_opening_fridge${X}`,
    ...{
      hz: 10,
      robot: 'pr2',
      title: 'Tokyo PR2 Fridge',
      cameras: { image: 'fixed' },
      // Millimetres: its grippers open by 86.
      poses: [{ kind: 'xyz+extrinsic-xyz', path: 'observation/state', unit: 0.001 }],
      commanded: action('open', -2),
      doubt: POLARITY,
    },
  },
  {
    name: `utokyo_pr2_tabletop_manipulation${X}`,
    ...{
      hz: 10,
      robot: 'pr2',
      title: 'Tokyo PR2 Tabletop',
      cameras: { image: 'fixed' },
      // Millimetres: its grippers open by 86.
      poses: [{ kind: 'xyz+extrinsic-xyz', path: 'observation/state', unit: 0.001 }],
      commanded: action('open', -2),
      doubt: POLARITY,
    },
  },
  {
    name: `utokyo_xarm_pick_and_place${X}`,
    ...{
      hz: 10,
      robot: 'xarm',
      title: 'Tokyo xArm Pick and Place',
      cameras: { image: 'fixed', image2: 'fixed', hand_image: 'hand' },
      doubt: POLARITY,
    },
    poses: yawPitchRoll('observation/end_effector_pose'),
    commanded: action('open'),
  },
  {
    name: `utokyo_xarm_bimanual${X}`,
    ...{ hz: 10, robot: 'two_xarms', title: 'Tokyo xArm Bimanual', cameras: { image: 'fixed' }, doubt: POLARITY },
    poses: [...yawPitchRoll('observation/pose_r'), ...yawPitchRoll('observation/pose_l')],
    commanded: [...action('open', -1), ...action('open', 6)],
  },
  {
    name: `tokyo_u_lsmo${X}`,
    ...{
      hz: 10,
      robot: 'cobotta',
      title: 'Tokyo LSMO',
      cameras: { image: 'fixed' },
      poses: euler(),
      commanded: action('open'),
      doubt: `${RPY}; ${POLARITY}`,
    },
  },
  {
    name: `dlr_sara_pour${X}`,
    ...{
      hz: 10,
      robot: 'dlr_sara',
      title: 'DLR Sara Pour',
      cameras: { image: 'fixed' },
      poses: [{ kind: 'xyz+extrinsic-zxy', path: 'observation/state' }],
      commanded: action('open'),
      doubt: POLARITY,
    },
  },
  {
    name: `dlr_sara_grid_clamp${X}`,
    ...{
      hz: 10,
      robot: 'dlr_sara',
      title: 'DLR Sara Grid Clamp',
      cameras: { image: 'fixed' },
      poses: [{ kind: 'xyz+extrinsic-zxy', path: 'observation/state' }],
      commanded: action('open'),
      doubt: POLARITY,
    },
  },
  {
    name: `dlr_edan_shared_control${X}`,
    ...{
      hz: 5,
      robot: 'dlr_edan',
      title: 'DLR EDAN Shared Control',
      cameras: { image: 'fixed' },
      poses: [{ kind: 'xyz+extrinsic-zxy', path: 'observation/state' }],
      commanded: action('closed'),
    },
  },
  {
    name: `asu_table_top${X}`,
    ...{ hz: 12.5, robot: 'ur5', title: 'ASU TableTop', cameras: { image: 'fixed' }, doubt: RPY },
    poses: euler('ground_truth_states/EE'),
    commanded: action('open'),
  },
  {
    name: `stanford_robocook${X}`,
    ...{
      hz: 5,
      robot: 'franka',
      title: 'Stanford RoboCook',
      cameras: { image_1: 'fixed', image_2: 'fixed', image_3: 'fixed', image_4: 'fixed' },
    },
    poses: euler(),
    // The last number of the action is a velocity of the fingers: the measured opening (a Panda hand's) serves for both.
    commanded: [{ path: 'observation/state', from: -1, rule: { closed: 0, open: 0.08 } }],
    doubt: `${RPY}; its extrinsics have no intrinsics and no documented direction and are not used`,
  },
  ...['spatial', 'object', 'goal', '10'].map(
    (suite): OxeRow => ({
      name: `libero_${suite}_no_noops`,
      ...{
        hz: 20,
        robot: 'panda',
        title: `LIBERO ${suite} without idle steps`,
        cameras: { image: 'fixed', wrist_image: 'hand' },
        mirrored: true,
      },
      poses: [{ kind: 'xyz+rotvec', path: 'observation/state' }],
      measured: [{ path: 'observation/state', from: 6, rule: { closed: 0, open: 0.04 } }],
      commanded: action({ closed: 1, open: -1 }),
    }),
  ),
];
