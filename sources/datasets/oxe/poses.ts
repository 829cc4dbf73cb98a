/** Columns and poses of a record as a line of the Open X-Embodiment table names them. */
import { PrepError } from '../../../schemas/errors.ts';
import { composeRotations, type Rotation, rotationFromVector } from '../../../schemas/geometry.ts';
import { seriesOf } from '../../../schemas/pose-series.ts';
import type { RldsRecord } from '../../../schemas/records.ts';
import type { PoseSeries } from '../../../schemas/source.ts';
import { columns } from '../../fields/columns.ts';
import { placed } from '../../fields/poses.ts';
import type { Columns, PoseSource } from './row.ts';

/** @param count how many from the first on @throws PrepError `field-shape` */
export function columnsOf(record: RldsRecord, { path, from = 0, width }: Columns, count: number): Float64Array {
  const field = `steps/${path}`;
  const all = width ?? Math.max(1, Math.round(record.count(field) / record.steps));
  // Counted from the end where it is negative.
  const start = from < 0 ? all + from : from;
  const values = record.numbers(field, all);
  if (start + count > all)
    throw new PrepError({
      code: 'field-shape',
      at: { field },
      expected: `at least ${start + count} numbers per step`,
      found: `${all}`,
    });
  return columns(values, all, [start, start + count]);
}

export function posesOf(record: RldsRecord, source: PoseSource): PoseSeries {
  if ('position' in source) {
    const [place, turn] = [columnsOf(record, source.position, 3), columnsOf(record, source.rotation, 3)];
    return placed({ place, turn }, source.kind, `steps/${source.position.path} + ${source.rotation.path}`);
  }
  const field = `steps/${source.path}`;
  if (source.kind === 'xyz+extrinsic-zxy') return turnedZxy(columnsOf(record, source, 6), field);
  if (source.kind !== 'matrix-columns') {
    const width = source.kind === 'xyz+wxyz' || source.kind === 'xyz+xyzw' ? 7 : 6;
    const { unit = 1 } = source;
    const values = columnsOf(record, source, width).map((x, i) => (i % width < 3 ? unit * x : x));
    return { kind: source.kind, values, field };
  }
  const stored = columnsOf(record, source, 16);
  const values = stored.map((_, i) => stored[16 * Math.floor(i / 16) + 4 * (i % 4) + Math.floor((i % 16) / 4)]!);
  return { kind: 'matrix', values, field };
}

/** `R = Ry(v₅)·Rx(v₄)·Rz(v₃)`: scipy's `from_euler('zxy')`. */
function turnedZxy(values: Float64Array, field: string): PoseSeries {
  const about = (axis: 0 | 1 | 2, angle: number): Rotation<'base', 'base'> =>
    rotationFromVector([0, 1, 2].map((k) => (k === axis ? angle : 0)));
  const poses = Array.from({ length: values.length / 6 }, (_, step) => {
    const v = values.subarray(6 * step, 6 * step + 6);
    const [z, x, y] = [about(2, v[3]!), about(0, v[4]!), about(1, v[5]!)];
    return { r: composeRotations(y, composeRotations(x, z)), t: v.slice(0, 3) };
  });
  return seriesOf(poses, field);
}
