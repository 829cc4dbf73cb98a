/**
 * RH20T's camera poses. The cameras saw one marker while the robot stood still, so the camera on the hand ties the marker
 * to the robot (`RH20TScene.extrinsics_base_aligned` of rh20t/rh20t_api@aa31244):
 *
 *     camFromBase = camFromMarker · handFromMarker⁻¹ · handFromTcp · robotFromTcp⁻¹ · robotFromBase
 *
 * with `robotFromTcp` at calibration time. "base" is the aligned base frame of `transformed/`, equal for all robots.
 */
import { PrepError } from '../../../schemas/errors.ts';
import {
  angleBetween,
  compose,
  composeRotations,
  invert,
  type Rigid,
  rigidFromMatrix,
  rotationFromEuler,
  rotationFromMatrix,
  rotationFromQuaternion,
  rotationFromVector,
} from '../../../schemas/geometry.ts';
import { isDict, isNdArray, numbersOf, type PyValue } from '../../../schemas/python-data.ts';
import type { CalibrationTcp, Rh20tConfig } from './robots.ts';

export interface Rh20tFiles {
  readonly extrinsics: PyValue;
  /** `calib/<time>/tcp.npy`. */
  readonly tcp: PyValue;
}

export interface Rh20tPoses {
  camFromBase(serial: string): Rigid<'cam', 'base'> | null;
  /** Of a camera on the hand. */
  eeFromCam(serial: string): Rigid<'ee', 'cam'> | null;
}

/** Turn between the flange that libfranka reports and the frame that the publisher uses. */
const FLIP = rotationFromMatrix<'turned', 'tcp'>([1, 0, 0, 0, -1, 0, 0, 0, -1]);

/** The camera on the hand is known by its mount alone; all others need the files. @throws PrepError `bad-value`, `not-rigid` */
export function rh20tPoses(config: Rh20tConfig, files: Rh20tFiles | null): Rh20tPoses {
  const handFromTcp = rigidFromMatrix<'hand', 'tcp'>(config.camFromTcp);
  const tcpFromEe = rigidFromMatrix<'tcp', 'ee'>(config.tcpFromEe);
  const robotFromBase = rigidFromMatrix<'robot', 'base'>(config.robotFromBase);
  const [first] = config.hands as [string];
  const chain = (serial: string): Rigid<'cam', 'hand'> | null => {
    if (!files) return null;
    const cam = fromMarker<'cam'>(files.extrinsics, serial);
    const hand = fromMarker<'hand'>(files.extrinsics, first);
    return cam && hand && compose<'cam', 'marker', 'hand'>(cam, invert(hand));
  };
  return {
    camFromBase(serial) {
      const camFromHand = chain(serial);
      if (!camFromHand || !files) return null;
      const camFromTcp = compose<'cam', 'hand', 'tcp'>(camFromHand, handFromTcp);
      const tcpFromRobot = invert(tcpThen(files.tcp, config.calibrationTcp));
      return compose<'cam', 'robot', 'base'>(compose<'cam', 'tcp', 'robot'>(camFromTcp, tcpFromRobot), robotFromBase);
    },
    eeFromCam(serial) {
      const handFromEe = compose<'hand', 'tcp', 'ee'>(handFromTcp, tcpFromEe);
      if (serial === first) return invert(handFromEe) as unknown as Rigid<'ee', 'cam'>;
      const camFromHand = chain(serial);
      return camFromHand && invert(compose<'cam', 'hand', 'ee'>(camFromHand, handFromEe));
    },
  };
}

/** A list or an array of one 4×4 matrix per camera, or the matrix itself. */
function fromMarker<Cam extends string>(extrinsics: PyValue, serial: string): Rigid<Cam, 'marker'> | null {
  const found = isDict(extrinsics) ? extrinsics.get(serial) : undefined;
  if (found === undefined || found === null) return null;
  const one = Array.isArray(found) ? found[0] : found;
  const at = { field: `extrinsics[${serial}]` };
  const numbers = isNdArray(one) ? numbersOf(one) : undefined;
  if (!numbers || numbers.length < 16)
    throw new PrepError({ code: 'bad-value', at, expected: 'a 4x4 matrix', found: 'another value' });
  return rigidFromMatrix(numbers.subarray(0, 16), at);
}

/** The end effector in the robot's own base frame, from what its controller reported. */
function tcpThen(value: PyValue, kind: CalibrationTcp): Rigid<'robot', 'tcp'> {
  const at = { field: 'calib tcp' };
  const v = numbersOf(value);
  const width = kind === 'quaternion' ? 7 : 6;
  // The publisher's code reads six numbers as angles whatever the robot: UR5 recordings with them are not known.
  if (v?.length !== width)
    throw new PrepError({ code: 'bad-value', at, expected: `${width} numbers`, found: `${v?.length ?? 'others'}` });
  const t = v.slice(0, 3);
  if (kind === 'quaternion') return { r: rotationFromQuaternion(v.subarray(3), 'wxyz', at), t };
  if (kind === 'millimetres')
    return { r: rotationFromEuler(v.subarray(3), 'extrinsic-xyz', at), t: t.map((x) => x / 1000) };
  const turned = rotationFromVector<'robot', 'turned'>(v.subarray(3), at);
  return { r: composeRotations<'robot', 'turned', 'tcp'>(turned, FLIP), t };
}

/** Two places of one camera that differ by more are not the same calibration. */
const SAME = { metres: 0.01, radians: Math.PI / 180 } as const;

export function samePlace<A extends string, B extends string>(a: Rigid<A, B>, b: Rigid<A, B>): boolean {
  const [x, y] = [invert(a), invert(b)];
  return Math.hypot(...x.t.map((one, i) => one - y.t[i]!)) <= SAME.metres && angleBetween(a.r, b.r) <= SAME.radians;
}
