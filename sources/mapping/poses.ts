/** Poses as a mapping names them → a published series in metres and radians. */
import type { PoseKind, PoseSeries } from '../../schemas/source.ts';
import { nameOf } from './fields.ts';
import type { FieldRef, MappedPose } from './schema.ts';

/** Numbers per rotation of each way to write one. */
const ROTATION_WIDTH = { wxyz: 4, xyzw: 4, rotvec: 3, matrix: 9 } as const;

/** @param read gives `width` numbers per pose; `widthOf` says how many a field has. */
export function mappedPose(
  { matrix, position, rotation, rotationKind = 'wxyz', angles, metresPerUnit = 1 }: MappedPose,
  { read, widthOf }: { read(ref: FieldRef, width: number): Float64Array; widthOf(ref: FieldRef): number },
): PoseSeries {
  if (matrix !== undefined) {
    // A 3×4 matrix lacks the last row: 0 0 0 1.
    const width = widthOf(matrix) === 12 ? 12 : 16;
    const values = read(matrix, width).map((x, i) => (TRANSLATION.has(i % width) ? x * metresPerUnit : x));
    return { kind: width === 12 ? 'matrix34' : 'matrix', values, field: nameOf(matrix) };
  }
  const places = read(position!, 3);
  const width = rotationKind in ROTATION_WIDTH ? ROTATION_WIDTH[rotationKind as keyof typeof ROTATION_WIDTH] : 3;
  const turns = read(rotation!, width);
  const turn = angles === 'degrees' && width === 3 ? Math.PI / 180 : 1;
  const values = new Float64Array((places.length / 3) * (3 + width));
  for (let i = 0; i < places.length / 3; i++) {
    for (let k = 0; k < 3; k++) values[i * (3 + width) + k] = places[3 * i + k]! * metresPerUnit;
    for (let k = 0; k < width; k++) values[i * (3 + width) + 3 + k] = turns[width * i + k]! * turn;
  }
  const field = `${nameOf(position!)} + ${nameOf(rotation!)}`;
  if (rotationKind === 'matrix') return { kind: 'matrix34', values: beside(values), field };
  const kind: PoseKind = `xyz+${rotationKind}`;
  return { kind, values, field };
}

/** Places of the translation within a row-major 4×4 or 3×4 matrix. */
const TRANSLATION: ReadonlySet<number> = new Set([3, 7, 11]);

/** Positions each with 9 numbers of a rotation, row-major → 3×4 matrices. */
function beside(values: Float64Array): Float64Array {
  return Float64Array.from(values, (_, i) => {
    const [row, column, at] = [Math.floor((i % 12) / 4), i % 4, 12 * Math.floor(i / 12)];
    return values[at + (column === 3 ? row : 3 + 3 * row + column)]!;
  });
}
