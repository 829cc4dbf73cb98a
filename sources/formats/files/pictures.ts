/** A folder of pictures as one camera: a file per frame, read when it is needed. */
import { PrepError } from '../../../schemas/errors.ts';
import { BATCH_BYTES, type FrameStream, type PictureBatch, type Span } from '../../../schemas/frames.ts';
import type { ByteRoot } from '../../bytes.ts';
import { folderAt } from '../../tree.ts';
import { imageFacts } from '../image-header.ts';

export interface PictureFolder {
  /** File names, sorted. */
  readonly names: readonly string[];
  /** Pixels of the first picture, as its header claims. */
  readonly width: number;
  readonly height: number;
  /** Pictures by index, ascending; one that is listed again is given again. */
  pick(shown: readonly number[]): FrameStream;
}

export const PICTURE = /\.(jpe?g|png)$/i;

/** A batch holds at most so many pictures, as of a video. */
const BATCH_FRAMES = 128;
/** Bytes of one picture: 8-bit frames of any camera are far below. */
const MAX_PICTURE = 2 ** 26;
/** Headers with a preview inside are no longer than this. */
const HEAD = 2 ** 17;

/** Pictures per folder (with `/` at its end), of all paths below a root. */
export function pictureFolders(paths: Iterable<string>): ReadonlyMap<string, string[]> {
  const folders = new Map<string, string[]>();
  for (const path of paths) {
    if (!PICTURE.test(path)) continue;
    const cut = path.lastIndexOf('/') + 1;
    const names = folders.get(path.slice(0, cut)) ?? [];
    names.push(path.slice(cut));
    folders.set(path.slice(0, cut), names);
  }
  return folders;
}

/** @param names of its pictures, at least one */
export async function openPictures(root: ByteRoot, path: string, names: readonly string[]): Promise<PictureFolder> {
  const folder = folderAt(root, path);
  const sorted = [...names].sort();
  const read = async (name: string, limit: number): Promise<Uint8Array> => {
    const file = await folder.open(name);
    try {
      return await file.read(0, Math.min(file.size, limit));
    } finally {
      await file.close();
    }
  };
  const head = await read(sorted[0]!, HEAD);
  const { width, height } = imageFacts(head);
  // A small first picture is there already.
  const whole: ReadPicture = async (name) =>
    name === sorted[0] && head.length < HEAD ? head : read(name, MAX_PICTURE + 1);
  return {
    ...{ names: sorted, width, height },
    pick: (shown) =>
      stream(
        shown.map((index) => sorted[index]!),
        whole,
        path,
      ),
  };
}

type ReadPicture = (name: string) => Promise<Uint8Array>;

const stream = (files: readonly string[], read: ReadPicture, path: string): FrameStream => ({
  kind: 'stream',
  count: files.length,
  batches: () => batches(files, read, path),
  pick: (frames) =>
    stream(
      frames.map((frame) => files[frame]!),
      read,
      path,
    ),
});

async function* batches(files: readonly string[], read: ReadPicture, path: string): AsyncGenerator<PictureBatch> {
  let parts: Uint8Array[] = [];
  let spans: Span[] = [];
  let length = 0;
  for (const [i, name] of files.entries()) {
    const again = spans.at(-1);
    if (again && name === files[i - 1]) spans.push(again);
    else {
      const bytes = await read(name);
      if (bytes.length > MAX_PICTURE)
        throw new PrepError({
          code: 'bad-image',
          at: { file: path + name },
          expected: 'a picture',
          found: 'more than 64 MiB',
        });
      spans.push({ offset: length, length: bytes.length });
      parts.push(bytes);
      length += bytes.length;
    }
    if (length < BATCH_BYTES && spans.length < BATCH_FRAMES && i < files.length - 1) continue;
    yield { kind: 'pictures', buffer: joined(parts, length), spans };
    [parts, spans, length] = [[], [], 0];
  }
}

function joined(parts: readonly Uint8Array[], length: number): ArrayBuffer {
  const out = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out.buffer;
}
