/** `.npy` files (versions 1 … 3): an array, or a pickled object as `numpy.save` writes dicts. Never unpickled by running it. */
import { type Place, PrepError } from '../../schemas/errors.ts';
import { isNdArray, type PyValue } from '../../schemas/python-data.ts';
import { arrayOf, dtypeOf, elementsOf } from './numpy-data.ts';
import { readPickle } from './pickle.ts';

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
/** numpy's own limit for headers of files that are not trusted. */
const MAX_HEADER = 10_000;
const HEADER =
  /^\{'descr': '([^']{1,40})', 'fortran_order': (True|False), 'shape': \(((?:\d{1,15}, ?)*(?:\d{1,15})?,?)\), \}\s*$/;

/**
 * What `numpy.load(file, allow_pickle=True)` gives, with `.item()` where the array has no dimension.
 * @throws PrepError `bad-pickle` naming file and offset
 */
export function readNpy(bytes: Uint8Array, at: Place = {}): PyValue {
  const { descr, fortran, shape, start } = headerOf(bytes, at);
  const dtype = dtypeOf(descr, at);
  const body = bytes.subarray(start);
  if (dtype.code !== 'O') {
    const array = arrayOf(body, { dtype, shape, fortran }, at);
    return shape.length === 0 ? (array.values[0] as PyValue) : array;
  }
  const root = pickled(body, start, at);
  const count = elementsOf(shape, at);
  if (!isNdArray(root) || root.dtype !== 'O' || root.values.length !== count || root.shape.length !== shape.length)
    throw bad(at, `a pickled array of ${count} objects`, 'another value');
  return shape.length === 0 ? (root.values[0] as PyValue) : root;
}

function pickled(body: Uint8Array, start: number, at: Place): PyValue {
  try {
    return readPickle(body, { at, objectArray: true });
  } catch (error) {
    // Offsets are those of the file.
    if (!(error instanceof PrepError) || error.at.offset === undefined) throw error;
    throw new PrepError({ ...error.fault, at: { ...error.at, offset: error.at.offset + start } });
  }
}

function headerOf(bytes: Uint8Array, at: Place) {
  if (!MAGIC.every((byte, i) => bytes[i] === byte)) throw bad(at, 'an .npy file', firstBytes(bytes));
  const version = bytes[6];
  const wide = version === 2 || version === 3;
  if (version !== 1 && !wide) throw bad(at, '.npy of version 1, 2 or 3', `version ${version}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < 12) throw bad(at, 'a header', `a file of ${bytes.length} bytes`);
  const length = wide ? view.getUint32(8, true) : view.getUint16(8, true);
  const start = (wide ? 12 : 10) + length;
  if (length > MAX_HEADER || start > bytes.length) throw bad(at, `a header of ${length} bytes`, 'a file cut short');
  const text = Buffer.from(bytes.subarray(start - length, start)).toString('latin1');
  const [, descr, order, numbers] = HEADER.exec(text) ?? [];
  if (descr === undefined) throw bad(at, 'the header of an array', JSON.stringify(text.slice(0, 60)));
  const shape = (numbers ?? '')
    .split(',')
    .filter((n) => n.trim() !== '')
    .map(Number);
  return { descr, fortran: order === 'True', shape, start };
}

function firstBytes(bytes: Uint8Array): string {
  const head = Buffer.from(bytes.subarray(0, 40)).toString('latin1');
  return head.startsWith('version https://git-lfs') ? 'a Git LFS pointer' : `${bytes.length} bytes of another kind`;
}

const bad = (at: Place, expected: string, found: string): PrepError =>
  new PrepError({ code: 'bad-pickle', at, expected, found });
