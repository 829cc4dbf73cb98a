/**
 * Rows of one dataset made alike to those of a mixture, many at once: rot6d layout, tool frame, reference camera
 * (conventions, "EE and tool" and "Re-targeting"). The formulas of `schemas/action-geometry.ts` in flat loops, because they
 * run 33 times per row and arm. float64 inside, float32 out; what does not differ is returned as it was given.
 */
import { ROLES, type Role } from '../schemas/episode.ts';
import { armBit, CAMERA_NUMBERS, HISTORY_BIT, type PrepMetadata, presentBit, VECTOR } from '../schemas/row.ts';

/** What rows are made alike in. Slots of arms and cameras do not change a number, so they are not asked for here. */
export interface NumberHarmony {
  readonly reference: 'third' | 'wrist' | 'base';
  readonly tool: 'native' | 'canonical';
  readonly rot6d: 'rows' | 'columns';
}

/** Columns of rows of one robot; shapes as in the step row. `camera` is needed only where the reference changes. */
export interface NumberColumns {
  readonly steps: number;
  readonly robot: string;
  readonly action: Float32Array;
  readonly actionValid: Int16Array;
  readonly history: Float32Array;
  readonly proprio: Float32Array;
  readonly camera: Float32Array;
  readonly present: Int32Array;
}

export interface NumberChange {
  readonly rot6d: boolean;
  /** From the frame that poses are stored for to the wanted one: translation (3), rotation (9). Null where the tool stays. */
  readonly tool: { readonly t: readonly number[]; readonly r: readonly number[] } | null;
  readonly reference: boolean;
}

/** What must be done to rows of a robot; null where nothing differs. */
export function numberChange(robot: string, metadata: PrepMetadata, to: NumberHarmony): NumberChange | null {
  const m = metadata.robots[robot]?.eeFromTool;
  const change = {
    rot6d: metadata.rot6d !== to.rot6d,
    tool: metadata.tool === to.tool || !m ? null : toolOffset(m, to.tool),
    reference: metadata.reference !== to.reference,
  };
  return change.rot6d || change.tool || change.reference ? change : null;
}

/** Stored for the tool and wanted natively, the offset is the inverse. */
function toolOffset(m: readonly number[], tool: NumberHarmony['tool']): NonNullable<NumberChange['tool']> {
  const t = [m[3]!, m[7]!, m[11]!];
  const r = [0, 1, 2].flatMap((i) => m.slice(4 * i, 4 * i + 3));
  if (tool === 'canonical') return { t, r };
  const back = transposed(r);
  return { t: turned(back, t).map((x) => -x), r: back };
}

/** @returns columns of the same shapes; `columns` itself where nothing differs */
export function alike<T extends NumberColumns>(columns: T, metadata: PrepMetadata, to: NumberHarmony): T {
  const change = numberChange(columns.robot, metadata, to);
  if (!change) return columns;
  const out = {
    ...columns,
    action: columns.action.slice(),
    actionValid: columns.actionValid.slice(),
    history: columns.history.slice(),
    proprio: columns.proprio.slice(),
    present: columns.present.slice(),
  };
  const arms = columns.proprio.length / columns.steps / VECTOR;
  const chunk = columns.action.length / columns.steps / arms;
  for (let step = 0; step < columns.steps; step++) {
    const turn = change.reference ? turnOf(columns, metadata, to, step) : null;
    if (turn && !turn.known) {
      out.actionValid[step] = 0;
      out.present[step] = out.present[step]! & ~HISTORY_BIT;
    }
    for (let arm = 0; arm < arms; arm++) {
      if ((columns.present[step]! & armBit(arm)) === 0) continue;
      const at = step * arms + arm;
      const work: Work = { change, from: metadata.rot6d, to: to.rot6d, turn, lever: null };
      const lever = changePose(out.proprio, at * VECTOR, work);
      changeMotions(out.history, at * VECTOR, (at + 1) * VECTOR, { ...work, lever });
      changeMotions(out.action, at * chunk, (at + 1) * chunk, { ...work, lever });
    }
  }
  return out;
}

/** newCamFromOldCam; NaN where not known. */
interface Turn {
  readonly r: readonly number[];
  readonly t: readonly number[];
  readonly known: boolean;
}

interface Work {
  readonly change: NumberChange;
  readonly from: 'rows' | 'columns';
  readonly to: 'rows' | 'columns';
  readonly turn: Turn | null;
  /** `R(camFromEe)·d` in the old camera, d being the tool's offset. */
  readonly lever: readonly number[] | null;
}

function turnOf(columns: NumberColumns, metadata: PrepMetadata, to: NumberHarmony, step: number): Turn {
  const before = poseOf(columns, metadata, metadata.reference, step);
  const after = poseOf(columns, metadata, to.reference, step);
  const camFromBase = transposed(after.r);
  const r = times(camFromBase, before.r);
  const t = turned(
    camFromBase,
    before.t.map((x, i) => x - after.t[i]!),
  );
  return { r, t, known: r.every(Number.isFinite) };
}

const IDENTITY = { r: [1, 0, 0, 0, 1, 0, 0, 0, 1], t: [0, 0, 0] };
const UNKNOWN = { r: new Array<number>(9).fill(Number.NaN), t: new Array<number>(3).fill(Number.NaN) };

/** baseFromCam of a reference at a step. */
function poseOf(columns: NumberColumns, metadata: PrepMetadata, reference: Role | 'base', step: number) {
  if (reference === 'base') return IDENTITY;
  const roles = ROLES.filter((role) => metadata.roles[role] !== undefined);
  const slot = roles.indexOf(reference);
  if (slot < 0 || (columns.present[step]! & presentBit(reference, 'rotation')) === 0) return UNKNOWN;
  const from = (step * roles.length + slot) * CAMERA_NUMBERS + 4;
  const m = columns.camera.subarray(from, from + 12);
  return { r: [m[0]!, m[1]!, m[2]!, m[4]!, m[5]!, m[6]!, m[8]!, m[9]!, m[10]!], t: [m[3]!, m[7]!, m[11]!] };
}

/** `p' = p + R·d`, `R' = R·R(eeFromTool)`, then both into the new camera. @returns the lever `R·d` */
function changePose(out: Float32Array, o: number, { change, from, to, turn }: Work): readonly number[] | null {
  let p = [out[o]!, out[o + 1]!, out[o + 2]!];
  let r = rotationAt(out, o + 3, from);
  const lever = change.tool && turned(r, change.tool.t);
  if (change.tool && lever) {
    p = p.map((x, i) => x + lever[i]!);
    r = times(r, change.tool.r);
  }
  if (turn) {
    p = turned(turn.r, p).map((x, i) => x + turn.t[i]!);
    r = times(turn.r, r);
  }
  if (lever || turn) out.set(p, o);
  out.set(
    SIX[to].map((i) => r[i]!),
    o + 3,
  );
  return lever;
}

const SIX = { rows: [0, 1, 2, 3, 4, 5], columns: [0, 3, 6, 1, 4, 7] } as const;

/** `t' = Q·(t + (R − I)·lever)`, `R' = Q·R·Qᵀ`, for all vectors from `o` to `end`. */
function changeMotions(out: Float32Array, o: number, end: number, { change, from, to, turn, lever }: Work): void {
  const [l0, l1, l2] = lever ?? [0, 0, 0];
  const q = turn?.r;
  const turns = change.rot6d || turn !== null;
  for (let at = o; at < end; at += VECTOR) {
    const [a, b, c] = [out[at + 3]!, out[at + 4]!, out[at + 5]!];
    const [d, e, f] = [out[at + 6]!, out[at + 7]!, out[at + 8]!];
    // The third row, or column, of the rotation.
    const [g, h, i] = [b * f - c * e, c * d - a * f, a * e - b * d];
    const r = from === 'rows' ? [a, b, c, d, e, f, g, h, i] : [a, d, g, b, e, h, c, f, i];
    let [x, y, z] = [out[at]!, out[at + 1]!, out[at + 2]!];
    x += r[0]! * l0! + r[1]! * l1! + r[2]! * l2! - l0!;
    y += r[3]! * l0! + r[4]! * l1! + r[5]! * l2! - l1!;
    z += r[6]! * l0! + r[7]! * l1! + r[8]! * l2! - l2!;
    if (turns) {
      const after = q ? conjugated(q, r) : r;
      const six = SIX[to];
      for (let k = 0; k < 6; k++) out[at + 3 + k] = after[six[k]!]!;
    }
    out[at] = q ? q[0]! * x + q[1]! * y + q[2]! * z : x;
    out[at + 1] = q ? q[3]! * x + q[4]! * y + q[5]! * z : y;
    out[at + 2] = q ? q[6]! * x + q[7]! * y + q[8]! * z : z;
  }
}

/** Nine numbers, row-major, of six: the third row (or column) is the cross product. */
function rotationAt(v: Float32Array, o: number, layout: 'rows' | 'columns'): number[] {
  const [a0, a1, a2, b0, b1, b2] = [v[o]!, v[o + 1]!, v[o + 2]!, v[o + 3]!, v[o + 4]!, v[o + 5]!];
  const rows = [a0, a1, a2, b0, b1, b2, a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0];
  return layout === 'rows' ? rows : transposed(rows);
}

const transposed = (m: readonly number[]): number[] => [0, 3, 6, 1, 4, 7, 2, 5, 8].map((i) => m[i]!);

const turned = (m: readonly number[], v: readonly number[]): number[] =>
  [0, 3, 6].map((row) => m[row]! * v[0]! + m[row + 1]! * v[1]! + m[row + 2]! * v[2]!);

function times(a: readonly number[], b: readonly number[]): number[] {
  const out = new Array<number>(9);
  for (let i = 0; i < 9; i += 3)
    for (let j = 0; j < 3; j++) out[i + j] = a[i]! * b[j]! + a[i + 1]! * b[3 + j]! + a[i + 2]! * b[6 + j]!;
  return out;
}

/** `Q·R·Qᵀ`. */
function conjugated(q: readonly number[], r: readonly number[]): number[] {
  const left = times(q, r);
  const out = new Array<number>(9);
  for (let i = 0; i < 9; i += 3)
    for (let j = 0; j < 3; j++)
      out[i + j] = left[i]! * q[3 * j]! + left[i + 1]! * q[3 * j + 1]! + left[i + 2]! * q[3 * j + 2]!;
  return out;
}
