/** Rows of unlike tables made alike: rot6d layout, tool point, reference camera, slots of arms and cameras (conventions, Slots). */
import {
  type CameraMotion,
  motionOfTool,
  retargetMotion,
  rot6d,
  rotationFromRot6d,
} from '../schemas/action-geometry.ts';
import { ROLES, type Role } from '../schemas/episode.ts';
import { compose, fromMatrix34, identityRotation, invert, type Rigid, type Rotation } from '../schemas/geometry.ts';
import { CAMERA_NUMBERS, HISTORY_BIT, type PrepMetadata, presentBit, VECTOR } from '../schemas/row.ts';

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
  const motion = motionHarmoniser(from, to, roles);
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
function motionHarmoniser(from: PrepMetadata, to: Harmony, roles: readonly Role[]): Harmoniser | null {
  const { reference, tool, rot6d: layout } = to;
  if (from.reference === reference && from.tool === tool && from.rot6d === layout) return null;
  return (row) => {
    const arms = row.proprio.length / VECTOR;
    const [oldCamera, newCamera] = [cameraOf(row, from.reference, roles), cameraOf(row, reference, roles)];
    if (!newCamera || !oldCamera) return masked(row);
    const stored = from.robots[row.robot]?.eeFromTool ?? null;
    const offset = from.tool === tool || stored === null ? null : toolOffset(stored, tool);
    const change = { from, to, oldCamera, newCamera, offset };
    const [action, history, proprio] = [row.action.slice(), row.history.slice(), row.proprio.slice()];
    for (let arm = 0; arm < arms; arm++) {
      if (!(row.present & (1 << (16 + arm)))) continue;
      const pose = row.proprio.subarray(arm * VECTOR, (arm + 1) * VECTOR);
      const camFromEe = rotationFromRot6d<'cam', 'ee'>(pose.subarray(3, 9), from.rot6d);
      for (let at = arm * to.steps * VECTOR; at < (arm + 1) * to.steps * VECTOR; at += VECTOR)
        changeMotion(action.subarray(at, at + VECTOR), camFromEe, change);
      changeMotion(history.subarray(arm * VECTOR, (arm + 1) * VECTOR), camFromEe, change);
      changePose(proprio.subarray(arm * VECTOR, (arm + 1) * VECTOR), change);
    }
    return { ...row, action, history, proprio };
  };
}

interface Change {
  readonly from: PrepMetadata;
  readonly to: Harmony;
  readonly oldCamera: Rigid<'base', 'cam'>;
  readonly newCamera: Rigid<'base', 'cam'>;
  readonly offset: Rigid<'ee', 'tool'> | null;
}

/** From the frame that poses are stored for to the wanted one. */
function toolOffset(eeFromTool: readonly number[], tool: Harmony['tool']): Rigid<'ee', 'tool'> {
  const published = fromMatrix34<'ee', 'tool'>(eeFromTool.slice(0, 12));
  // Stored for the tool and wanted natively, the tool is what is stored and the flange what is wanted.
  return tool === 'canonical' ? published : (invert(published) as unknown as Rigid<'ee', 'tool'>);
}

function changeMotion(vector: Float32Array, camFromEe: Rotation<'cam', 'ee'>, change: Change): void {
  const { from, to, oldCamera, newCamera, offset } = change;
  let motion: CameraMotion = {
    t: Float64Array.from(vector.subarray(0, 3)),
    r: rotationFromRot6d<'cam', 'cam'>(vector.subarray(3, 9), from.rot6d),
  };
  if (offset) motion = motionOfTool(motion, camFromEe, offset);
  if (from.reference !== to.reference) motion = retargetMotion(oldCamera.r, newCamera.r, motion);
  vector.set(motion.t, 0);
  vector.set(rot6d(motion.r, to.rot6d), 3);
}

function changePose(vector: Float32Array, { from, to, oldCamera, newCamera, offset }: Change): void {
  let pose: Rigid<'cam', 'ee'> = {
    t: Float64Array.from(vector.subarray(0, 3)),
    r: rotationFromRot6d<'cam', 'ee'>(vector.subarray(3, 9), from.rot6d),
  };
  if (offset) pose = compose(pose, offset) as unknown as Rigid<'cam', 'ee'>;
  if (from.reference !== to.reference) {
    const base = compose<'base', 'cam', 'ee'>(oldCamera, pose);
    pose = compose<'cam', 'base', 'ee'>(invert(newCamera), base);
  }
  vector.set(pose.t, 0);
  vector.set(rot6d(pose.r, to.rot6d), 3);
}

const NOWHERE: Rigid<'base', 'cam'> = { r: identityRotation(), t: new Float64Array(3) };

/** The pose of the camera in a role (its translation NaN where unknown), null where its rotation is not known. */
function cameraOf(
  row: RowNumbers,
  reference: Harmony['reference'],
  roles: readonly Role[],
): Rigid<'base', 'cam'> | null {
  if (reference === 'base') return NOWHERE;
  const at = roles.indexOf(reference);
  if (at < 0 || !(row.present & presentBit(reference, 'rotation'))) return null;
  const numbers = row.camera.subarray(at * CAMERA_NUMBERS + 4, (at + 1) * CAMERA_NUMBERS);
  return fromMatrix34(numbers);
}

/** Actions in a frame that is not known are no actions: zeros with their masks off. */
function masked(row: RowNumbers): RowNumbers {
  return {
    ...row,
    action: new Float32Array(row.action.length),
    history: new Float32Array(row.history.length),
    proprio: new Float32Array(row.proprio.length).fill(Number.NaN),
    actionValid: 0,
    present: row.present & ~HISTORY_BIT,
  };
}
