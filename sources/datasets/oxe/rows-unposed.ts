/**
 * Open X-Embodiment sets from which no action can be made, and why, one line each, by their names in TensorFlow Datasets. Facts: formats §6.6 (fields and gripper operations as the
 * standardisation code of OpenVLA and Octo reads them).
 */
import { action, closedness, JOINTS, TOLD, X } from './columns.ts';
import type { OxeRow } from './row.ts';

export const UNPOSED_ROWS: readonly OxeRow[] = [
  {
    name: 'jaco_play',
    ...{ hz: 10, robot: 'jaco2', title: 'Jaco Play', cameras: { image: 'fixed', image_wrist: 'hand' }, language: TOLD },
    poses: 'how the seven numbers of end_effector_cartesian_pos write an orientation is not documented',
    commanded: closedness('relative'),
  },
  {
    name: 'berkeley_cable_routing',
    ...{
      hz: 10,
      robot: 'franka',
      title: 'Berkeley Cable Routing',
      cameras: { image: 'fixed', top_image: 'fixed', wrist45_image: 'hand' },
      language: TOLD,
    },
    poses: JOINTS,
    commanded: 'no gripper is recorded',
  },
  {
    name: 'roboturk',
    ...{ hz: 10, robot: 'sawyer', title: 'RoboTurk', cameras: { front_rgb: 'fixed' }, language: TOLD },
    poses: 'no state of the robot is published',
    commanded: closedness('closed'),
  },
  {
    name: 'nyu_door_opening_surprising_effectiveness',
    ...{ hz: 3, robot: 'hello_stretch', title: 'NYU VINN', cameras: { image: 'hand' }, language: TOLD },
    poses: 'no state of the robot is published',
    commanded: closedness('relative'),
  },
  {
    name: 'toto',
    ...{ hz: 30, robot: 'franka', title: 'TOTO', cameras: { image: 'fixed' }, language: TOLD },
    poses: JOINTS,
    commanded: [{ path: 'action/open_gripper', rule: 'open' }],
  },
  {
    name: 'language_table',
    ...{
      hz: 10,
      robot: 'xarm',
      title: 'Language-Table',
      cameras: { rgb: 'fixed' },
      language: 'observation/instruction',
    },
    poses: 'only the plane position of the effector is published',
    commanded: 'the tool is a rod, it does not close',
  },
  {
    name: 'columbia_cairlab_pusht_real',
    ...{
      hz: 10,
      robot: 'ur5',
      title: 'Columbia PushT',
      cameras: { image: 'fixed', wrist_image: 'hand' },
      language: TOLD,
    },
    poses: 'only the plane position of the effector is published',
    commanded: closedness('open'),
  },
  {
    name: `stanford_kuka_multimodal_dataset${X}`,
    ...{ hz: 20, robot: 'kuka_iiwa', title: 'Stanford Kuka Multimodal', cameras: { image: 'fixed' } },
    poses: 'the order of the quaternion in ee_orientation is not documented',
    commanded: action('open'),
  },
  {
    name: `cmu_franka_exploration_dataset${X}`,
    ...{
      hz: 10,
      robot: 'franka',
      title: 'CMU Franka Exploration',
      cameras: { highres_image: 'fixed', image: 'fixed' },
    },
    poses: 'no state of the robot is published',
    commanded: action('open', -2),
  },
  {
    name: `ucsd_kitchen_dataset${X}`,
    ...{
      hz: 2,
      robot: 'xarm',
      title: 'UCSD Kitchen',
      cameras: { image: 'fixed' },
      poses: JOINTS,
      commanded: action('open', -2),
    },
  },
  {
    name: 'robo_net',
    ...{ hz: 1, robot: 'several', title: 'RoboNet', cameras: { image: 'fixed', image1: 'fixed', image2: 'fixed' } },
    poses: 'of the orientation only the yaw is published',
    commanded: action('open'),
  },
  {
    name: `berkeley_mvp${X}`,
    ...{ hz: 5, robot: 'xarm', title: 'Berkeley MVP', cameras: { hand_image: 'hand' } },
    poses: 'the order of the quaternion in pose is not documented',
    commanded: action('open'),
  },
  {
    name: `berkeley_rpt${X}`,
    ...{
      hz: 30,
      robot: 'franka',
      title: 'Berkeley RPT',
      cameras: { hand_image: 'hand' },
      poses: JOINTS,
      commanded: action('open'),
    },
  },
  {
    name: `kaist_nonprehensile${X}`,
    ...{ hz: 10, robot: 'franka', title: 'KAIST Nonprehensile', cameras: { image: 'fixed' } },
    poses: 'the order of the quaternion in state is not documented',
    commanded: 'no gripper is recorded',
  },
  {
    name: `stanford_mask_vit${X}`,
    ...{ hz: 10, robot: 'sawyer', title: 'Stanford MaskVIT', cameras: { image: 'fixed' } },
    poses: 'of the orientation only the yaw is published',
    commanded: action('open'),
  },
  {
    name: 'imperialcollege_sawyer_wrist_cam',
    ...{ hz: 10, robot: 'sawyer', title: 'Imperial Wrist Cam', cameras: { image: 'fixed', wrist_image: 'hand' } },
    poses: 'no state of the robot is published',
    commanded: action('open', -2),
  },
  {
    name: `iamlab_cmu_pickup_insert${X}`,
    ...{
      hz: 20,
      robot: 'franka',
      title: 'CMU IAM Lab Pickup Insert',
      cameras: { image: 'fixed', wrist_image: 'hand' },
      poses: JOINTS,
      commanded: action('open', 7),
    },
  },
  {
    name: 'uiuc_d3field',
    ...{
      hz: 1,
      robot: 'kinova',
      title: 'UIUC D3Fields',
      cameras: { image_1: 'fixed', image_2: 'fixed', image_3: 'fixed', image_4: 'fixed' },
    },
    poses: 'no state of the robot is published',
    commanded: 'no gripper is recorded',
  },
  {
    name: 'berkeley_fanuc_manipulation',
    ...{ hz: 10, robot: 'fanuc', title: 'Berkeley Fanuc', cameras: { image: 'fixed', wrist_image: 'hand' } },
    poses: 'the order of the quaternion in end_effector_state is not documented',
    commanded: [{ path: 'observation/state', from: 6, rule: 'closed' }],
  },
  {
    name: 'cmu_playing_with_food',
    ...{
      hz: 10,
      robot: 'franka',
      title: 'CMU Playing with Food',
      cameras: { image: 'fixed' },
      poses: JOINTS,
      commanded: action('open'),
    },
  },
  {
    name: 'cmu_play_fusion',
    ...{
      hz: 5,
      robot: 'franka',
      title: 'CMU PlayFusion',
      cameras: { image: 'fixed' },
      poses: JOINTS,
      commanded: action('open'),
    },
  },
  {
    name: 'cmu_stretch',
    ...{ hz: 10, robot: 'hello_stretch', title: 'CMU Stretch', cameras: { image: 'fixed' } },
    poses: 'only the position of the effector is published',
    commanded: action('open', -2),
  },
  {
    name: 'fmb',
    ...{
      hz: 10,
      robot: 'franka',
      title: 'Functional Manipulation Benchmark',
      cameras: { image_side_1: 'fixed', image_side_2: 'fixed', image_wrist_1: 'hand', image_wrist_2: 'hand' },
    },
    poses: 'the order of the quaternion in eef_pose is not documented',
    commanded: action('open'),
  },
  {
    name: 'dobbe',
    ...{ hz: 3.75, robot: 'hello_stretch', title: 'Dobb-E', cameras: { wrist_image: 'hand' } },
    poses: 'how rot writes an orientation is not documented',
    commanded: action('open'),
  },
  {
    name: 'robo_set',
    ...{
      hz: 5,
      robot: 'franka',
      title: 'RoboSet',
      cameras: { image_left: 'fixed', image_right: 'fixed', image_top: 'fixed', image_wrist: 'hand' },
      poses: JOINTS,
      commanded: action('closed'),
    },
  },
];
