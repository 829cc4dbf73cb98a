/**
 * The numbers of a row: action chunk, history and proprioception of every step of one arm (conventions, "The 10-D action").
 * Whole-episode, pure, float64 inside, float32 out. The loops are flat because they run 32 times per step;
 * `schemas/action-geometry.ts` states the same formulas one motion at a time and the tests hold the two together.
 */
import type { ArmTrack } from '../schemas/episode.ts';
import { compose, interpolate, type Rigid, type Rotation } from '../schemas/geometry.ts';
import { VECTOR } from '../schemas/row.ts';

/** The reference camera: rotation (one, or one per step) and origin in base (3 per pose), null where it is not known. */
export interface ReferenceFrame {
  readonly rotations: readonly Rotation<'base', 'cam'>[];
  readonly origins: readonly Float64Array[] | null;
}

export interface ChunkOptions {
  readonly hz: number;
  readonly dt: number;
  readonly steps: number;
  readonly rot6d: 'rows' | 'columns';
  readonly interpolation: 'linear' | 'hold';
  /** The tool whose motion is described instead of the EE's; null for the EE itself. */
  readonly eeFromTool: Rigid<'ee', 'tool'> | null;
}

export interface ArmLabels {
  /** T · steps · 10 */
  readonly action: Float32Array;
  /** T: leading chunk steps inside the episode */
  readonly valid: Int16Array;
  /** T · 10 */
  readonly history: Float32Array;
  readonly historyValid: Uint8Array;
  /** T · 10 */
  readonly proprio: Float32Array;
}

/** Tolerance within which a fractional step is the recorded one (conventions, Clock). */
const STEP_TOLERANCE = 1e-3;
const ENTRIES = { rows: [0, 1, 2, 3, 4, 5], columns: [0, 3, 6, 1, 4, 7] } as const;

/** One arm resampled at step + fraction: rotations 9·T, positions 3·T, commanded openness T. Held at the end. */
interface Resampled {
  readonly r: Float64Array;
  readonly p: Float64Array;
  readonly open: Float64Array;
}

/** @param arm poses and openness of T steps. @returns labels of all T steps. */
export function armLabels(arm: ArmTrack, reference: ReferenceFrame, options: ChunkOptions): ArmLabels {
  const count = arm.baseFromEe.length;
  const stride = options.dt * options.hz;
  const tracks = new Map<number, Resampled>();
  const at = (offset: number): { track: Resampled; whole: number } => {
    const whole = Math.abs(offset - Math.round(offset)) < STEP_TOLERANCE ? Math.round(offset) : Math.floor(offset);
    const fraction = Math.abs(offset - whole) < STEP_TOLERANCE ? 0 : offset - whole;
    const key = Math.round(fraction * 1e9);
    const track = tracks.get(key) ?? resample(arm, fraction, options);
    tracks.set(key, track);
    return { track, whole };
  };
  const now = at(0).track;
  const action = new Float32Array(count * options.steps * VECTOR);
  const valid = new Int16Array(count);
  for (let k = 1; k <= options.steps; k++) {
    const { track, whole } = at(k * stride);
    for (let i = 0; i < count; i++) {
      const target = Math.min(i + whole, count - 1);
      writeMotion(action, (i * options.steps + k - 1) * VECTOR, { now, i, track, j: target, reference, options });
      if (i + k * stride <= count - 1 + STEP_TOLERANCE) valid[i] = k;
    }
  }
  const history = new Float32Array(count * VECTOR);
  const historyValid = new Uint8Array(count);
  const before = at(-stride);
  for (let i = 0; i < count; i++) {
    const inside = i - stride >= -STEP_TOLERANCE;
    historyValid[i] = inside ? 1 : 0;
    const track = inside ? before.track : now;
    const j = inside ? Math.max(i + before.whole, 0) : 0;
    writeMotion(history, i * VECTOR, { now, i, track, j, reference, options });
  }
  return { action, valid, history, historyValid, proprio: proprioception(arm, now, reference, options) };
}

interface Motion {
  readonly now: Resampled;
  readonly i: number;
  /** The arm at the target step `j`. */
  readonly track: Resampled;
  readonly j: number;
  readonly reference: ReferenceFrame;
  readonly options: ChunkOptions;
}

/** `t = Rcb·(pj − pi)`, `R = (Rcb·Rj)·(Rcb·Ri)ᵀ`, `g = 2·openness − 1`, written at `o`. */
function writeMotion(out: Float32Array, o: number, m: Motion): void {
  const { now, i, track, j, reference } = m;
  const c = reference.rotations[reference.rotations.length === 1 ? 0 : i]!;
  const dx = track.p[3 * j]! - now.p[3 * i]!;
  const dy = track.p[3 * j + 1]! - now.p[3 * i + 1]!;
  const dz = track.p[3 * j + 2]! - now.p[3 * i + 2]!;
  for (let a = 0; a < 3; a++) out[o + a] = c[a]! * dx + c[3 + a]! * dy + c[6 + a]! * dz;
  inCamera(c, track.r, 9 * j, LEFT);
  inCamera(c, now.r, 9 * i, RIGHT);
  const entries = ENTRIES[m.options.rot6d];
  for (let e = 0; e < 6; e++) {
    const column = entries[e]! % 3;
    const [row, col] = [entries[e]! - column, 3 * column];
    out[o + 3 + e] = LEFT[row]! * RIGHT[col]! + LEFT[row + 1]! * RIGHT[col + 1]! + LEFT[row + 2]! * RIGHT[col + 2]!;
  }
  out[o + 9] = 2 * track.open[j]! - 1;
}

const LEFT = new Float64Array(9);
const RIGHT = new Float64Array(9);

/** out = cᵀ · R, R being the 9 numbers of `r` from `o`. */
function inCamera(c: Float64Array, r: Float64Array, o: number, out: Float64Array): void {
  for (let a = 0; a < 3; a++)
    for (let b = 0; b < 3; b++)
      out[3 * a + b] = c[a]! * r[o + b]! + c[3 + a]! * r[o + 3 + b]! + c[6 + a]! * r[o + 6 + b]!;
}

/** `[p(camFromEe), rot6d(R(camFromEe)), 2·openness_measured − 1]`; xyz is NaN where the camera's origin is not known. */
function proprioception(arm: ArmTrack, now: Resampled, reference: ReferenceFrame, options: ChunkOptions): Float32Array {
  const out = new Float32Array(arm.baseFromEe.length * VECTOR);
  const entries = ENTRIES[options.rot6d];
  for (let i = 0; i < arm.baseFromEe.length; i++) {
    const single = reference.rotations.length === 1 ? 0 : i;
    const c = reference.rotations[single]!;
    const origin = reference.origins?.[single];
    const d = [0, 1, 2].map((a) => (origin ? now.p[3 * i + a]! - origin[a]! : Number.NaN));
    for (let a = 0; a < 3; a++) out[i * VECTOR + a] = c[a]! * d[0]! + c[3 + a]! * d[1]! + c[6 + a]! * d[2]!;
    inCamera(c, now.r, 9 * i, LEFT);
    for (let e = 0; e < 6; e++) out[i * VECTOR + 3 + e] = LEFT[entries[e]!]!;
    out[i * VECTOR + 9] = 2 * arm.opennessMeasured[i]! - 1;
  }
  return out;
}

/**
 * The arm at `step + fraction` for every step: rotation on SO(3), translation and openness linearly, held at the end.
 * The tool is put on after that: it is rigid to the EE between recorded steps too, so `t' = t + (R − I)·R_ce·d` holds there.
 */
function resample(arm: ArmTrack, fraction: number, { interpolation, eeFromTool }: ChunkOptions): Resampled {
  const count = arm.baseFromEe.length;
  const out = { r: new Float64Array(9 * count), p: new Float64Array(3 * count), open: new Float64Array(count) };
  for (let i = 0; i < count; i++) {
    const [a, b] = [arm.baseFromEe[i]!, arm.baseFromEe[Math.min(i + 1, count - 1)]!];
    const ee = fraction === 0 ? a : interpolate(a, b, fraction);
    const pose = eeFromTool ? compose<'base', 'ee', 'tool'>(ee, eeFromTool) : ee;
    out.r.set(pose.r, 9 * i);
    out.p.set(pose.t, 3 * i);
    const [g, h] = [arm.opennessCommanded[i]!, arm.opennessCommanded[Math.min(i + 1, count - 1)]!];
    out.open[i] = interpolation === 'hold' ? g : g + fraction * (h - g);
  }
  return out;
}
