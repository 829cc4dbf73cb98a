/** Values that Python programs store (pickles, `.npy` files), as plain data. */

/** An array of numpy, row-major whatever order it was stored in. */
export interface NdArray {
  readonly kind: 'ndarray';
  /** numpy's own letters without byte order: `f8`, `i8`, `b1`, `U12`; `O` for an array of objects. */
  readonly dtype: string;
  readonly shape: readonly number[];
  /**
   * Numbers and truth values (0, 1) as float64; 64-bit integers of which one is beyond ±2⁵³ as bigints; texts; for `O` the
   * objects.
   */
  readonly values: Float64Array | BigInt64Array | BigUint64Array | readonly string[] | readonly PyValue[];
}

export type PyKey = string | number | bigint | boolean | null;

/** Lists and tuples are arrays, `None` is null, integers beyond ±2⁵³ are bigints. Never a cycle. */
export type PyValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | NdArray
  | readonly PyValue[]
  | ReadonlyMap<PyKey, PyValue>;

export const isDict = (value: unknown): value is ReadonlyMap<PyKey, PyValue> => value instanceof Map;
export const isNdArray = (value: unknown): value is NdArray =>
  typeof value === 'object' && value !== null && (value as { kind?: unknown }).kind === 'ndarray';

/** The numbers of an array, a list or a single number; undefined for anything else (texts, None, 64-bit giants). */
export function numbersOf(value: PyValue | undefined): Float64Array | undefined {
  if (typeof value === 'number') return Float64Array.of(value);
  if (isNdArray(value)) return value.values instanceof Float64Array ? value.values : undefined;
  if (!Array.isArray(value)) return undefined;
  const scalars = value.map((one: PyValue) => (isNdArray(one) && one.shape.length === 0 ? numbersOf(one)?.[0] : one));
  return scalars.every((one) => typeof one === 'number') ? Float64Array.from(scalars as number[]) : undefined;
}
