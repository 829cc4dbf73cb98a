/**
 * The HDF5 library (h5wasm) with its filters, open files, and the wall around it: the library may open exactly the files
 * that were handed to it, so an external link, external storage or a virtual dataset leads nowhere.
 */
import { resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import h5wasm, { type Filter } from 'h5wasm/node';
import { PrepError } from '../../../schemas/errors.ts';

/**
 * Filters that are built in or have a plug-in here: deflate, shuffle, fletcher32, scale-offset, LZF, Blosc, LZ4, bitshuffle,
 * Zstandard, Blosc2, bzip2. Without the check the library gives wrong bytes for some others and no error; so does n-bit (5),
 * whose numbers fill only a part of their bytes.
 */
const FILTERS: ReadonlySet<number> = new Set([1, 2, 3, 6, 307, 32000, 32001, 32004, 32008, 32015, 32026]);
/** Blosc and Blosc2 pack with one of several codecs, the seventh of their parameters; for these the plug-ins lack the code. */
const BLOSC: ReadonlySet<number> = new Set([32001, 32026]);
const BLOSC_REFUSED: Readonly<Record<number, string>> = { 3: 'Snappy', 4: 'zlib' };

/** Words for a filter that cannot be undone here, null for one that can. */
export function refusedFilter({ id, cd_values }: Filter): { expected: string; found: string } | null {
  if (!FILTERS.has(id)) return { expected: `filters ${[...FILTERS].join(', ')}`, found: `filter ${id}` };
  const codec = BLOSC.has(id) ? BLOSC_REFUSED[cd_values[6] ?? 0] : undefined;
  return codec
    ? { expected: 'Blosc with LZ4, BloscLZ or Zstandard', found: `filter ${id} (Blosc) with ${codec}` }
    : null;
}

type H5Module = Awaited<typeof h5wasm.ready>;

export interface Hdf5Library {
  readonly module: H5Module;
  /** Opens a file of this machine. @throws PrepError `bad-hdf5` naming `name` */
  open(path: string, name: string): bigint;
  close(file: bigint, path: string): void;
  /** After an error was thrown through the library: it may have lost its error handler on the way. */
  recover(): void;
}

type Guarded = Omit<H5Module, 'FS'> & {
  activate_throwing_error_handler(): number;
  FS: { open(path: unknown, ...rest: unknown[]): unknown; ErrnoError: new (code: number) => Error };
};

/** What the library opens for itself: it prints its error stack into a temporary file before it throws it. */
const OWN = /^\/tmp\/tmpfile_\w+$/;
/** Emscripten's ENOENT. */
const NOTHING_THERE = 44;

let loaded: Promise<Hdf5Library> | undefined;

/** Loaded once per process. */
export function hdf5Library(): Promise<Hdf5Library> {
  loaded ??= load();
  return loaded;
}

async function load(): Promise<Hdf5Library> {
  const module = (await h5wasm.ready) as unknown as Guarded;
  const plugins = fileURLToPath(new URL('./plugins', import.meta.resolve('h5wasm-plugins')));
  module.insert_plugin_search_path(plugins, 0);
  module.activate_throwing_error_handler();
  const allowed = new Map<string, number>();
  const open = module.FS.open.bind(module.FS);
  module.FS.open = (path, ...rest) => {
    const name = typeof path === 'string' ? path : String((path as { path?: unknown }).path ?? '');
    // A name inside a file may climb out of a folder: only where it leads counts.
    const led = resolve(name);
    if (allowed.has(name) || OWN.test(led) || led === plugins || led.startsWith(plugins + sep))
      return open(path, ...rest);
    throw new module.FS.ErrnoError(NOTHING_THERE);
  };
  return {
    module: module as unknown as H5Module,
    open(path, name) {
      allowed.set(path, (allowed.get(path) ?? 0) + 1);
      try {
        return module.open(path, module.H5F_ACC_RDONLY, false, -1, -1);
      } catch (cause) {
        forget(allowed, path);
        module.activate_throwing_error_handler();
        throw new PrepError({
          code: 'bad-hdf5',
          at: { file: name },
          expected: 'an HDF5 file',
          found: reasonOf(cause),
          cause,
        });
      }
    },
    recover: () => void module.activate_throwing_error_handler(),
    close(file, path) {
      module.close_file(file);
      forget(allowed, path);
    },
  };
}

function forget(allowed: Map<string, number>, path: string): void {
  const count = (allowed.get(path) ?? 1) - 1;
  if (count > 0) allowed.set(path, count);
  else allowed.delete(path);
}

/** Of the library's error stack the deepest messages: those say what is wrong, the others who asked. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const reasons = [...text.matchAll(/#\d+: .*?\(\): (.*)/g)].map((match) => match[1]!.trim());
  return reasons.length > 0
    ? [...new Set(reasons.slice(-2))].reverse().join('; ')
    : text.split('\n')[0]!.slice(0, 200) || 'the library refuses it without a word';
}
