/**
 * Rigid transforms typed by their frames. `Rigid<'base', 'ee'>` maps ee coordinates to base coordinates and is the pose
 * of ee in base: `p_base = baseFromEe · p_ee`. Names cancel when multiplied, and a product whose inner names differ does
 * not compile. float64 throughout, matrices row-major, metres and radians.
 */
import { type Place, PrepError } from './errors.ts';

declare const frames: unique symbol;

/** Rotation matrix, 9 numbers row-major. The brand exists for the compiler only; a function makes it invariant in both names. */
export type Rotation<To extends string, From extends string> = Float64Array & {
  readonly [frames]: (names: [To, From]) => [To, From];
};
export interface Rigid<To extends string, From extends string> {
  readonly r: Rotation<To, From>;
  /** Origin of `From` in `To`, metres. */
  readonly t: Float64Array;
}
/** A rigid transform whose frames do not matter to the function that takes it. */
export interface AnyRigid {
  readonly r: ArrayLike<number>;
  readonly t: ArrayLike<number>;
}
/** Euler kinds spelled out. `extrinsic-xyz` = scipy `"xyz"` = Rz(c)·Ry(b)·Rx(a); `intrinsic-xyz` = scipy `"XYZ"` = Rx(a)·Ry(b)·Rz(c). */
export type EulerKind = 'extrinsic-xyz' | 'intrinsic-xyz' | 'extrinsic-zyx' | 'intrinsic-zyx';
export type QuaternionOrder = 'wxyz' | 'xyzw';
export type Rot6dLayout = 'rows' | 'columns';

/** Largest |RᵀR − I| of a published rotation that still counts as rounded, not broken (formats, rule 1). */
export const ORTHONORMAL_TOLERANCE = 1e-3;

/** The one place where 9 numbers get their frames; callers have made sure that they are a rotation. */
const named = <To extends string, From extends string>(m: ArrayLike<number>) =>
  Float64Array.from(m) as Rotation<To, From>;

export function identityRotation<To extends string, From extends string>(): Rotation<To, From> {
  return named([1, 0, 0, 0, 1, 0, 0, 0, 1]);
}

/** `aFromC = aFromB · bFromC` for rotations. */
export function composeRotations<A extends string, B extends string, C extends string>(
  aFromB: Rotation<A, B>,
  bFromC: Rotation<NoInfer<B>, C>,
): Rotation<A, C> {
  const out = new Float64Array(9) as Rotation<A, C>;
  for (let i = 0; i < 3; i++)
    for (let j = 0; j < 3; j++)
      out[3 * i + j] =
        aFromB[3 * i]! * bFromC[j]! + aFromB[3 * i + 1]! * bFromC[3 + j]! + aFromB[3 * i + 2]! * bFromC[6 + j]!;
  return out;
}

/** The inverse of a rotation, which is its transpose. */
export function invertRotation<A extends string, B extends string>(m: Rotation<A, B>): Rotation<B, A> {
  return named([m[0]!, m[3]!, m[6]!, m[1]!, m[4]!, m[7]!, m[2]!, m[5]!, m[8]!]);
}

/** Rotates a free vector (3): no translation. */
export function rotate(m: ArrayLike<number>, v: ArrayLike<number>): Float64Array {
  const [x, y, z] = [v[0]!, v[1]!, v[2]!];
  return new Float64Array([
    m[0]! * x + m[1]! * y + m[2]! * z,
    m[3]! * x + m[4]! * y + m[5]! * z,
    m[6]! * x + m[7]! * y + m[8]! * z,
  ]);
}

/** `aFromC = aFromB · bFromC`. */
export function compose<A extends string, B extends string, C extends string>(
  aFromB: Rigid<A, B>,
  bFromC: Rigid<NoInfer<B>, C>,
): Rigid<A, C> {
  const t = rotate(aFromB.r, bFromC.t);
  for (let i = 0; i < 3; i++) t[i] = t[i]! + aFromB.t[i]!;
  return { r: composeRotations<A, B, C>(aFromB.r, bFromC.r), t };
}

export function invert<A extends string, B extends string>(aFromB: Rigid<A, B>): Rigid<B, A> {
  const r = invertRotation(aFromB.r);
  return { r, t: rotate(r, aFromB.t).map((x) => -x) };
}

/** A point (3, metres) given in `From`, expressed in `To`. */
export function transformPoint(m: AnyRigid, p: ArrayLike<number>): Float64Array {
  const out = rotate(m.r, p);
  for (let i = 0; i < 3; i++) out[i] = out[i]! + m.t[i]!;
  return out;
}

export function determinant(m: ArrayLike<number>): number {
  return (
    m[0]! * (m[4]! * m[8]! - m[5]! * m[7]!) -
    m[1]! * (m[3]! * m[8]! - m[5]! * m[6]!) +
    m[2]! * (m[3]! * m[7]! - m[4]! * m[6]!)
  );
}

/** Angle of the rotation between two rotations, radians in [0, π]; exact near 0, where arccos of the trace is not. */
export function angleBetween<A extends string, B extends string>(a: Rotation<A, B>, b: Rotation<A, B>): number {
  const q = quaternionWxyz(composeRotations<B, A, B>(invertRotation(a), b));
  return 2 * Math.atan2(Math.hypot(q[1]!, q[2]!, q[3]!), Math.abs(q[0]!));
}

/**
 * A rotation from 9 published numbers, row-major. Rounded numbers are orthonormalised; anything else is refused.
 * @throws PrepError `not-rigid` with the value: not 9 numbers, not finite, |RᵀR − I| > 1e-3, determinant −1.
 */
export function rotationFromMatrix<To extends string, From extends string>(
  m: ArrayLike<number>,
  at: Place = {},
): Rotation<To, From> {
  const values = finite(m, 9, 'a rotation matrix of 9 numbers', at);
  let worst = 0;
  for (let i = 0; i < 3; i++)
    for (let j = 0; j < 3; j++) {
      const dot = values[i]! * values[j]! + values[3 + i]! * values[3 + j]! + values[6 + i]! * values[6 + j]!;
      worst = Math.max(worst, Math.abs(dot - (i === j ? 1 : 0)));
    }
  if (worst > ORTHONORMAL_TOLERANCE)
    throw notRigid('an orthonormal matrix (|RᵀR − I| ≤ 0.001)', `not orthonormal by ${worst.toPrecision(3)}`, m, at);
  if (determinant(values) < 0) throw notRigid('determinant +1', 'determinant -1 (a reflection)', m, at);
  return rotationFromQuaternion(quaternionWxyz(values), 'wxyz', at);
}

/** @throws PrepError `not-rigid` for a quaternion that is not finite or shorter than 0.5 / longer than 2 (zero-filled, not a rotation). */
export function rotationFromQuaternion<To extends string, From extends string>(
  q: ArrayLike<number>,
  order: QuaternionOrder,
  at: Place = {},
): Rotation<To, From> {
  const v = finite(q, 4, `a quaternion (${order}) of 4 numbers`, at);
  const [w, x, y, z] = order === 'wxyz' ? [v[0]!, v[1]!, v[2]!, v[3]!] : [v[3]!, v[0]!, v[1]!, v[2]!];
  const norm = Math.hypot(w, x, y, z);
  if (norm < 0.5 || norm > 2) throw notRigid('a unit quaternion', `length ${norm.toPrecision(3)}`, q, at);
  const s = 2 / (norm * norm);
  return named([
    1 - s * (y * y + z * z),
    s * (x * y - w * z),
    s * (x * z + w * y),
    s * (x * y + w * z),
    1 - s * (x * x + z * z),
    s * (y * z - w * x),
    s * (x * z - w * y),
    s * (y * z + w * x),
    1 - s * (x * x + y * y),
  ]);
}

/** @throws PrepError `not-finite`, or `not-rigid` if there are not three. */
export function rotationFromEuler<To extends string, From extends string>(
  angles: ArrayLike<number>,
  kind: EulerKind,
  at: Place = {},
): Rotation<To, From> {
  const v = finite(angles, 3, `three ${kind} angles`, at);
  const about = (axis: number, angle: number): Rotation<'turned', 'turned'> => {
    const [c, s] = [Math.cos(angle), Math.sin(angle)];
    const m = identityRotation<'turned', 'turned'>();
    const [i, j] = [(axis + 1) % 3, (axis + 2) % 3];
    [m[4 * i], m[3 * i + j], m[3 * j + i], m[4 * j]] = [c, -s, s, c];
    return m;
  };
  const axes = kind.endsWith('xyz') ? [0, 1, 2] : [2, 1, 0];
  const turns = axes.map((axis, i) => about(axis, v[i]!));
  // Extrinsic: each further rotation is about a fixed axis, so it stands to the left.
  const ordered = kind.startsWith('extrinsic') ? turns.reverse() : turns;
  return named(ordered.reduce((left, right) => composeRotations(left, right)));
}

/** Rotation vector: axis · angle (rad), of any length. @throws PrepError `not-finite`, or `not-rigid` if there are not three. */
export function rotationFromVector<To extends string, From extends string>(
  vector: ArrayLike<number>,
  at: Place = {},
): Rotation<To, From> {
  const v = finite(vector, 3, 'a rotation vector of 3 numbers', at);
  const half = Math.hypot(...v) / 2;
  // sin(x)/x near 0, where the quotient loses its digits.
  const s = half < 1e-8 ? 0.5 : Math.sin(half) / (2 * half);
  return rotationFromQuaternion([Math.cos(half), v[0]! * s, v[1]! * s, v[2]! * s], 'wxyz', at);
}

/** Unit quaternion w x y z with w ≥ 0 (Shepperd's method: by the largest component, so no division by ~0). */
export function quaternionWxyz(m: ArrayLike<number>): Float64Array {
  const d = [
    1 + m[0]! + m[4]! + m[8]!,
    1 + m[0]! - m[4]! - m[8]!,
    1 - m[0]! + m[4]! - m[8]!,
    1 - m[0]! - m[4]! + m[8]!,
  ];
  const [a, b, c] = [m[7]! - m[5]!, m[2]! - m[6]!, m[3]! - m[1]!];
  const [e, f, g] = [m[3]! + m[1]!, m[2]! + m[6]!, m[7]! + m[5]!];
  const k = d.indexOf(Math.max(...d));
  const q = [
    [d[0]!, a, b, c],
    [a, d[1]!, e, f],
    [b, e, d[2]!, g],
    [c, f, g, d[3]!],
  ][k]!;
  const norm = Math.hypot(...q) * (q[0]! < 0 ? -1 : 1);
  return new Float64Array(q.map((x) => x / norm));
}

/** Geodesic interpolation on SO(3) from `a` (s = 0) to `b` (s = 1), the short way round. */
export function interpolateRotation<A extends string, B extends string>(
  a: Rotation<A, B>,
  b: Rotation<A, B>,
  s: number,
): Rotation<A, B> {
  const [p, q] = [quaternionWxyz(a), quaternionWxyz(b)];
  const dot = p.reduce((sum, x, i) => sum + x * q[i]!, 0);
  const sign = dot < 0 ? -1 : 1;
  const angle = 2 * Math.atan2(distance(p, q, sign), distance(p, q, -sign));
  // Below 1e-6 rad the chord and the arc agree to 1e-13.
  const [u, v] =
    angle < 1e-6 ? [1 - s, s] : [Math.sin((1 - s) * angle) / Math.sin(angle), Math.sin(s * angle) / Math.sin(angle)];
  const mixed = p.map((x, i) => u * x + sign * v * q[i]!);
  return rotationFromQuaternion<A, B>(mixed, 'wxyz');
}

const distance = (p: Float64Array, q: Float64Array, sign: number): number =>
  Math.hypot(...p.map((x, i) => x - sign * q[i]!));

/** Rotation geodesically, translation linearly, between two poses of one frame. */
export function interpolate<A extends string, B extends string>(
  a: Rigid<A, B>,
  b: Rigid<A, B>,
  s: number,
): Rigid<A, B> {
  return { r: interpolateRotation(a.r, b.r, s), t: a.t.map((x, i) => (1 - s) * x + s * b.t[i]!) };
}

/** x y z + three extrinsic-xyz angles, the usual vector of six. */
export function rigidFromVec6<To extends string, From extends string>(
  vec: ArrayLike<number>,
  at: Place = {},
): Rigid<To, From> {
  const v = finite(vec, 6, 'six numbers (x y z and extrinsic-xyz angles)', at);
  return { r: rotationFromEuler(v.subarray(3), 'extrinsic-xyz', at), t: v.slice(0, 3) };
}

/** A rigid transform from a 4×4 or 3×4 row-major matrix. @throws PrepError `not-rigid` */
export function rigidFromMatrix<To extends string, From extends string>(
  m: ArrayLike<number>,
  at: Place = {},
): Rigid<To, From> {
  const v = finite(m, m.length === 12 ? 12 : 16, 'a 3×4 or 4×4 matrix', at);
  if (v.length === 16 && Math.max(...[v[12]!, v[13]!, v[14]!, v[15]! - 1].map(Math.abs)) > 1e-6)
    throw notRigid('0 0 0 1 as the last row', `${[...v.subarray(12)].join(' ')}`, m, at);
  const r = rotationFromMatrix<To, From>([v[0]!, v[1]!, v[2]!, v[4]!, v[5]!, v[6]!, v[8]!, v[9]!, v[10]!], at);
  return { r, t: new Float64Array([v[3]!, v[7]!, v[11]!]) };
}

/** 3×4 row-major, 12 numbers. */
export function toMatrix34(m: AnyRigid): number[] {
  const [r, t] = [m.r, m.t];
  return [r[0]!, r[1]!, r[2]!, t[0]!, r[3]!, r[4]!, r[5]!, t[1]!, r[6]!, r[7]!, r[8]!, t[2]!];
}

/** The inverse of `toMatrix34`, bit for bit: for numbers that this package wrote, so they are not checked or rounded again. */
export function fromMatrix34<To extends string, From extends string>(m: ArrayLike<number>): Rigid<To, From> {
  const r = named<To, From>([m[0]!, m[1]!, m[2]!, m[4]!, m[5]!, m[6]!, m[8]!, m[9]!, m[10]!]);
  return { r, t: new Float64Array([m[3]!, m[7]!, m[11]!]) };
}

function finite(values: ArrayLike<number>, count: number, what: string, at: Place): Float64Array {
  if (values.length !== count) throw notRigid(what, `${values.length} numbers`, values, at);
  // JSON holds text and null too, and a typed array would turn both into numbers without a word.
  const typed = ArrayBuffer.isView(values) || Array.prototype.every.call(values, (x) => typeof x === 'number');
  const out = Float64Array.from(values);
  if (!typed || !out.every(Number.isFinite)) {
    const { fault } = notRigid(`${what}, all finite`, 'a value that is not finite', values, at);
    throw new PrepError({ ...fault, code: 'not-finite' });
  }
  return out;
}

function notRigid(expected: string, found: string, values: ArrayLike<number>, at: Place): PrepError {
  const shown = Array.from(values)
    .slice(0, 16)
    .map((x: unknown) => (typeof x === 'number' ? x.toPrecision(6) : (JSON.stringify(x) ?? 'nothing')));
  return new PrepError({ code: 'not-rigid', at, expected, found: `${found}: [${shown.join(', ')}]` });
}
