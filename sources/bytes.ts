/**
 * Byte ranges over files. A root is a folder: local here, on servers and object stores in `remote/`, behind two interfaces.
 * Caching, read-ahead and retries are functions that take a root and return one.
 */
import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Place, PrepError } from '../schemas/errors.ts';
import type { Access } from './remote/access.ts';

export interface ByteFile {
  readonly name: string;
  /** Bytes at the time of opening. */
  readonly size: number;
  /**
   * Up to `length` bytes from `offset`, fewer only where the file ends. The result owns its whole ArrayBuffer
   * (byteOffset 0, nothing behind it), so it may be transferred to another thread. Never allocates beyond the file's end.
   */
  read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
  close(): Promise<void>;
}

export interface ListedFile {
  readonly name: string;
  readonly size: number;
  /** Changes when the file does, as far as the place tells. */
  readonly stamp?: string;
}

export interface ByteRoot {
  /** Absolute; for messages and lineage, never part of a fingerprint. */
  readonly uri: string;
  /** The files directly in this folder (links followed), sorted by name; `stamp` (mtime or ETag) where there is one. */
  list(): Promise<ListedFile[]>;
  /** Names of the folders directly in this folder, sorted. */
  folders(): Promise<string[]>;
  folder(name: string): ByteRoot;
  open(name: string): Promise<ByteFile>;
  /** The path of a file for native code, where it is one of this machine. */
  localPath?(name: string): string;
  /** A whole UTF-8 text. @throws PrepError `bad-value` above `limit` bytes (default 64 MiB) or where it is no UTF-8 */
  readText(name: string, limit?: number): Promise<string>;
}

const TEXT_LIMIT = 2 ** 26;
/** One read(2) call takes at most 2 GiB − 1. */
const READ_LIMIT = 2 ** 30;
/** Entries looked at together when a folder is listed: bounds the open requests of network file systems. */
const STAT_CONCURRENCY = 32;

/**
 * Opens a folder: a path, a `file:` URL, or an address that `remote/open.ts` knows.
 * @throws PrepError `source-missing` where there is none
 */
export async function openRoot(uri: string, access: Access = {}): Promise<ByteRoot> {
  if (isRemote(uri)) return (await import('./remote/open.ts')).openRemoteRoot(uri, access);
  const path = uri.startsWith('file:') ? fileURLToPath(uri) : resolve(uri);
  const found = await stat(path).catch((cause) => {
    throw missing({ file: path }, 'a folder', cause, 'check --root');
  });
  if (found.isDirectory()) return localRoot(path);
  throw new PrepError({
    code: 'source-missing',
    at: { file: path },
    expected: 'a folder',
    found: 'a file',
    remedy: 'give the folder that holds it',
  });
}

const isRemote = (uri: string): boolean => /^[a-z][a-z0-9+.-]+:\/\//i.test(uri) && !uri.startsWith('file:');

function localRoot(path: string): ByteRoot {
  return {
    uri: path,
    list: async () =>
      (await entries(path)).flatMap(({ name, size, stamp }) => (size === null ? [] : [{ name, size, stamp }])),
    folders: async () => (await entries(path)).flatMap(({ name, size }) => (size === null ? [name] : [])),
    folder: (name) => localRoot(inside(path, name)),
    open: (name) => openLocal(inside(path, name), name),
    localPath: (name) => inside(path, name),
    readText: (name, limit = TEXT_LIMIT) => readText(inside(path, name), name, limit),
  };
}

/** Names may come from metadata files: one that leaves the folder is refused. */
function inside(path: string, name: string): string {
  if (name !== '' && name !== '.' && name !== '..' && !/[/\\\0]/.test(name)) return join(path, name);
  throw new PrepError({
    code: 'source-missing',
    at: { file: path },
    expected: 'a name within this folder',
    found: JSON.stringify(name),
  });
}

/** `size` is null for a folder. Links are followed (Hugging Face caches are links); sockets and broken links are left out. */
async function entries(path: string): Promise<{ name: string; size: number | null; stamp: string }[]> {
  const names = await readdir(path).catch((cause) => {
    throw missing({ file: path }, 'a readable folder', cause);
  });
  const found: { name: string; size: number | null; stamp: string }[] = [];
  for (let i = 0; i < names.length; i += STAT_CONCURRENCY) {
    const chunk = names.slice(i, i + STAT_CONCURRENCY);
    for (const [k, entry] of (await Promise.all(chunk.map((name) => statIfThere(join(path, name))))).entries()) {
      if (entry?.isDirectory()) found.push({ name: chunk[k]!, size: null, stamp: '' });
      else if (entry?.isFile()) found.push({ name: chunk[k]!, size: entry.size, stamp: String(entry.mtimeMs) });
    }
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function statIfThere(path: string) {
  return stat(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT' || cause.code === 'ELOOP') return null;
    throw missing({ file: path }, 'a readable file', cause);
  });
}

async function openLocal(path: string, name: string): Promise<ByteFile> {
  const fail = (cause: unknown): never => {
    throw missing({ file: path }, 'a readable file', cause);
  };
  const handle = await open(path, 'r').catch(fail);
  const { size } = await handle.stat();
  return {
    name,
    size,
    read: (offset, length) => readRange(handle, offset, Math.max(0, Math.min(length, size - offset))).catch(fail),
    close: () => handle.close(),
  };
}

async function readRange(handle: FileHandle, offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
  const buffer = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await handle.read(buffer, done, Math.min(length - done, READ_LIMIT), offset + done);
    // The file became shorter after it was opened.
    if (bytesRead === 0) return buffer.slice(0, done);
    done += bytesRead;
  }
  return buffer;
}

async function readText(path: string, name: string, limit: number): Promise<string> {
  const file = await openLocal(path, name);
  try {
    if (file.size > limit) throw new Error(`${file.size} bytes, more than ${limit}`);
    return new TextDecoder('utf-8', { fatal: true }).decode(await file.read(0, file.size));
  } catch (cause) {
    if (cause instanceof PrepError) throw cause;
    throw new PrepError({
      code: 'bad-value',
      at: { file: path },
      expected: `UTF-8 text of at most ${limit} bytes`,
      found: (cause as Error).message,
      cause,
    });
  } finally {
    await file.close();
  }
}

function missing(at: Place, expected: string, cause: unknown, remedy?: string): PrepError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const found = code === 'ENOENT' ? 'nothing there' : message;
  return new PrepError({ code: 'source-missing', at, expected, found, cause, ...(remedy ? { remedy } : {}) });
}
