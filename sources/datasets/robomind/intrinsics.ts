/** Intrinsics that RoboMIND's publisher gives, one set for all cameras of a name in an embodiment. Facts: formats §7.4. */

/** fx fy cx cy that the publisher gives for each embodiment, at the size of its pictures. */
const PUBLISHED: Readonly<Record<string, Readonly<Record<string, readonly number[]>>>> = {
  franka_3rgb: {
    camera_left: [608.41, 608.31, 318.07, 256.19],
    camera_right: [609.1, 608.82, 328.12, 247.01],
    camera_top: [909.62, 908.73, 635.7, 364.51],
  },
  franka_1rgb: { camera_top: [608.78, 608.54, 322.79, 257.36] },
  franka_fr3_dual: {
    camera_left: [462.02, 462.02, 317.42, 239.2],
    camera_right: [462.48, 462.35, 321.53, 240.6],
    camera_top: [693, 692.79, 642.33, 358.94],
    camera_front: [612.86, 612.75, 641.66, 347.09],
  },
  ur_1rgb: { camera_top: [609.32, 609.75, 317.79, 257.32] },
  agilex_3rgb: {
    camera_left_wrist: [454.63, 454.63, 327.59, 238.48],
    camera_right_wrist: [454.05, 454.05, 327.88, 238.58],
    camera_front: [455.47, 455.47, 327.16, 236.71],
  },
};

/** @param embodiment the folder's name behind `h5_`; undefined where nothing is published */
export const publishedIntrinsics = (embodiment: string, camera: string): readonly number[] | undefined =>
  Object.entries(PUBLISHED).find(([key]) => embodiment.startsWith(key))?.[1][camera];
