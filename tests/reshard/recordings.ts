/** A folder in which recordings arrive, change and vanish: copies of one small HDF5 episode with other gripper values. */
import { copyFileSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import h5wasm from 'h5wasm/node';

const FIXTURE = fileURLToPath(new URL('../../fixtures/datasets/bayesvla/episode_000002.h5', import.meta.url));

export interface Recordings {
  /** Writes or overwrites a recording; `take` tells its versions apart. */
  record(index: number, take: number): void;
  vanish(index: number): void;
  /** Another time, the same bytes. */
  touch(index: number): void;
}

export async function recordings(folder: string): Promise<Recordings> {
  await h5wasm.ready;
  const file = new h5wasm.File(FIXTURE, 'r');
  const values = Float64Array.from((file.get('gripper') as { value: ArrayLike<number> }).value);
  file.close();
  const original = readFileSync(FIXTURE);
  // Stored as they are, in one piece: they can be found and replaced.
  const place = original.indexOf(Buffer.from(values.buffer));
  if (place < 0) throw new Error('the fixture stores its gripper otherwise than this test thinks');
  const path = (index: number): string => join(folder, `episode_${String(index).padStart(6, '0')}.h5`);
  let clock = Date.UTC(2026, 0, 1) / 1000;
  const stamp = (index: number): void => utimesSync(path(index), clock, clock++);
  return {
    record(index, take) {
      copyFileSync(FIXTURE, path(index));
      const bytes = readFileSync(path(index));
      const changed = values.map((x, i) => Math.min(1, Math.max(0, x * 0.5 + (index * 7 + take * 3 + i) / 1000)));
      bytes.set(Buffer.from(changed.buffer), place);
      writeFileSync(path(index), bytes);
      stamp(index);
    },
    vanish: (index) => rmSync(path(index)),
    touch: stamp,
  };
}
