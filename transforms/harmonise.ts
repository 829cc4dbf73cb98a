/**
 * Rows of one dataset made alike to those of a mixture: rot6d layout, tool frame, reference camera (conventions, "EE and
 * tool" and "Re-targeting"). float64 inside, float32 out; what does not differ is returned as it was given.
 */
import { ROLES, type Role } from '../schemas/episode.ts';
import { CAMERA_NUMBERS, HISTORY_BIT, type PrepMetadata, presentBit, VECTOR } from '../schemas/row.ts';

/** What rows are made alike in. Arms and roles do not change a number, so they are not asked for here. */
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
  /** Translation (3) and rotation (9) of eeFromTool; null where the tool stays. */
  readonly eeFromTool: { readonly t: readonly number[]; readonly r: readonly number[] } | null;
  readonly reference: boolean;
}

/** What must be done to rows of a robot; null where nothing differs. */
export function numberChange(robot: string, metadata: PrepMetadata, to: NumberHarmony): NumberChange | null {
  const m = metadata.robots[robot]?.eeFromTool;
  const tool = metadata.tool === 'native' && to.tool === 'canonical' && m ? m : null;
  const change = {
    rot6d: metadata.rot6d !== to.rot6d,
    eeFromTool: tool && {
      t: [tool[3]!, tool[7]!, tool[11]!],
      r: [0, 1, 2].flatMap((i) => tool.slice(4 * i, 4 * i + 3)),
    },
    reference: metadata.reference !== to.reference,
  };
  return change.rot6d || change.eeFromTool || change.reference ? change : null;
}

/** @returns columns of the same shapes; `columns` itself where nothing differs */
export function harmonise<T extends NumberColumns>(columns: T, metadata: PrepMetadata, to: NumberHarmony): T {
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
  const layouts = { from: metadata.rot6d, to: to.rot6d };
  const motions = columns.action.length / columns.proprio.length;
  for (let step = 0; step < columns.steps; step++) {
    const turn = change.reference ? turnOf(columns, metadata, to, step) : null;
    if (turn && !turn.known) {
      out.actionValid[step] = 0;
      out.present[step] = out.present[step]! & ~HISTORY_BIT;
    }
    for (let arm = 0; arm < arms; arm++) {
      if ((columns.present[step]! & (1 << (16 + arm))) === 0) continue;
      const at = step * arms + arm;
      const work: Work = { change, layouts, turn, camFromEe: new Float64Array(9) };
      writeProprio(out.proprio, at * VECTOR, work);
      writeMotion(out.history, at * VECTOR, work);
      for (let k = 0; k < motions; k++) writeMotion(out.action, (at * motions + k) * VECTOR, work);
    }
  }
  return out;
}

interface Turn {
  /** newCamFromOldCam: rotation and translation. NaN where not known. */
  readonly r: Float64Array;
  readonly t: Float64Array;
  readonly known: boolean;
}

interface Work {
  readonly change: NumberChange;
  readonly layouts: { readonly from: 'rows' | 'columns'; readonly to: 'rows' | 'columns' };
  readonly turn: Turn | null;
  /** Rotation of the arm at the row's step in the old camera; set by `writeProprio`. */
  readonly camFromEe: Float64Array;
}

function turnOf(columns: NumberColumns, metadata: PrepMetadata, to: NumberHarmony, step: number): Turn {
  const [before, after] = [
    poseOf(columns, metadata, metadata.reference, step),
    poseOf(columns, metadata, to.reference, step),
  ];
  const r = times(transposed(after.r), before.r);
  const t = turned(
    transposed(after.r),
    [0, 1, 2].map((i) => before.t[i]! - after.t[i]!),
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
  return {
    r: [m[0]!, m[1]!, m[2]!, m[4]!, m[5]!, m[6]!, m[8]!, m[9]!, m[10]!],
    t: [m[3]!, m[7]!, m[11]!],
  };
}

function writeProprio(out: Float32Array, o: number, { change, layouts, turn, camFromEe }: Work): void {
  let p = [out[o]!, out[o + 1]!, out[o + 2]!];
  let r = rotationAt(out, o + 3, layouts.from);
  camFromEe.set(r);
  const moves = change.eeFromTool !== null || turn !== null;
  if (change.eeFromTool) {
    const arm = turned(r, change.eeFromTool.t);
    p = p.map((x, i) => x + arm[i]!);
    r = times(r, change.eeFromTool.r);
  }
  if (turn) {
    p = [...turned(turn.r, p)].map((x, i) => x + turn.t[i]!);
    r = times(turn.r, r);
  }
  if (moves) out.set(p, o);
  if (moves || change.rot6d) out.set(sixOf(r, layouts.to), o + 3);
}

/** `t' = Q·(t + (R − I)·R_ce·d)`, `R' = Q·R·Qᵀ`. */
function writeMotion(out: Float32Array, o: number, { change, layouts, turn, camFromEe }: Work): void {
  let t: ArrayLike<number> = [out[o]!, out[o + 1]!, out[o + 2]!];
  let r = rotationAt(out, o + 3, layouts.from);
  if (change.eeFromTool) {
    const arm = turned(camFromEe, change.eeFromTool.t);
    const after = turned(r, arm);
    t = [0, 1, 2].map((i) => t[i]! + after[i]! - arm[i]!);
  }
  if (turn) {
    t = turned(turn.r, t);
    r = times(times(turn.r, r), transposed(turn.r));
  }
  if (change.eeFromTool || turn) out.set(t, o);
  if (turn || change.rot6d) out.set(sixOf(r, layouts.to), o + 3);
}

/** Nine numbers, row-major, of six: the third row (or column) is the cross product. */
function rotationAt(v: Float32Array, o: number, layout: 'rows' | 'columns'): Float64Array {
  const [a0, a1, a2, b0, b1, b2] = [v[o]!, v[o + 1]!, v[o + 2]!, v[o + 3]!, v[o + 4]!, v[o + 5]!];
  const rows = [a0, a1, a2, b0, b1, b2, a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0];
  return layout === 'rows' ? Float64Array.from(rows) : transposed(rows);
}

const sixOf = (m: ArrayLike<number>, layout: 'rows' | 'columns'): number[] =>
  (layout === 'rows' ? [0, 1, 2, 3, 4, 5] : [0, 3, 6, 1, 4, 7]).map((i) => m[i]!);

const transposed = (m: ArrayLike<number>): Float64Array =>
  Float64Array.of(m[0]!, m[3]!, m[6]!, m[1]!, m[4]!, m[7]!, m[2]!, m[5]!, m[8]!);

function turned(m: ArrayLike<number>, v: ArrayLike<number>): Float64Array {
  const out = new Float64Array(3);
  for (let i = 0; i < 3; i++) out[i] = m[3 * i]! * v[0]! + m[3 * i + 1]! * v[1]! + m[3 * i + 2]! * v[2]!;
  return out;
}

function times(a: ArrayLike<number>, b: ArrayLike<number>): Float64Array {
  const out = new Float64Array(9);
  for (let i = 0; i < 3; i++)
    for (let j = 0; j < 3; j++)
      out[3 * i + j] = a[3 * i]! * b[j]! + a[3 * i + 1]! * b[3 + j]! + a[3 * i + 2]! * b[6 + j]!;
  return out;
}
