/**
 * float32 ↔ float16 and bfloat16, bit for bit as IEEE 754 says: to nearest, ties to even, subnormals kept. Whole numbers
 * throughout: Node 22 has no Float16Array, and bits survive where a JavaScript number might lose a NaN's.
 */

/** Magnitude of a float32, and the first magnitudes that are infinite, that float16 cannot hold (65 536) and that are normal in it (2^-14). */
const MAGNITUDE = 0x7fff_ffff;
const INFINITE = 0x7f80_0000;
const HALF_TOO_LARGE = 0x4780_0000;
const HALF_NORMAL = 0x3880_0000;
/** What lies between the two formats' exponents (127 − 15), in float32's place. */
const REBIAS = 112 << 23;
/** Exponent bits of float16 and bfloat16: all set in infinities and NaN. */
const HALF_INFINITE = 0x7c00;
const BRAIN_INFINITE = 0x7f80;

/** The largest finite float16 and bfloat16. */
export const HALF_MAX = 65504;
export const BRAIN_MAX = (2 - 2 ** -7) * 2 ** 127;

const bitsOf = (values: Float32Array): Int32Array => new Int32Array(values.buffer, values.byteOffset, values.length);

/** Float16 of a float32, both as bits. 65 520 and more become infinite; NaN stays one (made quiet, as processors do). */
export function halfOfBits(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & MAGNITUDE;
  if (magnitude >= HALF_TOO_LARGE)
    return sign | (magnitude > INFINITE ? 0x7e00 | ((magnitude >>> 13) & 0x3ff) : HALF_INFINITE);
  // A carry out of the mantissa is the next exponent, and out of the last exponent infinity.
  if (magnitude >= HALF_NORMAL) return sign | ((magnitude - REBIAS + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
  // Subnormal: units of 2^-24. Below half a unit nothing is left.
  const shift = 126 - (magnitude >>> 23);
  if (shift > 24) return sign;
  const mantissa = (magnitude & 0x7f_ffff) | 0x80_0000;
  const half = (1 << (shift - 1)) - 1 + ((mantissa >>> shift) & 1);
  return sign | ((mantissa + half) >>> shift);
}

/** Float32 of a float16, both as bits: exact. */
export function bitsOfHalf(half: number): number {
  const sign = (half & 0x8000) << 16;
  const magnitude = half & 0x7fff;
  if (magnitude >= HALF_INFINITE) return sign | INFINITE | ((magnitude & 0x3ff) << 13);
  if (magnitude >= 0x400) return sign | ((magnitude << 13) + REBIAS);
  if (magnitude === 0) return sign;
  const shift = Math.clz32(magnitude) - 21;
  return sign | ((113 - shift) << 23) | (((magnitude << shift) & 0x3ff) << 13);
}

function brainOfBits(bits: number): number {
  if ((bits & MAGNITUDE) > INFINITE) return (bits >>> 16) | 0x40;
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

/** Writes float16 bits into `into`. @returns how many are not finite: infinite, NaN or too large */
export function encodeHalf(values: Float32Array, into: Uint16Array): number {
  const bits = bitsOf(values);
  let unfit = 0;
  for (let i = 0; i < bits.length; i++) {
    const half = halfOfBits(bits[i]!);
    into[i] = half;
    if ((half & HALF_INFINITE) === HALF_INFINITE) unfit++;
  }
  return unfit;
}

export function decodeHalf(halves: Uint16Array, into: Float32Array): void {
  const bits = bitsOf(into);
  for (let i = 0; i < halves.length; i++) bits[i] = bitsOfHalf(halves[i]!);
}

/** Writes bfloat16 bits into `into`. @returns how many are not finite */
export function encodeBrain(values: Float32Array, into: Uint16Array): number {
  const bits = bitsOf(values);
  let unfit = 0;
  for (let i = 0; i < bits.length; i++) {
    const brain = brainOfBits(bits[i]!);
    into[i] = brain;
    if ((brain & BRAIN_INFINITE) === BRAIN_INFINITE) unfit++;
  }
  return unfit;
}

export function decodeBrain(brains: Uint16Array, into: Float32Array): void {
  const bits = bitsOf(into);
  for (let i = 0; i < brains.length; i++) bits[i] = brains[i]! << 16;
}
