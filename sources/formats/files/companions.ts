/** Files beside an anchor: found by name or pattern, opened once for all episodes that share them, closed when idle. */
import type { ByteRoot } from '../../bytes.ts';
import { stage } from '../../stage.ts';
import { openAt } from '../../tree.ts';
import { type Hdf5File, openHdf5 } from '../hdf5/file.ts';
import { openVideo } from '../video.ts';
import { openPictures, pictureFolders } from './pictures.ts';
import type { Companion } from './record.ts';

export interface OpenCompanion {
  readonly companion: Companion;
  readonly size: number;
  release(): Promise<void>;
}

export interface CompanionFiles {
  /**
   * Null where none of the candidates is there. A name in the last part of a path may hold `*`; one that ends in `/` is a
   * folder with pictures.
   */
  open(candidates: readonly string[]): Promise<OpenCompanion | null>;
  hdf5(path: string): Promise<{ file: Hdf5File; release(): Promise<void> }>;
  close(): Promise<void>;
}

/** Idle companions kept for the next episode: texts of tasks and calibrations are shared by many. */
const IDLE = 24;
const MAX_BYTES = 2 ** 30;
const HDF5 = /\.(hdf5|h5)$/i;
const VIDEO = /\.(mp4|mkv|webm|avi|mov)$/i;

interface Slot {
  readonly opened: Promise<{ value: Companion; size: number; close(): Promise<void> }>;
  users: number;
}

/** @param paths of all files below the root → bytes */
export function companionFiles(root: ByteRoot, paths: ReadonlyMap<string, number>): CompanionFiles {
  const slots = new Map<string, Slot>();
  let folders: ReadonlyMap<string, string[]> | undefined;
  const pictures = (path: string): string[] | undefined => {
    folders ??= pictureFolders(paths.keys());
    return folders.get(path);
  };
  const there = (path: string): string | undefined =>
    path.endsWith('/') ? (pictures(path) ? path : undefined) : matching(paths, path);
  const drop = async (path: string, slot: Slot): Promise<void> => {
    slots.delete(path);
    await slot.opened.then(({ close }) => close()).catch(() => undefined); // what did not open needs no closing
  };
  const lend = async (path: string): Promise<OpenCompanion> => {
    const slot = slots.get(path) ?? {
      opened: path.endsWith('/') ? openedFolder(root, path, pictures(path)!) : opened(root, path, paths.get(path) ?? 0),
      users: 0,
    };
    slots.delete(path);
    slots.set(path, slot);
    slot.users++;
    try {
      const { value, size } = await slot.opened;
      return {
        companion: value,
        size,
        async release() {
          slot.users--;
          const idle = [...slots].filter(([, one]) => one.users === 0);
          for (const [name, one] of idle.slice(0, Math.max(0, idle.length - IDLE))) await drop(name, one);
        },
      };
    } catch (error) {
      slot.users--;
      await drop(path, slot);
      throw error;
    }
  };
  return {
    async open(candidates) {
      const found = candidates.map(there).find((path) => path !== undefined);
      return found === undefined ? null : lend(found);
    },
    async hdf5(path) {
      const { companion, release } = await lend(path);
      if (companion.kind !== 'hdf5') throw new Error(`${path} was not opened as HDF5`);
      return { file: companion.file, release };
    },
    async close() {
      for (const [path, slot] of [...slots]) await drop(path, slot);
    },
  };
}

function matching(paths: ReadonlyMap<string, number>, candidate: string): string | undefined {
  if (!candidate.includes('*')) return paths.has(candidate) ? candidate : undefined;
  const [head, tail] = candidate.split('*') as [string, string];
  const found = [...paths.keys()].filter(
    (path) =>
      path.startsWith(head) && path.endsWith(tail) && !path.slice(head.length, path.length - tail.length).includes('/'),
  );
  return found.sort()[0];
}

async function openedFolder(root: ByteRoot, path: string, names: readonly string[]) {
  const value = { kind: 'pictures', path, pictures: await openPictures(root, path, names) } as const;
  return { value, size: 0, close: async () => undefined };
}

async function opened(root: ByteRoot, path: string, size: number) {
  if (HDF5.test(path)) {
    const staged = await stage(root, path);
    try {
      const file = await openHdf5(staged.path, path);
      const close = async (): Promise<void> => {
        file.close();
        await staged.release();
      };
      return { value: { kind: 'hdf5', path, file } as const, size, close };
    } catch (error) {
      await staged.release();
      throw error;
    }
  }
  const file = { ...(await openAt(root, path)), name: path };
  try {
    if (VIDEO.test(path))
      return { value: { kind: 'video', path, video: await openVideo(file) } as const, size, close: file.close };
    const bytes = await file.read(0, Math.min(file.size, MAX_BYTES));
    await file.close();
    return { value: { kind: 'bytes', path, bytes } as const, size, close: async () => undefined };
  } catch (error) {
    await file.close();
    throw error;
  }
}
