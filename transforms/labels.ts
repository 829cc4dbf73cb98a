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
  /** Seconds of each step where the clock is `timestamps`; null where step / hz is the time. */
  readonly time: Float64Array | null;
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

/** One arm at one target time per step: rotations 9·T, positions 3·T, commanded openness T. */
interface Resampled {
  readonly r: Float64Array;
  readonly p: Float64Array;
  readonly open: Float64Array;
}

/** Where the target of step i lies: entry `j(i)` of `track(i)`; `inside` the episode, or held at its nearer end. */
interface Target {
  track(i: number): Resampled;
  j(i: number): number;
  inside(i: number): boolean;
}

/** @param arm poses and openness of T steps. @returns labels of all T steps. */
export function armLabels(arm: ArmTrack, reference: ReferenceFrame, options: ChunkOptions): ArmLabels {
  const count = arm.baseFromEe.length;
  const now = resample(arm, (i) => i, options);
  const target = options.time ? targetsByTime(arm, options.time, options) : targetsByIndex(arm, now, options);
  const action = new Float32Array(count * options.steps * VECTOR);
  const valid = new Int16Array(count);
  for (let k = 1; k <= options.steps; k++) {
    const { track, j, inside } = target(k);
    for (let i = 0; i < count; i++) {
      const o = (i * options.steps + k - 1) * VECTOR;
      writeMotion(action, o, { now, i, track: track(i), j: j(i), reference, options });
      if (inside(i)) valid[i] = k;
    }
  }
  const history = new Float32Array(count * VECTOR);
  const historyValid = new Uint8Array(count);
  const before = target(-1);
  for (let i = 0; i < count; i++) {
    historyValid[i] = before.inside(i) ? 1 : 0;
    writeMotion(history, i * VECTOR, { now, i, track: before.track(i), j: before.j(i), reference, options });
  }
  return { action, valid, history, historyValid, proprio: proprioception(arm, now, reference, options) };
}

/** `u = i + k·dt·hz`: the fraction is the same for all steps, so a few resampled tracks serve all k. */
function targetsByIndex(arm: ArmTrack, now: Resampled, options: ChunkOptions): (k: number) => Target {
  const last = arm.baseFromEe.length - 1;
  const tracks = new Map<number, Resampled>([[0, now]]);
  return (k) => {
    const offset = k * options.dt * options.hz;
    const near = Math.abs(offset - Math.round(offset)) < STEP_TOLERANCE;
    const whole = near ? Math.round(offset) : Math.floor(offset);
    const fraction = near ? 0 : offset - whole;
    const key = Math.round(fraction * 1e9);
    const track = tracks.get(key) ?? resample(arm, (i) => Math.min(i + fraction, last), options);
    tracks.set(key, track);
    const before = (i: number): boolean => i + offset < -STEP_TOLERANCE;
    return {
      track: (i) => (before(i) ? now : track),
      j: (i) => (before(i) ? 0 : Math.min(Math.max(i + whole, 0), last)),
      inside: (i) => !before(i) && i + offset <= last + STEP_TOLERANCE,
    };
  };
}

/** `u` = the interpolated index of the time `t(i) + k·dt`; beyond the ends it goes on at the nominal rate. */
function targetsByTime(arm: ArmTrack, time: Float64Array, options: ChunkOptions): (k: number) => Target {
  const last = time.length - 1;
  const indexAt = (t: number, from: number): number => {
    if (t >= time[last]!) return last + (t - time[last]!) * options.hz;
    if (t <= time[0]!) return (t - time[0]!) * options.hz;
    let i = from;
    while (i > 0 && time[i]! > t) i--;
    while (time[i + 1]! <= t) i++;
    return i + (t - time[i]!) / (time[i + 1]! - time[i]!);
  };
  return (k) => {
    const u = time.map((t, i) => indexAt(t + k * options.dt, i));
    const track = resample(arm, (i) => Math.min(Math.max(recorded(u[i]!), 0), last), options);
    return {
      track: () => track,
      j: (i) => i,
      inside: (i) => u[i]! >= -STEP_TOLERANCE && u[i]! <= last + STEP_TOLERANCE,
    };
  };
}

/** A fractional step that lies within the tolerance of a recorded one is that one. */
const recorded = (u: number): number => (Math.abs(u - Math.round(u)) < STEP_TOLERANCE ? Math.round(u) : u);

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
 * The arm at fractional step `u(i)` (0 … T − 1) for every step i: rotation on SO(3), translation and openness linearly.
 * The tool is put on after that: it is rigid to the EE between recorded steps too, so `t' = t + (R − I)·R_ce·d` holds there.
 */
function resample(arm: ArmTrack, u: (i: number) => number, { interpolation, eeFromTool }: ChunkOptions): Resampled {
  const count = arm.baseFromEe.length;
  const out = { r: new Float64Array(9 * count), p: new Float64Array(3 * count), open: new Float64Array(count) };
  for (let i = 0; i < count; i++) {
    const whole = Math.floor(u(i));
    const fraction = u(i) - whole;
    const next = Math.min(whole + 1, count - 1);
    const a = arm.baseFromEe[whole]!;
    const ee = fraction === 0 ? a : interpolate(a, arm.baseFromEe[next]!, fraction);
    const pose = eeFromTool ? compose<'base', 'ee', 'tool'>(ee, eeFromTool) : ee;
    out.r.set(pose.r, 9 * i);
    out.p.set(pose.t, 3 * i);
    const [g, h] = [arm.opennessCommanded[whole]!, arm.opennessCommanded[next]!];
    out.open[i] = interpolation === 'hold' ? g : g + fraction * (h - g);
  }
  return out;
}
