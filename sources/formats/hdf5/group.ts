/** Groups and datasets of an open HDF5 file: every path is walked link by link, every dataset is looked at before it is read. */
import type { Metadata } from 'h5wasm/node';
import { Dataset } from 'h5wasm/node';
import { PrepError } from '../../../schemas/errors.ts';
import type { Hdf5Group } from '../../../schemas/records.ts';
import { imagesOf } from './images.ts';
import { type Hdf5Library, reasonOf, refusedFilter } from './library.ts';
import { FLOAT, INTEGER, KINDS, numbersFrom, STRING, textsFrom, unreadable, VLEN } from './values.ts';

export interface OpenHandle {
  readonly library: Hdf5Library;
  readonly id: bigint;
  /** Name of the file for messages. */
  readonly file: string;
  /**
   * What could not be read, by path. Hazard: an error leaves the library in the middle of that object, and touching the object
   * again is a trap without a message; so nothing is asked twice that failed once.
   */
  readonly failed: Map<string, PrepError>;
}

/** Numbers of one dataset that are read at once: no episode has more, a made-up shape does. */
const MAX_VALUES = 2 ** 26;
/** Bytes that are read at once where they are no numbers. */
const MAX_BYTES = 2 ** 28;
/** A virtual dataset may lie over another one of the same file, so many deep. */
const MAX_VIRTUAL = 4;

/** How a dataset is stored, in words. */
export interface DatasetFacts {
  readonly shape: readonly number[];
  /** `float64`, `uint8`, `text`, `compound`, … */
  readonly dtype: string;
  /** Bytes of one value; of a list or text of variable length, of its reference. */
  readonly size: number;
  readonly variable: boolean;
  readonly filters: readonly string[];
}

/** A group that also says how its members are stored, for `prep inspect`. */
export type DescribedGroup = Omit<Hdf5Group, 'group'> & {
  /** @throws PrepError as `numbers` does before it reads */
  facts(path: string): DatasetFacts;
  attributeNames(path?: string): string[];
  /** Where a soft link leads, null for what is no link. */
  linkTarget(path: string): string | null;
  group(path: string): DescribedGroup;
};

export function groupAt(handle: OpenHandle, path: string): DescribedGroup {
  const full = (below: string): string => joined(path, below);
  return {
    path,
    has: (below) => kindAt(handle, full(below)) !== null,
    isGroup: (below) => kindAt(handle, full(below)) === 'group',
    keys(below = '') {
      need(handle, full(below), 'group');
      return guarded(handle, full(below), () => handle.library.module.get_names(handle.id, full(below), false));
    },
    shape: (below) => [...(datasetAt(handle, full(below)).metadata.shape ?? [])],
    numbers: (below, width) => numbersOf(datasetAt(handle, full(below)), width),
    texts: (below) => textsOf(datasetAt(handle, full(below))),
    attribute: (name, below = '') => attributeOf(handle, full(below), name),
    facts: (below) => factsOf(datasetAt(handle, full(below))),
    linkTarget: (below) =>
      guarded(handle, full(below), () => handle.library.module.get_symbolic_link(handle.id, full(below))) || null,
    attributeNames: (below = '') =>
      guarded(handle, `${full(below)}.attrs`, () => handle.library.module.get_attribute_names(handle.id, full(below))),
    group(below) {
      need(handle, full(below), 'group');
      return groupAt(handle, full(below));
    },
    images: (below, options) => imagesOf(datasetAt(handle, full(below)), options),
  };
}

/** A dataset that may be read: its links stay in the file, its filters are here. */
export interface CheckedDataset {
  readonly handle: OpenHandle;
  readonly path: string;
  readonly metadata: Metadata;
  readonly dataset: Dataset;
}

const joined = (path: string, below: string): string =>
  `/${[...path.split('/'), ...below.split('/')].filter((part) => part !== '').join('/')}`;

export function guarded<T>({ file, failed, library, id }: OpenHandle, path: string, work: () => T): T {
  const before = failed.get(path);
  if (before) throw before;
  try {
    return work();
  } catch (cause) {
    if (cause instanceof PrepError) throw cause;
    const at = { file, field: path };
    const stored = filterNames(library.module, id, path);
    const found = `${reasonOf(cause)}${stored ? ` (stored with ${stored})` : ''}`;
    const error = new PrepError({ code: 'bad-hdf5', at, expected: 'data that can be read', found, cause });
    failed.set(path, error);
    library.recover();
    throw error;
  }
}

/** Which filters a dataset passes: with a checksum among them, what failed is most likely that. */
function filterNames(module: OpenHandle['library']['module'], id: bigint, path: string): string {
  try {
    return module
      .get_dataset_filters(id, path)
      .map(({ id: filter, name }) => (filter === 3 ? 'a Fletcher-32 checksum' : name))
      .join(', ');
  } catch {
    return ''; // not a dataset
  }
}

/** What lies at a path, null for nothing. @throws PrepError `bad-hdf5` for a link that leaves the file or leads nowhere */
function kindAt(handle: OpenHandle, path: string): 'group' | 'dataset' | 'other' | null {
  const { module } = handle.library;
  const parts = path.split('/').filter((part) => part !== '');
  let kind: 'group' | 'dataset' | 'other' | null = 'group';
  for (let i = 0; i < parts.length; i++) {
    const parent = `/${parts.slice(0, i).join('/')}`;
    const here = `/${parts.slice(0, i + 1).join('/')}`;
    if (kind !== 'group') return null;
    const names = guarded(handle, parent, () => module.get_names(handle.id, parent, false));
    if (!names.includes(parts[i]!)) return null;
    const type = guarded(handle, here, () => module.get_type(handle.id, here));
    if (type === module.H5G_LINK)
      throw linkFault(
        handle,
        here,
        `a soft link to ${guarded(handle, here, () => module.get_symbolic_link(handle.id, here))}, where nothing is`,
      );
    if (type === module.H5G_UDLINK) {
      const { filename, obj_path } = guarded(handle, here, () => module.get_external_link(handle.id, here));
      throw linkFault(handle, here, `an external link to ${filename}:${obj_path}, which is not opened`);
    }
    kind = type === module.H5G_GROUP ? 'group' : type === module.H5G_DATASET ? 'dataset' : 'other';
  }
  return kind;
}

const linkFault = ({ file }: OpenHandle, path: string, found: string): PrepError =>
  new PrepError({ code: 'bad-hdf5', at: { file, field: path }, expected: 'data within the file', found });

function need(handle: OpenHandle, path: string, wanted: 'group' | 'dataset'): void {
  const kind = kindAt(handle, path);
  if (kind === wanted) return;
  // The first part that is not there says more than the whole path.
  const parts = path.split('/').filter((part) => part !== '');
  const missing = parts
    .map((_, i) => `/${parts.slice(0, i + 1).join('/')}`)
    .find((one) => kindAt(handle, one) === null);
  throw new PrepError({
    code: 'missing-field',
    at: { file: handle.file, field: kind === null ? (missing ?? path) : path },
    expected: `a ${wanted}${missing && missing !== path ? ` (for ${path})` : ''}`,
    found: kind ?? 'nothing there',
  });
}

function datasetAt(handle: OpenHandle, path: string, depth = 0): CheckedDataset {
  need(handle, path, 'dataset');
  const dataset = guarded(handle, path, () => new Dataset(handle.id, path));
  const { metadata, filters } = guarded(handle, path, () => ({ metadata: dataset.metadata, filters: dataset.filters }));
  const refused = filters.map(refusedFilter).find((one) => one !== null);
  if (refused)
    throw new PrepError({
      code: 'bad-hdf5',
      at: { file: handle.file, field: path },
      ...refused,
      remedy: 'write the dataset again without it (h5repack -f GZIP=4)',
    });
  checkSources(handle, path, { metadata, depth });
  return { handle, path, metadata, dataset };
}

function factsOf({ metadata, dataset }: CheckedDataset): DatasetFacts {
  const { type, size, signed } = metadata;
  const word = KINDS[type] ?? `type ${type}`;
  const dtype = type === INTEGER ? `${signed ? 'int' : 'uint'}${8 * size}` : type === FLOAT ? `float${8 * size}` : word;
  return {
    shape: [...(metadata.shape ?? [])],
    dtype,
    size,
    variable: type === VLEN || metadata.vlen === true,
    filters: dataset.filters.map(({ id, name }) => name || `filter ${id}`),
  };
}

/**
 * A virtual dataset is read where everything under it lies in this file and is there: for what is not, the library would
 * give fill values and no error.
 */
function checkSources(
  handle: OpenHandle,
  path: string,
  { metadata, depth }: { metadata: Metadata; depth: number },
): void {
  for (const { file_name, dset_name } of metadata.virtual_sources ?? []) {
    if (file_name !== '.') throw linkFault(handle, path, `a virtual dataset over ${file_name}, which is not opened`);
    if (depth >= MAX_VIRTUAL)
      throw linkFault(handle, path, 'a virtual dataset over itself, or too many over one another');
    const under = joined('/', dset_name);
    if (kindAt(handle, under) !== 'dataset')
      throw linkFault(handle, path, `a virtual dataset over ${under}, where no dataset is`);
    datasetAt(handle, under, depth + 1);
  }
}

function numbersOf({ handle, path, metadata }: CheckedDataset, width?: number): Float64Array {
  const { shape } = metadata;
  const count = (shape ?? []).reduce((product, length) => product * length, 1);
  const wrong = unreadable(metadata);
  if (wrong)
    throw new PrepError({
      code: 'bad-value',
      at: { file: handle.file, field: path },
      expected: 'numbers',
      found: wrong,
    });
  const rows = width === undefined ? null : count / width;
  const fits = shape !== null && (width === undefined || (shape[0] === rows && rows! > 0));
  if (count > MAX_VALUES || !fits)
    throw new PrepError({
      code: 'field-shape',
      at: { file: handle.file, field: path },
      expected: width === undefined ? `1 to ${MAX_VALUES} numbers` : `shape [steps × ${width}]`,
      found: shape === null ? 'nothing (a null dataspace)' : `shape [${shape.join(' × ')}]`,
    });
  if (count === 0) return new Float64Array(0);
  return stored(handle, path, metadata, {
    read: (pointer) => handle.library.module.get_dataset_data(handle.id, path, null, null, null, pointer),
    take: (bytes) => numbersFrom(bytes, metadata),
  });
}

function textsOf({ handle, path, metadata }: CheckedDataset): string[] {
  const { module } = handle.library;
  const wrong = (found: string): PrepError =>
    new PrepError({ code: 'bad-value', at: { file: handle.file, field: path }, expected: 'text', found });
  if (metadata.type !== STRING) throw wrong(`type ${KINDS[metadata.type] ?? metadata.type}`);
  if (metadata.total_size > 1e6 || metadata.total_size * metadata.size > MAX_BYTES)
    throw wrong(`${metadata.total_size} texts${metadata.vlen ? '' : ` of ${metadata.size} bytes`}`);
  if (metadata.shape === null || metadata.total_size === 0) return [];
  return stored(handle, path, metadata, {
    read: (pointer) => module.get_dataset_data(handle.id, path, null, null, null, pointer),
    take: (bytes) => textsFrom(bytes, metadata, module),
    reclaim: (pointer) => module.reclaim_vlen_memory(handle.id, path, '', pointer),
  });
}

interface Reading<T> {
  read(pointer: bigint): number;
  take(bytes: Uint8Array<ArrayBuffer>): T;
  /** Gives back what the library allocated for texts of variable length. */
  reclaim?(pointer: bigint): number;
}

/** All elements of a dataset or an attribute, by way of the library's memory. @param name as messages call it */
function stored<T>(
  handle: OpenHandle,
  name: string,
  { size, total_size, vlen }: Metadata,
  { read, take, reclaim }: Reading<T>,
): T {
  const { module } = handle.library;
  const bytes = size * total_size;
  return guarded(handle, name, () => {
    const pointer = module._malloc(bytes);
    if (pointer === 0) throw new Error(`no memory for ${bytes} bytes`);
    try {
      if (read(BigInt(pointer)) < 0) throw new Error('reading failed');
      const value = take(module.HEAPU8.slice(Number(pointer), Number(pointer) + bytes));
      if (vlen) reclaim?.(BigInt(pointer));
      return value;
    } finally {
      module._free(pointer);
    }
  });
}

/** Undefined also for an attribute of another kind (empty, compound, reference). */
function attributeOf(handle: OpenHandle, path: string, name: string): ReturnType<Hdf5Group['attribute']> {
  const { module } = handle.library;
  if (kindAt(handle, path) === null) return undefined;
  const field = `${path === '/' ? '' : path.slice(1)}.attrs ${name}`;
  const metadata = guarded(handle, field, () =>
    module.get_attribute_names(handle.id, path).includes(name)
      ? module.get_attribute_metadata(handle.id, path, name)
      : null,
  );
  const text = metadata?.type === STRING;
  if (!metadata?.shape || (!text && unreadable(metadata) !== null)) return undefined;
  if (metadata.total_size === 0) return [];
  const values = stored<string[] | number[]>(handle, field, metadata, {
    read: (pointer) => module.get_attribute_data(handle.id, path, name, pointer),
    take: (bytes) => (text ? textsFrom(bytes, metadata, module) : [...numbersFrom(bytes, metadata)]),
    reclaim: (pointer) => module.reclaim_vlen_memory(handle.id, path, name, pointer),
  });
  return metadata.shape.length === 0 ? values[0] : values;
}
