/** Bytes of numpy arrays → numbers. Shared by pickles and `.npy` files; structured and object dtypes have no bytes to read. */
import { type Place, PrepError } from '../../schemas/errors.ts';
import type { NdArray } from '../../schemas/python-data.ts';

/** What an array's elements are. */
export interface Dtype {
  /** `f8`, `i4`, `b1`, `U12`, `S3`, `O`. */
  readonly code: string;
  /** Bytes of one element; 0 for objects. */
  readonly itemsize: number;
  readonly bigEndian: boolean;
}

const NUMERIC = /^(b1|[iu][1248]|f[48])$/;
/** At least one byte each: elements of none would be as many as a shape cares to say. */
const TEXT = /^([US])([1-9]\d{0,5})$/;
const DTYPE = /^([<>=|]?)((?:[biuf]|[US])\d{1,6}|O8?|\?)$/;
/** numpy itself stops at 64. */
const MAX_DIMENSIONS = 32;

/** @param text as in `dtype.str`: `<f8`, `|b1`, `>i4`, `U12`, `O`. @throws PrepError `bad-pickle` for every other one */
export function dtypeOf(text: string, at: Place): Dtype {
  const [, order, word] = DTYPE.exec(text) ?? [];
  const code = word === '?' ? 'b1' : word?.startsWith('O') ? 'O' : word;
  if (code === undefined || !(code === 'O' || NUMERIC.test(code) || TEXT.test(code)))
    throw unreadable(at, 'a dtype of numbers, truth values or texts', JSON.stringify(text.slice(0, 40)));
  return { code, itemsize: itemsizeOf(code), bigEndian: order === '>' };
}

function itemsizeOf(code: string): number {
  if (code === 'O') return 0;
  const size = Number(code.slice(1));
  return code.startsWith('U') ? 4 * size : size;
}

/** Number of elements. @throws PrepError `bad-pickle` where the shape is none */
export function elementsOf(shape: readonly unknown[], at: Place): number {
  const few = shape.length <= MAX_DIMENSIONS;
  const sound = few && shape.every((n) => typeof n === 'number' && Number.isInteger(n) && n >= 0);
  const count = sound ? shape.reduce<number>((product, n) => product * (n as number), 1) : Number.NaN;
  if (Number.isSafeInteger(count)) return count;
  throw unreadable(at, 'the shape of an array', `(${shape.slice(0, 8).map(String).join(', ')})`);
}

/** @throws PrepError `bad-pickle` where the bytes are not exactly those of the shape */
export function arrayOf(
  bytes: Uint8Array,
  { dtype, shape, fortran }: { dtype: Dtype; shape: readonly number[]; fortran: boolean },
  at: Place,
): NdArray {
  const count = elementsOf(shape, at);
  if (bytes.length !== count * dtype.itemsize)
    throw unreadable(at, `${count * dtype.itemsize} bytes of ${dtype.code} (${shape.join(', ')})`, `${bytes.length}`);
  const values = elements(bytes, dtype, count, at);
  return { kind: 'ndarray', dtype: dtype.code, shape, values: fortran ? rowMajor(values, shape) : values };
}

type Values = NdArray['values'];

function elements(bytes: Uint8Array, { code, itemsize, bigEndian }: Dtype, count: number, at: Place): Values {
  const text = TEXT.exec(code);
  const each = (i: number): Uint8Array => bytes.subarray(i * itemsize, (i + 1) * itemsize);
  if (text) return Array.from({ length: count }, (_, i) => textOf(each(i), text[1] === 'U', bigEndian, at));
  if (!NUMERIC.test(code)) throw unreadable(at, 'numbers', `bytes of dtype ${code}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (code === 'i8' || code === 'u8') return integers(view, { signed: code === 'i8', bigEndian, count });
  const read = READ[code]!;
  return Float64Array.from({ length: count }, (_, i) => read(view, i * itemsize, !bigEndian));
}

const READ: Readonly<Record<string, (view: DataView, at: number, little: boolean) => number>> = {
  b1: (view, at) => (view.getUint8(at) === 0 ? 0 : 1),
  i1: (view, at) => view.getInt8(at),
  u1: (view, at) => view.getUint8(at),
  i2: (view, at, little) => view.getInt16(at, little),
  u2: (view, at, little) => view.getUint16(at, little),
  i4: (view, at, little) => view.getInt32(at, little),
  u4: (view, at, little) => view.getUint32(at, little),
  f4: (view, at, little) => view.getFloat32(at, little),
  f8: (view, at, little) => view.getFloat64(at, little),
};

function integers(
  view: DataView,
  { signed, bigEndian, count }: { signed: boolean; bigEndian: boolean; count: number },
): Values {
  const read = (i: number): bigint =>
    signed ? view.getBigInt64(8 * i, !bigEndian) : view.getBigUint64(8 * i, !bigEndian);
  const out = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    out[i] = Number(read(i));
    if (Number.isSafeInteger(out[i])) continue;
    return signed
      ? BigInt64Array.from({ length: count }, (_, k) => read(k))
      : BigUint64Array.from({ length: count }, (_, k) => read(k));
  }
  return out;
}

/** `U` is UTF-32, `S` bytes; both end where only zeros follow. */
function textOf(bytes: Uint8Array, wide: boolean, bigEndian: boolean, at: Place): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const points = wide
    ? Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(4 * i, !bigEndian))
    : Array.from(bytes);
  while (points.at(-1) === 0) points.pop();
  const bad = points.find((point) => point > 0x10ffff || (point >= 0xd800 && point < 0xe000));
  if (bad !== undefined) throw unreadable(at, 'characters', `U+${bad.toString(16)}`);
  return points.map((point) => String.fromCodePoint(point)).join('');
}

function rowMajor<T extends Values>(values: T, shape: readonly number[]): T {
  const out = values.slice() as T;
  const index = shape.map(() => 0);
  const strides = shape.map((_, k) => shape.slice(0, k).reduce((product, n) => product * n, 1));
  for (let i = 0; i < values.length; i++) {
    (out as unknown[])[i] = values[index.reduce((sum, n, k) => sum + n * strides[k]!, 0)];
    for (let k = shape.length - 1; k >= 0 && ++index[k]! === shape[k]; k--) index[k] = 0;
  }
  return out;
}

const unreadable = (at: Place, expected: string, found: string): PrepError =>
  new PrepError({ code: 'bad-pickle', at, expected, found });
