/** Stored bytes of HDF5 numbers and texts → values. The library hands them over little-endian, in the stored type otherwise. */
import type { Metadata } from 'h5wasm/node';
import type { Hdf5Library } from './library.ts';

export const [INTEGER, FLOAT, STRING, BITFIELD, OPAQUE, ENUM, VLEN] = [0, 1, 3, 4, 5, 8, 9] as const;

/** What of `H5T_STRING` is filled up with spaces instead of zeros. */
const SPACES = 2;

/** Null where numbers of that type are read here, else words for what it is. */
export function unreadable({ type, size, enum_type }: Metadata): string | null {
  const base = type === ENUM ? enum_type?.type : type;
  if (base === FLOAT) return [2, 4, 8].includes(size) ? null : `a float of ${size} bytes`;
  if (base !== INTEGER && base !== BITFIELD) return `type ${KINDS[type] ?? type}`;
  return [1, 2, 4, 8].includes(size) ? null : `an integer of ${size} bytes`;
}

export const KINDS = [
  'integer',
  'float',
  'time',
  'text',
  'bit field',
  'opaque bytes',
  'compound',
  'reference',
  'enumeration',
  'list of variable length',
  'array',
];

/** @param bytes whole elements of a type that `unreadable` lets through; they begin at 0 of their buffer */
export function numbersFrom(
  { buffer }: Uint8Array<ArrayBuffer>,
  { type, size, signed, enum_type }: Metadata,
): Float64Array {
  if ((type === ENUM ? enum_type?.type : type) === FLOAT) {
    if (size === 2) return Float64Array.from(new Uint16Array(buffer), half);
    return Float64Array.from(size === 4 ? new Float32Array(buffer) : new Float64Array(buffer));
  }
  if (size === 8) return Float64Array.from(signed ? new BigInt64Array(buffer) : new BigUint64Array(buffer), Number);
  if (size === 4) return Float64Array.from(signed ? new Int32Array(buffer) : new Uint32Array(buffer));
  if (size === 2) return Float64Array.from(signed ? new Int16Array(buffer) : new Uint16Array(buffer));
  return Float64Array.from(signed ? new Int8Array(buffer) : new Uint8Array(buffer));
}

/** IEEE 754 binary16. */
function half(bits: number): number {
  const [sign, exponent, fraction] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

/**
 * Texts, of fixed length or where `bytes` holds pointers into the library's memory. What calls itself ASCII is read as UTF-8
 * too: it is the same where it is ASCII, and what recorders write where it is not.
 */
export function textsFrom(
  bytes: Uint8Array<ArrayBuffer>,
  { vlen, size, strpad }: Metadata,
  module: Hdf5Library['module'],
): string[] {
  if (vlen) return Array.from(new Uint32Array(bytes.buffer), (pointer) => module.UTF8ToString(pointer));
  const decoder = new TextDecoder();
  return Array.from({ length: Math.floor(bytes.length / size) }, (_, i) => {
    const field = bytes.subarray(i * size, (i + 1) * size);
    const end = field.indexOf(0);
    const text = decoder.decode(end < 0 ? field : field.subarray(0, end));
    return strpad === SPACES ? text.replace(/ +$/, '') : text;
  });
}
