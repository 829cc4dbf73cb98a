/** Columns of tables of numbers, and the four numbers of a pinhole camera. */

/** Column `of`, or columns from … to (exclusive), of rows of `width` numbers, row-major. */
export function columns(values: Float64Array, width: number, of: number | readonly [number, number]): Float64Array {
  const [from, to] = typeof of === 'number' ? [of, of + 1] : of;
  return values.filter((_, i) => i % width >= from && i % width < to);
}

/** Columns of member `of` where each row holds several things of `width` numbers, e.g. those of two arms. */
export const member = (values: Float64Array, { width, count, of }: Among): Float64Array =>
  columns(values, width * count, [width * of, width * (of + 1)]);

export interface Among {
  readonly width: number;
  readonly count: number;
  readonly of: number;
}

/** fx fy cx cy of matrices K, row-major, 3×3 or (with `width` 12) 3×4; one set per matrix. */
export function pinhole(matrices: ArrayLike<number>, width: 9 | 12 = 9): Float64Array {
  const row = width / 3;
  const entries = [0, row + 1, 2, row + 2];
  return Float64Array.from(
    { length: 4 * Math.floor(matrices.length / width) },
    (_, i) => matrices[width * Math.floor(i / 4) + entries[i % 4]!]!,
  );
}
