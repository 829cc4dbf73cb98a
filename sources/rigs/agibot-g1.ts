/** AgiBot's G1 (`a2d`) as all releases of AgiBotWorld describe it: two arms, a head camera, cameras on the hands. Facts: formats §2. */
import { PrepError } from '../../schemas/errors.ts';
import type { CameraSpec, RobotSpec } from '../../schemas/spec.ts';

/** Pinhole cameras; the fisheye views have no pinhole intrinsics and are left out. */
export const CAMERAS = ['head', 'hand_right', 'hand_left'] as const;
/** Index in the arrays of two: left first. */
export const ARMS = [1, 0] as const;
/** Reading of a closed gripper, degrees of the actuator. */
const CLOSED = 120;

export const G1: RobotSpec = {
  arms: 2,
  hz: 30,
  eeOrigin: 'flange (arm link 7)',
  eeFromTool: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0.143, 0, 0, 0, 1],
};

const hand = (name: string, arm: 0 | 1): CameraSpec => ({
  name,
  mount: 'hand',
  arm,
  roles: [arm === 0 ? 'wrist' : 'wrist2'],
  principalPoint: 'centre',
});

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
