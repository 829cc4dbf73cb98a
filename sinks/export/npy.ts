/** `.npy` version 1.0, little-endian, C order (numpy.lib.format). */

const DTYPES = { float32: '<f4', int64: '<i8' } as const;
export type NpyDtype = keyof typeof DTYPES;

/** Numbers go through to the bit. */
export function npy(dtype: NpyDtype, shape: readonly number[], values: Uint8Array): Uint8Array {
  const tuple = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const text = `{'descr': '${DTYPES[dtype]}', 'fortran_order': False, 'shape': (${tuple}), }`;
  // Numbers begin at a multiple of 64.
  const length = Math.ceil((10 + text.length + 1) / 64) * 64 - 10;
  const out = Buffer.alloc(10 + length + values.length);
  out.write('\x93NUMPY\x01\x00', 'latin1');
  out.writeUInt16LE(length, 8);
  out.write(`${text.padEnd(length - 1)}\n`, 10, 'latin1');
  out.set(values, 10 + length);
  return out;
}
