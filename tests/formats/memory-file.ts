/** Byte files and folders in memory that count what is asked of them. */
import { readFileSync } from 'node:fs';
import { PrepError } from '../../schemas/errors.ts';
import type { ByteFile, ByteRoot } from '../../sources/bytes.ts';

export interface CountingFile extends ByteFile {
  /** Bytes returned so far, and the largest length asked for. */
  readonly counts: { bytes: number; reads: number; largest: number };
}

export function memoryFile(name: string, content: Uint8Array): CountingFile {
  const counts = { bytes: 0, reads: 0, largest: 0 };
  return {
    name,
    size: content.length,
    counts,
    async read(offset, length) {
      const found = content.slice(offset, offset + length) as Uint8Array<ArrayBuffer>;
      counts.reads++;
      counts.bytes += found.length;
      counts.largest = Math.max(counts.largest, length);
      return found;
    },
    async close() {},
  };
}

export type Tree = { [name: string]: string | Uint8Array | Tree };

const isFolder = (entry: Tree[string]): entry is Tree => typeof entry === 'object' && !(entry instanceof Uint8Array);

/** A folder as an object: texts and bytes are files, objects are folders. */
export function memoryRoot(tree: Tree, uri = '/memory'): ByteRoot {
  const bytesOf = (name: string): Uint8Array => {
    const entry = tree[name];
    if (entry === undefined || isFolder(entry))
      throw new PrepError({ code: 'source-missing', at: { file: name }, found: 'nothing there' });
    return typeof entry === 'string' ? new TextEncoder().encode(entry) : entry;
  };
  const named = (folder: boolean): string[] => Object.keys(tree).filter((name) => isFolder(tree[name]!) === folder);
  return {
    uri,
    list: async () => named(false).map((name) => ({ name, size: bytesOf(name).length })),
    folders: async () => named(true),
    folder: (name) => memoryRoot(tree[name] as Tree, `${uri}/${name}`),
    open: async (name) => memoryFile(name, bytesOf(name)),
    readText: async (name) => new TextDecoder().decode(bytesOf(name)),
  };
}

const FIXTURES = new URL('../../fixtures/rlds/', import.meta.url);
export const fixture = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(name, FIXTURES)));
export const fixtureJson = <T>(name: string): T => JSON.parse(readFileSync(new URL(name, FIXTURES), 'utf8'));

/** The PrepError that a call ends with. */
export async function failure(call: () => unknown): Promise<PrepError> {
  try {
    await call();
  } catch (error) {
    if (error instanceof PrepError) return error;
    throw error;
  }
  throw new Error('no error was thrown');
}
