/** Words that many lines of the table share. */
import type { Columns, Gripper, GripperRule } from './row.ts';

/** How names end of sets that their own labs converted. */
export const X = '_converted_externally_to_rlds';
export const TOLD = 'observation/natural_language_instruction';
export const JOINTS = 'only joint angles are published';
export const RPY = 'the order of the three angles is not documented and taken as roll, pitch, yaw (extrinsic xyz)';
export const POLARITY =
  'which end of its gripper command is open is not documented, published readers disagree, and 1 is taken for it';

export const action = (rule: GripperRule, from = -1): readonly Gripper[] => [{ path: 'action', from, rule }];
export const closedness = (rule: GripperRule): readonly Gripper[] => [
  { path: 'action/gripper_closedness_action', rule },
];
export const euler = (path = 'observation/state', from = 0) => [{ kind: 'xyz+extrinsic-xyz', path, from } as const];
/** Documented as yaw, pitch, roll: turns about z, y and x, each about the axes as they are then. */
export const yawPitchRoll = (path: string) => [{ kind: 'xyz+intrinsic-zyx', path } as const];
export const libfranka = (columns: Columns) => [{ kind: 'matrix-columns', ...columns } as const];
