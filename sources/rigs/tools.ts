/** Where the fingertips are in the frame of the published end effector: `eeFromTool`, 4×4 row-major (see `RobotSpec`). */

/** `metres` ahead along z of the end effector, whose fingers open along y. */
export const aheadAlongZ = (metres: number): number[] => [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, metres, 0, 0, 0, 1];

/** `metres` ahead along x of the end effector, which is then z of the tool. */
export const aheadAlongX = (metres: number): number[] => [0, 0, 1, metres, 0, 1, 0, 0, -1, 0, 0, 0, 0, 0, 0, 1];
