/** Labels, cameras and flags of one kept episode as the columns of its step rows, and its track. No pixels here. */
import { type Camera, type Episode, type FlagRun, ROLES, type Role, type Track } from '../schemas/episode.ts';
import { identityRotation, rigidFromMatrix, toMatrix34 } from '../schemas/geometry.ts';
import type { LabelOptions } from '../schemas/options.ts';
import { armBit, CAMERA_NUMBERS, HISTORY_BIT, presentBit, VECTOR } from '../schemas/row.ts';
import type { RobotSpec } from '../schemas/spec.ts';
import { flagColumn } from './flags.ts';
import { type ArmLabels, armLabels, type ReferenceFrame } from './labels.ts';
import { type Fit, fitIntrinsics } from './letterbox.ts';
import type { Cast } from './roles.ts';

/** What the numbers of an episode's rows are made of; nothing here needs a frame. */
export interface LabelInput {
  readonly steps: number;
  readonly arms: Episode['arms'];
  readonly robot: RobotSpec;
  readonly hz: number;
  /** Seconds of each step. */
  readonly time: Float64Array;
  readonly clock: 'index' | 'timestamps';
  readonly cast: Cast;
  readonly flagRuns: readonly FlagRun[];
  /** Roles of the table in order, arms of the table (the dataset's most). */
  readonly table: { readonly roles: readonly Role[]; readonly arms: number };
  readonly labels: LabelOptions;
  readonly fit: Fit;
}

export interface LabelColumns {
  readonly action: Float32Array;
  readonly actionValid: Int16Array;
  readonly history: Float32Array;
  readonly proprio: Float32Array;
  readonly camera: Float32Array;
  readonly present: Int32Array;
  readonly flags: Int32Array;
}

/** All numbers of all steps. Absent arms are 0 with bit 0; unknown camera numbers are NaN with bit 0. */
export function labelColumns(input: LabelInput): LabelColumns {
  const arms = input.arms.map((arm) => labelsOfArm(arm, input));
  const chunk = input.labels.steps * VECTOR;
  return {
    action: interleave(
      arms.map((arm) => arm.action),
      input,
      chunk,
    ),
    actionValid: arms[0]!.valid,
    history: interleave(
      arms.map((arm) => arm.history),
      input,
      VECTOR,
    ),
    proprio: interleave(
      arms.map((arm) => arm.proprio),
      input,
      VECTOR,
    ),
    camera: cameraColumn(input),
    present: presentColumn(input, arms[0]!.historyValid),
    flags: flagColumn(input.steps, input.flagRuns),
  };
}

function labelsOfArm(arm: Episode['arms'][number], input: LabelInput): ArmLabels {
  const { robot, labels, hz } = input;
  const eeFromTool =
    labels.tool === 'canonical' && robot.eeFromTool ? rigidFromMatrix<'ee', 'tool'>(robot.eeFromTool) : null;
  const time = input.clock === 'timestamps' ? input.time : null;
  return armLabels(arm, referenceFrame(input.cast), { hz, time, ...labels, eeFromTool });
}

function referenceFrame({ reference }: Cast): ReferenceFrame {
  if (reference === null) return { rotations: [identityRotation()], origins: [new Float64Array(3)] };
  const poses = reference.baseFromCam!;
  return {
    rotations: poses.map((pose) => pose.r),
    origins: reference.translationKnown ? poses.map((pose) => pose.t) : null,
  };
}

/** Arm-major within a step: `[step][arm][width]`; arms the episode lacks stay 0. */
function interleave(arms: readonly Float32Array[], input: LabelInput, width: number): Float32Array {
  if (input.table.arms === 1) return arms[0]!;
  const out = new Float32Array(input.steps * input.table.arms * width);
  for (const [slot, values] of arms.entries())
    for (let i = 0; i < input.steps; i++)
      out.set(values.subarray(i * width, (i + 1) * width), (i * input.table.arms + slot) * width);
  return out;
}

function cameraColumn({ steps, table, cast, fit }: LabelInput): Float32Array {
  const stride = table.roles.length * CAMERA_NUMBERS;
  const out = new Float32Array(steps * stride).fill(Number.NaN);
  for (const [slot, role] of table.roles.entries()) {
    const camera = cast.roles[role];
    if (!camera) continue;
    const k = camera.intrinsics && fitIntrinsics(camera.intrinsics, camera, fit);
    for (let i = 0; i < steps; i++) {
      const o = i * stride + slot * CAMERA_NUMBERS;
      if (k) out.set([k.fx, k.fy, k.cx, k.cy], o);
      const poses = camera.baseFromCam;
      if (poses) out.set(toMatrix34(poses[poses.length === 1 ? 0 : i]!), o + 4);
    }
  }
  return out;
}

function presentColumn({ steps, cast, arms }: LabelInput, historyValid: Uint8Array): Int32Array {
  let bits = arms.reduce((sum, _, slot) => sum | armBit(slot), 0);
  for (const role of ROLES) {
    const camera = cast.roles[role];
    if (!camera) continue;
    bits |= presentBit(role, 'image');
    if (camera.intrinsics) bits |= presentBit(role, 'intrinsics');
    if (camera.baseFromCam) bits |= presentBit(role, 'rotation');
    if (camera.baseFromCam && camera.translationKnown) bits |= presentBit(role, 'translation');
  }
  return Int32Array.from({ length: steps }, (_, i) => bits | (historyValid[i] ? HISTORY_BIT : 0));
}

/** Poses and openness for the tracks table. `release` is what `prep relabel` will need again, as JSON. */
export function trackOf(
  episode: Pick<Episode, 'steps' | 'arms' | 'time'>,
  cameras: readonly Camera[],
  release: string,
): Track {
  const { steps, arms } = episode;
  const join = (pick: (arm: Episode['arms'][number]) => Float64Array): Float64Array => {
    const out = new Float64Array(arms.length * steps);
    for (const [slot, arm] of arms.entries()) out.set(pick(arm), slot * steps);
    return out;
  };
  const poses = new Float64Array(arms.length * steps * 7);
  for (const [slot, arm] of arms.entries())
    for (const [i, pose] of arm.baseFromEe.entries())
      poses.set([...pose.t, ...arm.orientation.subarray(4 * i, 4 * i + 4)], (slot * steps + i) * 7);
  return {
    time: episode.time,
    baseFromEe: poses,
    opennessMeasured: join((arm) => arm.opennessMeasured),
    opennessCommanded: join((arm) => arm.opennessCommanded),
    cameras: cameras.map(({ name, width, height, intrinsics: k, baseFromCam }) => ({
      name,
      width,
      height,
      k: k ? [k.fx, k.fy, k.cx, k.cy] : [],
      baseFromCam: Float64Array.from((baseFromCam ?? []).flatMap(toMatrix34)),
    })),
    release,
  };
}
