/** Tensors that TFDS stored as raw little-endian bytes (`encoding: "bytes"` or `"zlib"`). */
import { inflateSync } from 'node:zlib';
import { PrepError } from '../../schemas/errors.ts';

/** Dtype → bytes per value and how one is read. int64 and uint64 are rounded above 2^53. */
const READERS: Readonly<Record<string, readonly [bytes: number, read: (view: DataView, at: number) => number]>> = {
  float64: [8, (view, at) => view.getFloat64(at, true)],
  float32: [4, (view, at) => view.getFloat32(at, true)],
  float16: [2, (view, at) => halfFloat(view.getUint16(at, true))],
  bfloat16: [2, (view, at) => brainFloat(view.getUint16(at, true))],
  int64: [8, (view, at) => Number(view.getBigInt64(at, true))],
  uint64: [8, (view, at) => Number(view.getBigUint64(at, true))],
  int32: [4, (view, at) => view.getInt32(at, true)],
  uint32: [4, (view, at) => view.getUint32(at, true)],
  int16: [2, (view, at) => view.getInt16(at, true)],
  uint16: [2, (view, at) => view.getUint16(at, true)],
  int8: [1, (view, at) => view.getInt8(at)],
  uint8: [1, (view, at) => view.getUint8(at)],
  bool: [1, (view, at) => view.getUint8(at)],
};

/**
 * `width` numbers of one blob.
 * @throws PrepError `field-shape` for another count, `bad-value` for what zlib cannot read or an unknown dtype
 */
export function decodeTensor(blob: Uint8Array, width: number, type: { dtype: string; encoding: string }): Float64Array {
  const [bytes, read] = READERS[type.dtype] ?? [0, () => 0];
  if (bytes === 0)
    throw new PrepError({ code: 'bad-value', expected: 'a numeric dtype', found: `dtype ${type.dtype || 'unknown'}` });
  const raw = type.encoding === 'zlib' ? inflated(blob, width * bytes) : blob;
  if (raw.length !== width * bytes)
    throw new PrepError({
      code: 'field-shape',
      expected: `${width} ${type.dtype} values (${width * bytes} bytes)`,
      found: `${raw.length} bytes`,
    });
  const view = new DataView(raw.buffer, raw.byteOffset, raw.length);
  return Float64Array.from({ length: width }, (_, i) => read(view, i * bytes));
}

/** Never inflates to more than what is wanted and one byte. */
function inflated(blob: Uint8Array, wanted: number): Uint8Array {
  try {
    return inflateSync(blob, { maxOutputLength: wanted + 1 });
  } catch (cause) {
    const tooLarge = (cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
    throw new PrepError({
      code: tooLarge ? 'field-shape' : 'bad-value',
      expected: `a zlib stream of ${wanted} bytes`,
      found: tooLarge ? 'more' : (cause as Error).message,
      cause,
    });
  }
}

/** IEEE 754 binary16: 1 sign, 5 exponent, 10 fraction bits. */
function halfFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The upper half of a float32. */
function brainFloat(bits: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint16(0, bits);
  return view.getFloat32(0);
}
