/** Frames of a video by index: each batch holds the coded frames from a key frame on that its pictures need. */
import type { Hash } from 'node:crypto';
import { PrepError } from '../../schemas/errors.ts';
import { BATCH_BYTES, type FrameStream, type VideoBatch } from '../../schemas/frames.ts';
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
  /** Adds the coded bytes of these frames and of what they are predicted from to a hash: each once, in decoding order. */
  digest(hash: Hash, from: number, count: number): Promise<void>;
  /** Bytes of the coded frames themselves. */
  bytes(from: number, count: number): number;
  /** Bytes that showing any of these frames takes at most: the index, the coded frames, what lies between them. */
  reach(from: number, count: number): number;
}

/** A batch holds at most so many pictures: their results wait together in memory. */
const BATCH_FRAMES = 128;
/** A group of pictures is decoded in one piece; robots record megabytes per group, and a buffer ends at 2 GiB. */
const GROUP_BYTES = 2 ** 30;
/** Coded frames before the key frame of a batch, where groups are open: see `leadIn`. */
const LEAD_IN = 32;
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
      for (const range of piecesOf(index, from, count)) hash.update(await codedBytes(index, range, { file, read }));
    },
    bytes(from, count) {
      let sum = 0;
      for (let rank = from; rank < from + count; rank++) sum += index.size[index.sampleOf[rank]!]!;
      return sum;
    },
    reach: (from, count) => reach(index, { from, count, file }),
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

function reach(index: VideoIndex, { from, count, file }: { from: number; count: number; file: ByteFile }): number {
  if (index.whole || count === 0) return file.size;
  const coded = index.size.reduce((sum, size) => sum + size, 0);
  const open = hasOpenGroups(index);
  const shown = Array.from({ length: count }, (_, i) => from + i);
  let [begin, end] = [file.size, 0];
  for (const { start, last } of ranges(index, file, shown))
    for (let sample = open ? leadIn(index, start) : start; sample <= last; sample++) {
      begin = Math.min(begin, index.offset[sample]!);
      end = Math.max(end, index.offset[sample]! + index.size[sample]!);
    }
  return Math.min(file.size, end - begin + file.size - coded);
}

interface Source {
  readonly file: ByteFile;
  read(offset: number, length: number): Promise<Uint8Array> | Uint8Array;
}

/** Coded frames `first` … `last` in decoding order. */
interface Range {
  readonly first: number;
  readonly last: number;
}

async function* batches(index: VideoIndex, shown: readonly number[], source: Source): AsyncGenerator<VideoBatch> {
  const { codec, extradata, width, height, size, rank, key, time } = index;
  const open = hasOpenGroups(index);
  for (const { wanted, start, last } of ranges(index, source.file, shown)) {
    const range = { first: open ? leadIn(index, start) : start, last };
    const { buffer } = await codedBytes(index, range, source);
    let offset = 0;
    const packets = samplesOf(range).map((sample) => {
      const length = size[sample]!;
      offset += length;
      const leading = sample < start || time[sample]! < time[start]!;
      return { offset: offset - length, length, rank: rank[sample]!, key: key[sample] === 1, leading };
    });
    yield { kind: 'video', file: source.file.name, buffer, codec, extradata, width, height, packets, wanted };
  }
}

const samplesOf = ({ first, last }: Range): number[] => Array.from({ length: last - first + 1 }, (_, i) => first + i);

/**
 * Consecutive ranges that each start at a key frame, with the shown frames that are wanted of them. A cut lies only before
 * a frame that starts from a later key frame.
 */
function* ranges(
  index: VideoIndex,
  file: ByteFile,
  shown: Iterable<number>,
): Generator<{ start: number; last: number; wanted: number[] }> {
  let current: { start: number; last: number; bytes: number; wanted: number[] } | null = null;
  for (const rank of shown) {
    const sample = index.sampleOf[rank]!;
    const start = startOf(index, sample);
    const full = current && (current.bytes > BATCH_BYTES || current.wanted.length >= BATCH_FRAMES);
    if (current && start > current.start && (full || start - current.last > SKIPPED)) {
      yield current;
      current = null;
    }
    current ??= { start, last: start - 1, bytes: 0, wanted: [] };
    for (; current.last < sample; current.last++) current.bytes += index.size[current.last + 1]!;
    if (current.bytes > GROUP_BYTES)
      throw new PrepError({
        code: 'bad-video',
        at: { file: file.name },
        expected: `a group of pictures of at most ${GROUP_BYTES} bytes`,
        found: `${current.bytes} from coded frame ${current.start} on`,
        remedy: 'encode the video again with more key frames',
      });
    current.wanted.push(rank);
  }
  if (current) yield current;
}

/**
 * The key frame from which a shown frame can be decoded: the last one coded before it, or the one before that where the
 * frame is shown before its key frame (open groups of pictures). Time tells that also of key frames that an edit list hides.
 */
function startOf({ key, time }: VideoIndex, sample: number): number {
  let start = sample;
  while (start > 0 && key[start] === 0) start--;
  while (start > 0 && time[start]! > time[sample]!) {
    start--;
    while (start > 0 && key[start] === 0) start--;
  }
  return start;
}

/** Whether pictures are shown before the key frame that is coded before them. */
function hasOpenGroups({ key, time }: VideoIndex): boolean {
  let last = 0;
  for (let sample = 0; sample < key.length; sample++)
    if (key[sample] === 1) last = sample;
    else if (time[sample]! < time[last]!) return true;
  return false;
}

/**
 * Where groups are open, frames behind the key frame take older ones off H.264's list of references, and the decoder calls
 * it damage if those never were on it. So some are decoded before: whole groups, so many frames that the list is as it was.
 */
function leadIn({ codec, key }: VideoIndex, start: number): number {
  if (codec !== 'h264') return start;
  let first = start;
  while (first > 0 && (start - first < LEAD_IN || key[first] === 0)) first--;
  return first;
}

/** What shown frames are decoded from, each coded frame once, in pieces that are read at a time. */
function* piecesOf(index: VideoIndex, from: number, count: number): Generator<Range> {
  const spans = Array.from(index.sampleOf.subarray(from, from + count), (sample) => ({
    first: startOf(index, sample),
    last: sample,
  })).sort((a, b) => a.first - b.first);
  let done = -1;
  for (const { first, last } of spans) {
    let begin = Math.max(first, done + 1);
    let bytes = 0;
    for (let sample = begin; sample <= last; sample++) {
      bytes += index.size[sample]!;
      if (bytes < BATCH_BYTES && sample < last) continue;
      yield { first: begin, last: sample };
      [begin, bytes] = [sample + 1, 0];
    }
    done = Math.max(done, last);
  }
}

/** Coded frames one behind the other. One read for those that lie close together and in order, as recorders write them. */
async function codedBytes(
  { offset, size }: VideoIndex,
  range: Range,
  source: Source,
): Promise<Uint8Array<ArrayBuffer>> {
  const samples = samplesOf(range);
  const out = new Uint8Array(samples.reduce((sum, sample) => sum + size[sample]!, 0));
  let filled = 0;
  for (let i = 0; i < samples.length; ) {
    let end = i + 1;
    const begin = offset[samples[i]!]!;
    let stop = begin + size[samples[i]!]!;
    while (end < samples.length && offset[samples[end]!]! >= stop && offset[samples[end]!]! - stop <= GAP) {
      stop = offset[samples[end]!]! + size[samples[end]!]!;
      end++;
    }
    const bytes = await readAll(source, begin, stop - begin);
    for (const sample of samples.slice(i, end)) {
      const at = offset[sample]! - begin;
      out.set(bytes.subarray(at, at + size[sample]!), filled);
      filled += size[sample]!;
    }
    i = end;
  }
  return out;
}

async function readAll({ file, read }: Source, offset: number, length: number): Promise<Uint8Array> {
  const bytes = await read(offset, length);
  if (bytes.length === length) return bytes;
  throw new PrepError({
    code: 'bad-video',
    at: { file: file.name, offset },
    expected: `${length} bytes`,
    found: `${bytes.length}`,
  });
}
