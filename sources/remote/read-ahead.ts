/** Many small reads in a row → few large requests. Memory: one window per open file. */
import type { ByteFile } from '../bytes.ts';

/** Bytes that one request fetches where a file is read from front to back. */
export const WINDOW = 8 * 2 ** 20;
/** Bytes that a read somewhere else fetches at least: a header and what stands beside it. */
const LEAST = 64 * 2 ** 10;

export function readAhead(file: ByteFile): ByteFile {
  let start = 0;
  let held: Uint8Array = new Uint8Array(0);
  return {
    ...file,
    async read(offset, length) {
      const end = Math.min(offset + length, file.size);
      if (offset >= end) return new Uint8Array(0);
      if (offset >= start && end <= start + held.length) return held.slice(offset - start, end - start);
      // Who goes on where the window ends reads on; who jumps gets what was asked for and a little more.
      const follows = offset >= start && offset <= start + held.length && held.length > 0;
      const want = Math.max(end - offset, follows || offset === 0 ? WINDOW : LEAST);
      const fresh = await file.read(offset, Math.min(want, file.size - offset));
      [start, held] = [offset, fresh];
      return fresh.slice(0, end - offset);
    },
  };
}
