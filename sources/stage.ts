/** Files that native code opens by a path of this machine: local ones as they are, others as a copy that is removed again. */
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PrepError } from '../schemas/errors.ts';
import type { ByteRoot } from './bytes.ts';
import { folderAt, openAt } from './tree.ts';

export interface Staged {
  readonly path: string;
  release(): Promise<void>;
}

const CHUNK = 8 * 2 ** 20;

/** @param path relative to the root, `/` between folders. @throws PrepError of the read */
export async function stage(root: ByteRoot, path: string): Promise<Staged> {
  const cut = path.lastIndexOf('/');
  const local = folderAt(root, path.slice(0, Math.max(cut, 0))).localPath?.(path.slice(cut + 1));
  if (local) return { path: local, release: async () => undefined };
  const folder = await mkdtemp(join(tmpdir(), 'prep-stage-'));
  const release = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    const target = join(folder, path.slice(cut + 1));
    await copy(root, path, target);
    return { path: target, release };
  } catch (error) {
    await release();
    throw error;
  }
}

async function copy(root: ByteRoot, path: string, target: string): Promise<void> {
  const file = await openAt(root, path);
  const out = await open(target, 'wx');
  try {
    for (let at = 0; at < file.size; at += CHUNK) {
      const bytes = await file.read(at, Math.min(CHUNK, file.size - at));
      await out.write(bytes);
    }
    const { size } = await out.stat();
    if (size !== file.size)
      throw new PrepError({ code: 'bad-remote', at: { file: path }, expected: `${file.size} bytes`, found: `${size}` });
  } finally {
    await out.close();
    await file.close();
  }
}
