/** Where the base of a simulated Franka stands in the world, from the recorded places of its Robotiq's fingertips. Facts: formats §4.3. */
import { type Place, PrepError } from '../../schemas/errors.ts';
import { type Rigid, rotationFromEuler } from '../../schemas/geometry.ts';
import { posesOfSeries } from '../../schemas/pose-series.ts';
import type { PoseSeries } from '../../schemas/source.ts';

/** From the EE's origin to the middle between the fingertips along its z, m; fits give 0.1579 … 0.1581. */
export const FINGERS = 0.158;
/** Fingers are open where the first joint reads less, rad. */
const OPEN_JOINT = 0.02;
/** A base that the finger trace places within this (standard deviation, m) is placed. */
const SPREAD = 5e-4;

/** Over steps with open fingers: `mean(trace[1], trace[6]) = base + p + 0.158 · z`, the base's rotation being the identity. */
export function baseFromTrace(
  { payloads, field }: { readonly payloads: readonly Uint8Array[]; readonly field: string },
  { series, joint }: { readonly series: PoseSeries; readonly joint: Float64Array },
): Rigid<'world', 'base'> | null {
  const traces = payloads.map((bytes, step) => traceOf(bytes, { step, field }));
  const offsets = posesOfSeries(series).flatMap(({ r, t }, step) => {
    const trace = traces[step]!;
    if (joint[step]! >= OPEN_JOINT) return [];
    return [[0, 1, 2].map((k) => (trace[3 + k]! + trace[18 + k]!) / 2 - t[k]! - FINGERS * r[3 * k + 2]!)];
  });
  if (offsets.length === 0) return null;
  const mean = [0, 1, 2].map((k) => offsets.reduce((sum, one) => sum + one[k]!, 0) / offsets.length);
  const spread = [0, 1, 2].map((k) =>
    Math.sqrt(offsets.reduce((sum, one) => sum + (one[k]! - mean[k]!) ** 2, 0) / offsets.length),
  );
  if (Math.max(...spread) > SPREAD)
    throw new PrepError({
      code: 'bad-value',
      at: { field },
      expected: `a base that stands still (spread below ${SPREAD} m)`,
      found: `${Math.max(...spread).toPrecision(3)} m`,
    });
  return { r: rotationFromEuler([0, 0, 0], 'extrinsic-xyz'), t: Float64Array.from(mean) };
}

/** One documented payload: 33 little-endian float64 behind the bytes `B` + 264. It is never unpickled. */
function traceOf(bytes: Uint8Array, at: Place): Float64Array {
  const head = [0x42, 0x08, 0x01, 0, 0];
  const start = bytes.findIndex((_, i) => head.every((byte, k) => bytes[i + k] === byte));
  if (start < 0 || start + head.length + 264 > bytes.length)
    throw new PrepError({
      code: 'bad-pickle',
      at,
      expected: '33 float64 behind 42 08 01 00 00',
      found: `${bytes.length} other bytes`,
    });
  const view = new DataView(bytes.buffer, bytes.byteOffset + start + head.length, 264);
  return Float64Array.from({ length: 33 }, (_, i) => view.getFloat64(8 * i, true));
}
