/** Frames of a video by index: each batch holds the coded frames from a key frame on that its pictures need. */
import type { Hash } from 'node:crypto';
import { PrepError } from '../../schemas/errors.ts';
import { BATCH_BYTES, type FrameStream, type VideoBatch, type VideoPacket } from '../../schemas/frames.ts';
import type { ByteFile } from '../bytes.ts';
import { readVideoIndex, type VideoIndex } from './video-index.ts';

export interface Video {
  readonly codec: VideoIndex['codec'];
  readonly width: number;
  readonly height: number;
  /** Number of frames that a player shows. */
  readonly frames: number;
  /** Time of each frame from the first, seconds. */
  readonly seconds: Float64Array;
  /** Frames `from` … `from + count` − 1 in presentation order; nothing is read before it is pulled. @throws PrepError `bad-video` where there are fewer */
  stream(from: number, count: number): FrameStream;
  /** Frames by index, ascending; one that is listed again is given again. @throws PrepError `bad-video` */
  pick(shown: readonly number[]): FrameStream;
  /** Adds the coded bytes of these frames (and of what they are predicted from) to a hash. */
  digest(hash: Hash, from: number, count: number): Promise<void>;
  /** Bytes of the coded frames themselves. */
  bytes(from: number, count: number): number;
  /** Bytes that showing any of these frames takes at most: the index, the coded frames, what lies between them. */
  reach(from: number, count: number): number;
}

/** A batch holds at most so many pictures: their results wait together in memory. */
const BATCH_FRAMES = 128;
/** So many coded frames that nobody wants are decoded rather than a decoder opened anew behind them. */
const SKIPPED = 4;
/** Bytes between two coded frames (sound, other tracks) that are cheaper to read than to skip. */
const GAP = 2 ** 16;

/** `file` stays open as long as streams of it are read. @throws PrepError `bad-video` */
export async function openVideo(file: ByteFile): Promise<Video> {
  const index = await readVideoIndex(file);
  const read = (offset: number, length: number): Promise<Uint8Array> | Uint8Array =>
    index.whole ? index.whole.subarray(offset, offset + length) : file.read(offset, length);
  const within = (from: number, count: number): void => {
    if (from >= 0 && from + count <= index.sampleOf.length) return;
    throw new PrepError({
      code: 'bad-video',
      at: { file: file.name },
      expected: `frames ${from} to ${from + count - 1}`,
      found: `${index.sampleOf.length} frames`,
    });
  };
  return {
    codec: index.codec,
    width: index.width,
    height: index.height,
    frames: index.sampleOf.length,
    seconds: index.seconds,
    stream(from, count) {
      within(from, count);
      return picked(
        index,
        Array.from({ length: count }, (_, i) => from + i),
        { file, read },
      );
    },
    pick(shown) {
      const [first = 0, last = -1] = [shown[0], shown.at(-1)];
      within(first, last - first + 1);
      if (shown.some((rank, i) => i > 0 && rank < shown[i - 1]!))
        throw new Error('frames are picked in ascending order');
      return picked(index, shown, { file, read });
    },
    async digest(hash, from, count) {
      within(from, count);
      hash.update(index.extradata);
      for (const range of ranges(
        index,
        Array.from({ length: count }, (_, i) => from + i),
      ))
        hash.update(new Uint8Array((await packetsOf(index, range, { file, read })).buffer));
    },
    bytes(from, count) {
      let sum = 0;
      for (let rank = from; rank < from + count; rank++) sum += index.size[index.sampleOf[rank]!]!;
      return sum;
    },
    reach: (from, count) => reach(index, { from, count, fileSize: file.size }),
  };
}

const picked = (index: VideoIndex, shown: readonly number[], source: Source): FrameStream => ({
  kind: 'stream',
  count: shown.length,
  batches: () => batches(index, shown, source),
  pick: (frames) =>
    picked(
      index,
      frames.map((frame) => shown[frame]!),
      source,
    ),
});

function reach(
  index: VideoIndex,
  { from, count, fileSize }: { from: number; count: number; fileSize: number },
): number {
  if (index.whole || count === 0) return fileSize;
  const coded = index.size.reduce((sum, size) => sum + size, 0);
  let [begin, end] = [fileSize, 0];
  for (const { first, last } of ranges(
    index,
    Array.from({ length: count }, (_, i) => from + i),
  ))
    for (let sample = first; sample <= last; sample++) {
      begin = Math.min(begin, index.offset[sample]!);
      end = Math.max(end, index.offset[sample]! + index.size[sample]!);
    }
  return Math.min(fileSize, end - begin + fileSize - coded);
}

interface Source {
  readonly file: ByteFile;
  read(offset: number, length: number): Promise<Uint8Array> | Uint8Array;
}

/** Coded frames `first` … `last` (decoding order) and the shown ones among them that are wanted. */
interface Range {
  readonly first: number;
  readonly last: number;
  readonly wanted: number[];
}

async function* batches(index: VideoIndex, shown: readonly number[], source: Source): AsyncGenerator<VideoBatch> {
  const { codec, extradata, width, height } = index;
  for (const range of ranges(index, shown)) {
    const { buffer, packets } = await packetsOf(index, range, source);
    yield { kind: 'video', buffer, codec, extradata, width, height, packets, wanted: range.wanted };
  }
}

/** Consecutive ranges that each start at a key frame. A cut lies only before a frame that starts from a later key frame. */
function* ranges(index: VideoIndex, shown: Iterable<number>): Generator<Range> {
  let current: { first: number; last: number; bytes: number; wanted: number[] } | null = null;
  for (const rank of shown) {
    const sample = index.sampleOf[rank]!;
    const start = startOf(index, rank);
    const full = current && (current.bytes > BATCH_BYTES || current.wanted.length >= BATCH_FRAMES);
    if (current && start > current.first && (full || start - current.last > SKIPPED)) {
      yield current;
      current = null;
    }
    current ??= { first: start, last: start - 1, bytes: 0, wanted: [] };
    for (; current.last < sample; current.last++) current.bytes += index.size[current.last + 1]!;
    current.wanted.push(rank);
  }
  if (current) yield current;
}

/**
 * The key frame from which a shown frame can be decoded: the last before it, or the one before that where the frame is
 * shown before its key frame (open groups of pictures).
 */
function startOf({ key, rank, sampleOf }: VideoIndex, shown: number): number {
  let start = sampleOf[shown]!;
  while (start > 0 && key[start] === 0) start--;
  const leading = rank[start]! > shown;
  if (!leading || start === 0) return start;
  do start--;
  while (start > 0 && key[start] === 0);
  return start;
}

async function packetsOf(
  { offset, size, key, rank }: VideoIndex,
  { first, last }: Range,
  { file, read }: Source,
): Promise<{ buffer: ArrayBuffer; packets: VideoPacket[] }> {
  const samples = Array.from({ length: last - first + 1 }, (_, i) => first + i);
  const total = samples.reduce((sum, sample) => sum + size[sample]!, 0);
  const out = new Uint8Array(total);
  const packets: VideoPacket[] = [];
  let filled = 0;
  for (let i = 0; i < samples.length; ) {
    // One read for samples that lie close together and in order, as recorders write them.
    let end = i + 1;
    const begin = offset[samples[i]!]!;
    let stop = begin + size[samples[i]!]!;
    while (end < samples.length && offset[samples[end]!]! >= stop && offset[samples[end]!]! - stop <= GAP) {
      stop = offset[samples[end]!]! + size[samples[end]!]!;
      end++;
    }
    const bytes = await read(begin, stop - begin);
    if (bytes.length < stop - begin)
      throw new PrepError({
        code: 'bad-video',
        at: { file: file.name, offset: begin },
        expected: `${stop - begin} bytes`,
        found: `${bytes.length}`,
      });
    for (const sample of samples.slice(i, end)) {
      const at = offset[sample]! - begin;
      out.set(bytes.subarray(at, at + size[sample]!), filled);
      packets.push({ offset: filled, length: size[sample]!, rank: rank[sample]!, key: key[sample] === 1 });
      filled += size[sample]!;
    }
    i = end;
  }
  return { buffer: out.buffer, packets };
}
