/**
 * The only names that a pickle may use, each read as data: how numpy writes arrays, dtypes and scalars, and how protocol 2
 * writes bytes. Nothing is imported and nothing is called.
 */
import { type Place, PrepError } from '../../schemas/errors.ts';
import type { NdArray, PyValue } from '../../schemas/python-data.ts';
import { arrayOf, type Dtype, dtypeOf, elementsOf } from './numpy-data.ts';

type Role = 'reconstruct' | 'ndarray' | 'dtype' | 'scalar' | 'frombuffer' | 'encode' | 'bytes';

const ROLES: ReadonlyMap<string, Role> = new Map([
  ['numpy.core.multiarray._reconstruct', 'reconstruct'],
  ['numpy._core.multiarray._reconstruct', 'reconstruct'],
  ['numpy.core.multiarray.scalar', 'scalar'],
  ['numpy._core.multiarray.scalar', 'scalar'],
  ['numpy.core.numeric._frombuffer', 'frombuffer'],
  ['numpy._core.numeric._frombuffer', 'frombuffer'],
  ['numpy.ndarray', 'ndarray'],
  ['numpy.dtype', 'dtype'],
  ['_codecs.encode', 'encode'],
  // Protocol 2 has no bytes: empty ones are the call bytes(), all others encode(text, 'latin1').
  ['__builtin__.bytes', 'bytes'],
  ['builtins.bytes', 'bytes'],
]);

export interface PickledGlobal {
  readonly kind: 'global';
  readonly name: string;
  readonly role: Role;
}
/** Its byte order comes later, with BUILD. */
export interface PickledDtype {
  readonly kind: 'dtype';
  dtype: Dtype;
}
/** An array as long as BUILD has not filled it is null inside. */
export interface PickledArray {
  readonly kind: 'ndarray';
  dtype: string;
  shape: readonly number[];
  values: NdArray['values'] | null;
}
export type Item = PyValue | PickledGlobal | PickledDtype | PickledArray | readonly Item[];

export interface Building {
  readonly at: Place;
  /** Counts decoded bytes against the length of the pickle. @throws PrepError where shared bytes are decoded over and over */
  spend(bytes: number): void;
}

export const isTuple = (item: Item | undefined): item is readonly Item[] =>
  Array.isArray(item) && Object.isFrozen(item);
export const isList = (item: Item | undefined): item is Item[] => Array.isArray(item) && !Object.isFrozen(item);
const tagged = (item: Item | undefined): string | undefined =>
  typeof item === 'object' && item !== null ? (item as { kind?: string }).kind : undefined;
export const isGlobal = (item: Item | undefined): item is PickledGlobal => tagged(item) === 'global';
export const isDtype = (item: Item | undefined): item is PickledDtype => tagged(item) === 'dtype';
export const isArray = (item: Item | undefined): item is PickledArray => tagged(item) === 'ndarray';

/** @throws PrepError `bad-pickle` naming a global that is not on the list */
export function globalOf(module: string, name: string, at: Place): PickledGlobal {
  const full = `${module}.${name}`;
  const role = ROLES.get(full);
  if (role) return { kind: 'global', name: full, role };
  throw bad(at, 'a name of numpy arrays', `the global ${JSON.stringify(full.slice(0, 80))}, which is not looked up`);
}

/** What `callable(*args)` would be. @throws PrepError `bad-pickle` */
export function reduced(callable: Item | undefined, args: Item | undefined, { at, spend }: Building): Item {
  if (!isGlobal(callable) || !isTuple(args)) throw bad(at, 'REDUCE of a name of numpy arrays', 'another value');
  const [first, second, third, fourth] = args;
  const misfit = (): PrepError => bad(at, `the arguments of ${callable.name}`, `${args.length} others`);
  switch (callable.role) {
    case 'reconstruct':
      if (args.length === 3 && isGlobal(first) && first.role === 'ndarray')
        return { kind: 'ndarray', dtype: '', shape: [], values: null } satisfies PickledArray;
      throw misfit();
    case 'dtype':
      if (args.length >= 1 && args.length <= 3 && typeof first === 'string')
        return { kind: 'dtype', dtype: dtypeOf(first, at) } satisfies PickledDtype;
      throw misfit();
    case 'scalar':
      if (args.length === 2 && isDtype(first) && second instanceof Uint8Array) {
        spend(second.length);
        return scalarOf(arrayOf(second, { dtype: first.dtype, shape: [], fortran: false }, at));
      }
      throw misfit();
    case 'frombuffer':
      if (args.length === 4 && first instanceof Uint8Array && isDtype(second) && isTuple(third)) {
        spend(first.length);
        elementsOf(third, at);
        if (fourth !== 'C' && fourth !== 'F') throw misfit();
        return arrayOf(first, { dtype: second.dtype, shape: third as readonly number[], fortran: fourth === 'F' }, at);
      }
      throw misfit();
    case 'encode':
      if (args.length === 2 && typeof first === 'string' && (second === 'latin1' || second === 'latin-1')) {
        spend(first.length);
        return latin1(first, at);
      }
      throw misfit();
    case 'bytes':
      if (args.length === 0) return new Uint8Array(0);
      throw misfit();
    default:
      throw bad(at, 'an array by way of _reconstruct', `a call of ${callable.name}`);
  }
}

const scalarOf = ({ values }: NdArray): Item => values[0] as Item;

function latin1(text: string, at: Place): Uint8Array {
  const out = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0xff) throw bad(at, 'characters of latin-1', `U+${code.toString(16)}`);
    out[i] = code;
  }
  return out;
}

/** `object.__setstate__(state)` of a dtype or an array that is not filled yet. @throws PrepError `bad-pickle` */
export function build(target: Item | undefined, state: Item | undefined, building: Building): void {
  if (isTuple(state) && isDtype(target)) buildDtype(target, state, building.at);
  else if (isTuple(state) && isArray(target) && target.values === null) buildArray(target, state, building);
  else throw bad(building.at, 'BUILD of an array or a dtype', 'BUILD of another value: __setstate__ is not called');
}

/** (version, byte order, subarray, names, fields, itemsize, alignment, flags) */
function buildDtype(target: PickledDtype, state: readonly Item[], at: Place): void {
  const [version, order, subarray, names, fields] = state;
  const plain = subarray === null && names === null && fields === null && state.length === 8;
  if ((version !== 3 && version !== 4) || !plain || typeof order !== 'string' || !/^[<>=|]$/.test(order))
    throw bad(at, 'the state of a plain dtype', 'a structured or unknown one');
  target.dtype = { ...target.dtype, bigEndian: order === '>' };
}

/** (version, shape, dtype, is Fortran order, bytes or list of objects) */
function buildArray(target: PickledArray, state: readonly Item[], { at, spend }: Building): void {
  const [version, shape, type, fortran, data] = state;
  if (state.length !== 5 || version !== 1 || !isTuple(shape) || !isDtype(type) || typeof fortran !== 'boolean')
    throw bad(at, 'the state of an array (1, shape, dtype, order, data)', `${state.length} other values`);
  const count = elementsOf(shape, at);
  const { dtype } = type;
  if (dtype.code === 'O') {
    if (!isList(data) || data.length !== count || shape.length > 1)
      throw bad(at, 'objects of an array as a list', 'other data');
    Object.assign(target, { dtype: 'O', shape, values: data });
    return;
  }
  if (!(data instanceof Uint8Array)) throw bad(at, `bytes of a ${dtype.code} array`, 'other data');
  spend(data.length);
  Object.assign(target, arrayOf(data, { dtype, shape: shape as readonly number[], fortran }, at));
}

const bad = (at: Place, expected: string, found: string): PrepError =>
  new PrepError({ code: 'bad-pickle', at, expected, found });
