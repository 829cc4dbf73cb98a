/** Rows of unlike tables made alike: rot6d layout, tool point, reference camera, slots of arms and cameras (conventions, Slots). */
import { ROLES, type Role } from '../schemas/episode.ts';
import { CAMERA_NUMBERS, type PrepMetadata, presentBit, VECTOR } from '../schemas/row.ts';
import { alike } from './alike.ts';

/** What rows are made alike to; part of a plan. */
export interface Harmony {
  readonly arms: number;
  readonly roles: readonly Role[];
  readonly steps: number;
  readonly dt: number;
  readonly reference: 'third' | 'wrist' | 'base';
  readonly tool: 'native' | 'canonical';
  readonly rot6d: 'rows' | 'columns';
}

/** The numbers of one row. */
export interface RowNumbers {
  readonly robot: string;
  /** arms · steps · 10 */
  readonly action: Float32Array;
  readonly actionValid: number;
  /** arms · 10 */
  readonly history: Float32Array;
  readonly proprio: Float32Array;
  /** roles · 16 */
  readonly camera: Float32Array;
  readonly present: number;
}

export type Harmoniser = (row: RowNumbers) => RowNumbers;

/** For rows of one table. What need not change is copied to the bit. @throws nothing: what cannot be had is masked */
export function harmoniser(from: PrepMetadata, to: Harmony): Harmoniser {
  const roles = ROLES.filter((role) => from.roles[role] !== undefined);
  const motion = motionHarmoniser(from, to);
  return (row) => {
    const changed = motion ? motion(row) : row;
    return {
      ...changed,
      action: padded(changed.action, to.arms * to.steps * VECTOR),
      history: padded(changed.history, to.arms * VECTOR),
      proprio: padded(changed.proprio, to.arms * VECTOR),
      camera: placed(changed.camera, roles, to.roles),
      present: presentOf(changed.present, to.roles),
    };
  };
}

/** An absent arm is zeros. */
function padded(values: Float32Array, length: number): Float32Array {
  if (values.length === length) return values;
  const out = new Float32Array(length);
  out.set(values.subarray(0, length));
  return out;
}

/** A camera that a table lacks is NaN. */
function placed(camera: Float32Array, from: readonly Role[], to: readonly Role[]): Float32Array {
  if (from.join() === to.join()) return camera;
  const out = new Float32Array(to.length * CAMERA_NUMBERS).fill(Number.NaN);
  for (const [slot, role] of to.entries()) {
    const at = from.indexOf(role);
    if (at >= 0) out.set(camera.subarray(at * CAMERA_NUMBERS, (at + 1) * CAMERA_NUMBERS), slot * CAMERA_NUMBERS);
  }
  return out;
}

/** Bits of roles that are left out go with them. */
function presentOf(present: number, roles: readonly Role[]): number {
  const gone = ROLES.filter((role) => !roles.includes(role));
  const bits = gone.flatMap((role) =>
    (['image', 'intrinsics', 'rotation', 'translation'] as const).map((what) => presentBit(role, what)),
  );
  return bits.reduce((left, bit) => left & ~bit, present);
}

/** Null where the vectors mean the same already. */
function motionHarmoniser(from: PrepMetadata, to: Harmony): Harmoniser | null {
  if (from.reference === to.reference && from.tool === to.tool && from.rot6d === to.rot6d) return null;
  return (row) => {
    const one = {
      steps: 1,
      robot: row.robot,
      action: row.action,
      actionValid: Int16Array.of(row.actionValid),
      history: row.history,
      proprio: row.proprio,
      camera: row.camera,
      present: Int32Array.of(row.present),
    };
    const { action, history, proprio, actionValid, present } = alike(one, from, to);
    const valid = actionValid[0]!;
    // Actions in a frame that is not known are no actions: zeros with their masks off.
    const lost = valid === 0 && (row.actionValid > 0 || action.some(Number.isNaN));
    return {
      ...row,
      action: lost ? new Float32Array(action.length) : action,
      history: lost ? new Float32Array(history.length) : history,
      proprio,
      actionValid: valid,
      present: present[0]!,
    };
  };
}
