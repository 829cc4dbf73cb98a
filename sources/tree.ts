/** Paths below a root: files several folders down, and bounded walks that find them. */
import { PrepError } from '../schemas/errors.ts';
import type { ByteFile, ByteRoot } from './bytes.ts';

/** A root may hold a whole dataset collection; a walk that meets more than this was pointed at the wrong folder. */
const MAX_ENTRIES = 5_000_000;
const MAX_DEPTH = 16;

/** The folder at `a/b/c` below a root. */
export function folderAt(root: ByteRoot, path: string): ByteRoot {
  return path.split('/').reduce((folder, name) => (name === '' ? folder : folder.folder(name)), root);
}

/** @throws PrepError `source-missing` with the whole path */
export function openAt(root: ByteRoot, path: string): Promise<ByteFile> {
  const { folder, name } = parted(path);
  return folderAt(root, folder).open(name);
}

export function readTextAt(root: ByteRoot, path: string, limit?: number): Promise<string> {
  const { folder, name } = parted(path);
  return folderAt(root, folder).readText(name, limit);
}

function parted(path: string): { folder: string; name: string } {
  const cut = path.lastIndexOf('/');
  return { folder: path.slice(0, Math.max(cut, 0)), name: path.slice(cut + 1) };
}

export interface FoundFile {
  /** Relative to the root of the walk, `/` between folders. */
  readonly path: string;
  readonly size: number;
  readonly stamp?: string | undefined;
}

/**
 * Files below a root in the order of their names, folder by folder.
 * @param enter folders (relative paths) to look into; default all but hidden ones
 */
export async function* walk(
  root: ByteRoot,
  enter: (folder: string) => boolean = () => true,
  state = { seen: 0 },
  below = '',
): AsyncGenerator<FoundFile> {
  if (below.split('/').length > MAX_DEPTH) throw tooMuch(root, `folders deeper than ${MAX_DEPTH}`);
  for (const { name, size, stamp } of await root.list()) {
    if (++state.seen > MAX_ENTRIES) throw tooMuch(root, `more than ${MAX_ENTRIES} files`);
    yield { path: `${below}${name}`, size, stamp };
  }
  for (const name of await root.folders()) {
    const path = `${below}${name}`;
    if (!name.startsWith('.') && enter(path)) yield* walk(root.folder(name), enter, state, `${path}/`);
  }
}

const tooMuch = (root: ByteRoot, found: string): PrepError =>
  new PrepError({
    code: 'source-missing',
    at: { file: root.uri },
    expected: 'the folder of one dataset',
    found,
    remedy: 'give a folder further down',
  });
