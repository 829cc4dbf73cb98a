/** What an episode of files is made of, as one hash: whole files where it owns them, its own group where it shares one. */
import { createHash, type Hash } from 'node:crypto';
import { PrepError } from '../../../schemas/errors.ts';
import type { Hdf5Group } from '../../../schemas/records.ts';
import type { ByteRoot } from '../../bytes.ts';
import { openAt } from '../../tree.ts';

const CHUNK = 2 ** 22;
/** Groups may be linked in a circle. */
const MAX_DEPTH = 12;

export async function digestOfFiles(root: ByteRoot, paths: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const path of [...paths].sort()) {
    // The name within its folder says what the file is; where the folder lies is no content.
    hash.update(`${path.split('/').at(-1)}\0`);
    const file = await openAt(root, path);
    try {
      for (let at = 0; at < file.size; at += CHUNK) hash.update(await file.read(at, Math.min(CHUNK, file.size - at)));
    } finally {
      await file.close();
    }
  }
  return hash.digest('hex');
}

/** Datasets of a group by their decoded values, so that the same episode stored with another filter is the same. */
export async function digestOfGroup(group: Hdf5Group): Promise<string> {
  const hash = createHash('sha256');
  await addGroup(hash, group, '', 0);
  return hash.digest('hex');
}

async function addGroup(hash: Hash, group: Hdf5Group, path: string, depth: number): Promise<void> {
  if (depth > MAX_DEPTH) return;
  for (const key of group.keys(path).sort()) {
    const here = path === '' ? key : `${path}/${key}`;
    hash.update(`${here}\0`);
    try {
      if (group.isGroup(here)) await addGroup(hash, group, here, depth + 1);
      else await addDataset(hash, group, here);
    } catch (error) {
      // What cannot be read is part of what the episode is; whether it is needed shows later, and is said there.
      if (!(error instanceof PrepError)) throw error;
      hash.update(`unreadable ${error.code}`);
    }
  }
}

async function addDataset(hash: Hash, group: Hdf5Group, path: string): Promise<void> {
  const shape = group.shape(path);
  hash.update(shape.join('×'));
  if (shape.length >= 3 || (shape.length === 2 && shape[1]! > 1024)) {
    const { frames } = group.images(path);
    if (frames.kind === 'stream') for await (const { buffer } of frames.batches()) hash.update(new Uint8Array(buffer));
    return;
  }
  try {
    hash.update(new Uint8Array(group.numbers(path).buffer));
  } catch (error) {
    if (!(error instanceof PrepError) || error.code !== 'bad-value') throw error;
    hash.update(group.texts(path).join('\0'));
  }
}
