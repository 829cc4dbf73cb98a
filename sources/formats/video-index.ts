/** Any video file → which bytes are which frame, in the order in which a player shows them. */
import { type Place, PrepError } from '../../schemas/errors.ts';
import type { VideoCodec } from '../../schemas/frames.ts';
import type { ByteFile } from '../bytes.ts';
import { parseMoov, type SampleTable, Unlisted } from './mp4-boxes.ts';

export interface VideoIndex {
  readonly codec: VideoCodec;
  readonly extradata: Uint8Array;
  readonly width: number;
  readonly height: number;
  /** In decoding order. */
  readonly offset: Float64Array;
  readonly size: Float64Array;
  readonly key: Uint8Array;
  /** When each coded frame is or would be shown, seconds from any origin: also of those that an edit list hides. */
  readonly time: Float64Array;
  /** Place in presentation order, −1 for what is decoded and not shown. */
  readonly rank: Int32Array;
  /** Decoding-order place of each shown frame. */
  readonly sampleOf: Int32Array;
  /** Presentation time of each shown frame, seconds from the first. */
  readonly seconds: Float64Array;
  /** The file itself where it had to be read whole. */
  readonly whole?: Uint8Array;
}

/** Boxes at the top of a file before its list of frames: recorders write fewer than ten, and each costs a read. */
const MAX_BOXES = 2048;
const MAX_MOOV = 2 ** 28;
const KNOWN = new Set([
  'ftyp',
  'moov',
  'mdat',
  'free',
  'skip',
  'wide',
  'pnot',
  'styp',
  'sidx',
  'uuid',
  'moof',
  'mfra',
  'meta',
]);

/** @throws PrepError `bad-video` naming the file and what is wrong with it */
export async function readVideoIndex(file: ByteFile): Promise<VideoIndex> {
  const at: Place = { file: file.name };
  try {
    const moov = await findMoov(file);
    if (moov === null) return await demuxed(file);
    return indexOf(parseMoov(moov), file.size);
  } catch (error) {
    if (!(error instanceof Unlisted)) throw error instanceof PrepError ? error.within(at) : error;
    return demuxed(file);
  }
}

const demuxed = async (file: ByteFile): Promise<VideoIndex> => (await import('./video-demux.ts')).demuxWhole(file);

/** Content of `moov`; null for another container. */
async function findMoov(file: ByteFile): Promise<Uint8Array | null> {
  if (file.size === 0) throw bad('a video', 'an empty file');
  const seen: string[] = [];
  for (let at = 0; at + 8 <= file.size; ) {
    if (seen.length === MAX_BOXES) throw bad(`a moov box among the first ${MAX_BOXES} boxes`, 'none');
    let head: Uint8Array = await file.read(at, 8);
    // What follows a short header is read with what it belongs to.
    if (new DataView(head.buffer).getUint32(0) === 1) head = Buffer.concat([head, await file.read(at + 8, 8)]);
    const view = new DataView(head.buffer, head.byteOffset);
    const type = Buffer.from(head.subarray(4, 8)).toString('latin1');
    if (!KNOWN.has(type)) {
      if (seen.length > 0)
        throw bad('boxes to the end of the file', `${JSON.stringify(type)} after ${seen.slice(-5).join(', ')}`);
      refuseText(await file.read(0, 512));
      return null;
    }
    const wide = view.getUint32(0) === 1;
    const size = wide && head.length === 16 ? Number(view.getBigUint64(8)) : view.getUint32(0) || file.size - at;
    const header = wide ? 16 : 8;
    if (size < header) throw bad('boxes of at least their header', `${type} of ${size} bytes`);
    if (type === 'moov') {
      if (at + size > file.size) throw bad(`${size} bytes of moov`, `a file that ends after ${file.size - at} of them`);
      if (size > MAX_MOOV) throw bad(`a moov box of at most ${MAX_MOOV} bytes`, `${size}`);
      return file.read(at + header, size - header);
    }
    seen.push(type);
    at += size;
  }
  if (file.size < 8) refuseText(await file.read(0, file.size));
  throw bad(
    'a moov box (the list of frames, written when a recording ends)',
    `none, only ${seen.slice(0, 5).join(', ')}: the recording was cut or the file is not complete`,
  );
}

/** Files that are no videos by any name: a Git LFS pointer, a web page. */
function refuseText(head: Uint8Array): void {
  const text = Buffer.from(head).toString('latin1');
  if (text.startsWith('version https://git-lfs'))
    throw new PrepError({
      code: 'bad-video',
      expected: 'a video',
      found: 'a Git LFS pointer, not the file it stands for',
      remedy: 'fetch the content with `git lfs pull`',
    });
  if (/^\s*<(!doctype|html|\?xml)/i.test(text)) throw bad('a video', 'a web page or XML');
  if (head.length < 8) throw bad('a video', `a file of ${head.length} bytes`);
}

function indexOf(table: SampleTable, fileSize: number): VideoIndex {
  const { offset, size, seconds, shown, ...rest } = table;
  for (let i = 0; i < size.length; i++)
    if (offset[i]! + size[i]! > fileSize)
      throw bad(
        `${offset[i]! + size[i]!} bytes, where frame ${i} ends`,
        `a file of ${fileSize} bytes: it is cut short`,
      );
  const [from, to] = shown;
  // A tick of the finest usual time scale: rounding must not drop the first frame.
  const slack = 1e-6;
  const visible = (i: number): boolean => seconds[i]! >= from - slack && seconds[i]! < to - slack;
  return { ...rest, offset, size, ...ranked(seconds, visible) };
}

/** Presentation order of what is visible. @param time by decoding order, s @throws PrepError `bad-video` where nothing is */
export function ranked(
  time: Float64Array,
  visible: (sample: number) => boolean,
): Pick<VideoIndex, 'time' | 'rank' | 'sampleOf' | 'seconds'> {
  const order = Array.from(time.keys()).filter(visible);
  if (order.length === 0)
    throw bad('at least one frame that is shown', `an edit list that leaves out all ${time.length}`);
  order.sort((a, b) => time[a]! - time[b]! || a - b);
  const rank = new Int32Array(time.length).fill(-1);
  for (const [place, sample] of order.entries()) rank[sample] = place;
  const first = time[order[0]!]!;
  return {
    time,
    rank,
    sampleOf: Int32Array.from(order),
    seconds: Float64Array.from(order, (sample) => time[sample]! - first),
  };
}

const bad = (expected: string, found: string): PrepError => new PrepError({ code: 'bad-video', expected, found });
