/** An HDF5 file of this machine, looked at before the library sees it. */
import { open as openFile } from 'node:fs/promises';
import { PrepError } from '../../../schemas/errors.ts';
import { type DescribedGroup, groupAt } from './group.ts';
import { hdf5Library } from './library.ts';

export interface Hdf5File {
  readonly root: DescribedGroup;
  close(): void;
}

const SIGNATURE = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a];
/** A user block may stand before the file proper; its size is a power of two from 512. */
const STARTS = [0, 512, 1024, 2048, 4096, 8192];
const SUPERBLOCKS = 3;

/** @param name for messages. @throws PrepError `bad-hdf5` naming the file and the cause */
export async function openHdf5(path: string, name: string): Promise<Hdf5File> {
  await checkHead(path, name);
  const library = await hdf5Library();
  const id = library.open(path, name);
  let closed = false;
  return {
    root: groupAt({ library, id, file: name, failed: new Map() }, '/'),
    close() {
      if (!closed) library.close(id, path);
      closed = true;
    },
  };
}

async function checkHead(path: string, name: string): Promise<void> {
  const bad = (found: string): PrepError =>
    new PrepError({ code: 'bad-hdf5', at: { file: name }, expected: 'an HDF5 file', found });
  const handle = await openFile(path, 'r').catch((cause) => {
    throw new PrepError({
      code: 'source-missing',
      at: { file: name },
      expected: 'a readable file',
      found: String(cause),
      cause,
    });
  });
  try {
    const { size } = await handle.stat();
    if (size === 0) throw bad('an empty file (0 bytes)');
    const head = new Uint8Array(Math.min(size, STARTS.at(-1)! + 16));
    await handle.read(head, 0, head.length, 0);
    const start = STARTS.find((at) => SIGNATURE.every((byte, i) => head[at + i] === byte));
    if (start === undefined) {
      const text = Buffer.from(head.subarray(0, 64)).toString('latin1');
      if (text.startsWith('version https://git-lfs')) throw bad('a Git LFS pointer, no HDF5');
      throw bad(
        /^\s*<(!doctype|html)/i.test(text) ? 'a web page: no HDF5' : 'no HDF5 signature: it is not HDF5, or damaged',
      );
    }
    const version = head[start + 8] ?? 0;
    if (version > SUPERBLOCKS) throw bad(`superblock version ${version}, which does not exist`);
  } finally {
    await handle.close();
  }
}
