/** AgiBot's G1 (`a2d`) as all releases of AgiBotWorld describe it: two arms, a head camera, cameras on the hands. Facts: formats §2. */
import { PrepError } from '../../schemas/errors.ts';
import type { CameraSpec, RobotSpec } from '../../schemas/spec.ts';
import { member } from '../fields/columns.ts';
import { hand } from './cameras.ts';
import { aheadAlongZ } from './tools.ts';

/** Pinhole cameras; the fisheye views have no pinhole intrinsics and are left out. */
export const CAMERAS = ['head', 'hand_right', 'hand_left'] as const;
/** Index in the arrays of two: left first. */
export const ARMS = [1, 0] as const;
/** One arm's numbers of an array for both, `width` for each. */
export const ofArm = (values: Float64Array, width: number, arm: number): Float64Array =>
  member(values, { width, count: 2, of: arm });
/** Reading of a closed gripper, degrees of the actuator. */
const CLOSED = 120;

export const G1: RobotSpec = {
  arms: 2,
  hz: 30,
  eeOrigin: 'flange (arm link 7)',
  eeFromTool: aheadAlongZ(0.143),
};

export const G1_CAMERAS: readonly CameraSpec[] = [
  { name: 'head', mount: 'moving', roles: ['third'], principalPoint: 'centre' },
  hand('hand_right', 0),
  hand('hand_left', 1),
];

/** @throws PrepError `no-openness` where each hand has more than one joint */
export function requireGrippers(columns: number, field: string): void {
  if (columns === 2) return;
  throw new PrepError({
    code: 'no-openness',
    at: { field },
    expected: 'a gripper per arm (2 columns)',
    found: `${columns} columns: dexterous hands`,
  });
}

/**
 * Degrees of the actuator, 0 (some units 35) open … 120 closed; other units count from 0 closed to −45° (or −π/4) open.
 * Both grippers of a robot are of one kind: what the one shows says how the other, which may rest at 0, is read.
 */
export function openness(values: Float64Array, field: string): Float64Array {
  const low = values.reduce((least, x) => Math.min(least, x), Number.POSITIVE_INFINITY);
  const high = values.reduce((most, x) => Math.max(most, x), Number.NEGATIVE_INFINITY);
  if (high <= 0 && low < 0 && low >= -Math.PI / 4 - 0.01) return values.map((x) => -x / (Math.PI / 4));
  if (high <= 0 && low < 0 && low >= -45.5) return values.map((x) => -x / 45);
  if (low < -5 || high > 1.1 * CLOSED)
    throw new PrepError({
      code: 'bad-value',
      at: { field },
      expected: 'actuator degrees from 0 to 120',
      found: `${low} to ${high}`,
    });
  return values.map((x) => 1 - Math.min(1, Math.max(0, x / CLOSED)));
}

/**
 * Openness that was commanded to one gripper: 0 open … 1 closed in the recording. A stream that is shorter than the states
 * has a list of the steps at which a command was sent; in between the measured openness stands.
 */
export function commandedWhereSent(
  { sent, index }: { readonly sent: Float64Array; readonly index: Float64Array },
  measured: Float64Array,
): Float64Array {
  const values = sent.map((x) => 1 - x);
  if (values.length === measured.length) return values;
  const out = Float64Array.from(measured);
  for (const [i, step] of index.entries()) if (step < out.length && i < values.length) out[step] = values[i]!;
  return out;
}

/** Measured openness that no open gripper rests at (some units rest at 0.7). */
const CLOSING = 0.5;

/**
 * Whether commands to the grippers are commands where absent ones are zeros: 0 is the command to stay open, and is one where
 * the joints were commanded too and the gripper stayed open.
 */
export function wereSent(
  { grippers, joints }: { readonly grippers: Float64Array; readonly joints: Float64Array | null },
  measured: Float64Array,
): boolean {
  if (grippers.some((x) => x !== 0)) return true;
  const moved = joints?.some((x) => x !== 0) ?? false;
  return moved && measured.every((x) => x > CLOSING);
}
