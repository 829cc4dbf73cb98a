/** Open data files and videos of LeRobot datasets, shared by the episodes in them and closed when nobody needs them. */
import type { ByteFile, ByteRoot } from '../../bytes.ts';
import { openAt } from '../../tree.ts';
import { openParquet, type ParquetFile } from '../parquet.ts';
import { openVideo, type Video } from '../video.ts';

export interface Lent<Value> {
  readonly value: Value;
  readonly size: number;
  release(): Promise<void>;
}

export interface OpenFiles {
  parquet(path: string): Promise<Lent<ParquetFile>>;
  video(path: string): Promise<Lent<Video>>;
  close(): Promise<void>;
}

/** Idle files kept open for the next episode. */
const IDLE = 8;

interface Slot {
  readonly opened: Promise<{ readonly value: unknown; readonly file: ByteFile }>;
  users: number;
}

export function openFiles(root: ByteRoot): OpenFiles {
  const slots = new Map<string, Slot>();
  const drop = async (path: string, slot: Slot): Promise<void> => {
    slots.delete(path);
    await slot.opened.then(({ file }) => file.close()).catch(() => undefined); // what did not open needs no closing
  };
  const lend = async <Value>(path: string, make: (file: ByteFile) => Promise<Value>): Promise<Lent<Value>> => {
    const slot = slots.get(path) ?? { opened: opened(path, make), users: 0 };
    slots.delete(path);
    slots.set(path, slot);
    slot.users++;
    const release = async (): Promise<void> => {
      slot.users--;
      const idle = [...slots].filter(([, one]) => one.users === 0);
      for (const [name, one] of idle.slice(0, Math.max(0, idle.length - IDLE))) await drop(name, one);
    };
    try {
      const { value, file } = await slot.opened;
      return { value: value as Value, size: file.size, release };
    } catch (error) {
      slot.users--;
      await drop(path, slot);
      throw error;
    }
  };
  async function opened<Value>(path: string, make: (file: ByteFile) => Promise<Value>) {
    // Messages should name the path within the dataset, not the bare file name.
    const file = { ...(await openAt(root, path)), name: path };
    try {
      return { value: await make(file), file };
    } catch (error) {
      await file.close();
      throw error;
    }
  }
  return {
    parquet: (path) => lend(path, openParquet),
    video: (path) => lend(path, openVideo),
    async close() {
      for (const [path, slot] of [...slots]) await drop(path, slot);
    },
  };
}
