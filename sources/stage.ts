/** Files that native code opens by a path of this machine: local ones as they are. */
import { join } from 'node:path';
import type { ByteRoot } from './bytes.ts';

export interface Staged {
  readonly path: string;
  release(): Promise<void>;
}

/** @param path relative to the root, `/` between folders */
export async function stage(root: ByteRoot, path: string): Promise<Staged> {
  return { path: join(root.uri, path), release: async () => undefined };
}
