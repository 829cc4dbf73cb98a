/** Poses whose position and rotation stand in two fields → one series. */
import { POSE_WIDTH, type PoseKind, type PoseSeries } from '../../schemas/source.ts';

/** @param place three numbers per pose @param turn as many per pose as `kind` has beside them */
export function placed(
  { place, turn }: { readonly place: Float64Array; readonly turn: Float64Array },
  kind: Exclude<PoseKind, 'matrix' | 'matrix34'>,
  field: string,
): PoseSeries {
  const width = POSE_WIDTH[kind];
  const [count, rest] = [place.length / 3, width - 3];
  const values = new Float64Array(width * count);
  for (let i = 0; i < count; i++) {
    values.set(place.subarray(3 * i, 3 * i + 3), width * i);
    values.set(turn.subarray(rest * i, rest * (i + 1)), width * i + 3);
  }
  return { kind, values, field };
}
