/** A root that notes which bytes of which file are read. */
import type { ByteRoot } from '../../sources/bytes.ts';

export interface Counter {
  /** Path → ranges in the order of reading; texts that are read whole (metadata) are not among them. */
  readonly ranges: ReadonlyMap<string, readonly (readonly [from: number, to: number])[]>;
  through(root: ByteRoot): ByteRoot;
}

export function openCounter(): Counter {
  const ranges = new Map<string, [number, number][]>();
  const wrapped = (root: ByteRoot, below: string): ByteRoot => {
    const { localPath: _, ...rest } = root; // native code would read past the counter: it gets a copy
    return {
      ...rest,
      folder: (name) => wrapped(root.folder(name), `${below}${name}/`),
      async open(name) {
        const file = await root.open(name);
        const own = ranges.get(`${below}${name}`) ?? [];
        ranges.set(`${below}${name}`, own);
        return {
          ...file,
          async read(offset, length) {
            const bytes = await file.read(offset, length);
            own.push([offset, offset + bytes.length]);
            return bytes;
          },
        };
      },
    };
  };
  return { ranges, through: (root) => wrapped(root, '') };
}

/** Bytes that were read, and those of them that were read before. */
export function sums({ ranges }: Counter, counts: (path: string) => boolean = () => true) {
  let [total, again] = [0, 0];
  for (const [path, list] of ranges) {
    if (!counts(path)) continue;
    let end = 0;
    for (const [from, to] of [...list].sort((a, b) => a[0] - b[0] || a[1] - b[1])) {
      total += to - from;
      again += Math.max(0, Math.min(end, to) - from);
      end = Math.max(end, to);
    }
  }
  return { total, again };
}
