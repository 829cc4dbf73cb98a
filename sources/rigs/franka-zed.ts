/** A Franka with a Robotiq gripper watched by two ZED 2 and, from the hand, a ZED Mini: what all layouts of such data share. */
import type { CameraSpec, RobotSpec } from '../../schemas/spec.ts';
import { hand, scene } from './cameras.ts';
import { aheadAlongZ } from './tools.ts';

/** Rectified ZED 2 (exterior) and ZED Mini (wrist) at 1280×720, means over the fleet; principal point in the middle. */
const ZED2 = { fx: 528, fy: 528, cx: 639.5, cy: 359.5, width: 1280, height: 720 };
const ZED_MINI = { fx: 733, fy: 733, cx: 639.5, cy: 359.5, width: 1280, height: 720 };
/** eeFromCam of the wrist camera, mean over 28 robots (spread 5–6 mm and 2.2°, one camera at 4°): formats §1.4. */
const WRIST_MOUNT = [0, 0.944, 0.33, -0.0768, -1, 0, 0, 0.0317, 0, -0.33, 0.944, 0.0178];

export const FRANKA_ROBOTIQ: RobotSpec = {
  arms: 1,
  hz: 15,
  eeOrigin: 'flange (panda_link8)',
  eeFromTool: aheadAlongZ(0.15),
};

export const exteriorZed = (name: string): CameraSpec => ({ ...scene(name), assumed: ZED2 });

export const wristZed = (name: string): CameraSpec => ({
  ...hand(name),
  assumed: ZED_MINI,
  mean: { eeFromCam: WRIST_MOUNT, metres: 0.05, radians: Math.PI / 18 },
});
