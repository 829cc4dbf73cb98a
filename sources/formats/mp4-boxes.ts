/** ISO base media (MP4, QuickTime) box by box: one video track → its sample table. Parsing never does I/O. */
import { PrepError } from '../../schemas/errors.ts';
import type { VideoCodec } from '../../schemas/frames.ts';

/** One coded frame as the file lists it, in decoding order. */
export interface SampleTable {
  readonly codec: VideoCodec;
  readonly extradata: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly offset: Float64Array;
  readonly size: Float64Array;
  readonly key: Uint8Array;
  /** Presentation time in seconds, before the edit list. */
  readonly seconds: Float64Array;
  /** What the edit list presents: [from, to) in seconds. */
  readonly shown: readonly [number, number];
}

/** What only a full demuxer reads: fragments, several descriptions, edit lists that cut more than the ends. */
export class Unlisted extends Error {}

/** Longer tables belong to no recording of a robot: 10 million frames are 92 hours at 30 Hz. */
const MAX_SAMPLES = 1e7;
const DEPTH_LIMIT = 8;

interface Box {
  readonly type: string;
  readonly data: DataView;
}

/** @param moov content of the `moov` box. @throws PrepError `bad-video`, `Unlisted` */
export function parseMoov(moov: Uint8Array): SampleTable {
  const top = boxes(viewOf(moov));
  if (find(top, 'mvex')) throw new Unlisted('fragmented');
  const movieScale = timescale(required(top, 'mvhd'));
  const tracks = top.filter(({ type }) => type === 'trak').map(({ data }) => boxes(data));
  const video = tracks.find((track) => handler(track) === 'vide');
  if (!video) throw bad('a video track', `${tracks.length} tracks, none of them video`);
  const media = children(video, 'mdia');
  const scale = timescale(required(media, 'mdhd'));
  const table = children(children(media, 'minf'), 'stbl');
  const entry = sampleEntry(required(table, 'stsd'));
  const size = sizes(table);
  const count = size.length;
  if (count === 0) throw bad('at least one frame', 'an empty sample table');
  return {
    ...entry,
    size,
    offset: offsets(table, size),
    key: keys(table, count),
    seconds: times(table, count, scale),
    shown: edits(video, { movieScale, scale }),
  };
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const children = (list: readonly Box[], type: string): Box[] => boxes(required(list, type));
const find = (list: readonly Box[], type: string): DataView | undefined => list.find((box) => box.type === type)?.data;

function required(list: readonly Box[], type: string): DataView {
  const found = find(list, type);
  if (found) return found;
  throw bad(`a box ${type}`, `none among ${list.map((box) => box.type.trim()).join(', ') || 'no boxes'}`);
}

/** The boxes that lie directly in `data`. */
function boxes(data: DataView): Box[] {
  const found: Box[] = [];
  for (let at = 0; at + 8 <= data.byteLength; ) {
    let [size, header] = [data.getUint32(at), 8];
    const type = text4(data, at + 4);
    if (size === 1 && at + 16 <= data.byteLength) [size, header] = [Number(data.getBigUint64(at + 8)), 16];
    if (size === 0) size = data.byteLength - at;
    if (size < header || at + size > data.byteLength)
      throw bad(`a box ${type} within its parent`, `${size} bytes of ${data.byteLength - at}`);
    found.push({ type, data: new DataView(data.buffer, data.byteOffset + at + header, size - header) });
    at += size;
  }
  return found;
}

const text4 = (data: DataView, at: number): string =>
  String.fromCharCode(data.getUint8(at), data.getUint8(at + 1), data.getUint8(at + 2), data.getUint8(at + 3));

function handler(track: readonly Box[]): string {
  const media = find(track, 'mdia');
  const hdlr = media && find(boxes(media), 'hdlr');
  return hdlr && hdlr.byteLength >= 12 ? text4(hdlr, 8) : '';
}

/** Units per second of `mvhd` or `mdhd`, which begin alike. */
function timescale(header: DataView): number {
  const at = header.getUint8(0) === 1 ? 20 : 12;
  const scale = header.byteLength >= at + 4 ? header.getUint32(at) : 0;
  if (scale > 0) return scale;
  throw bad('a time scale above 0', `${scale}`);
}

const CODECS: Readonly<Record<string, { readonly codec: VideoCodec; readonly config: string | null }>> = {
  av01: { codec: 'av1', config: 'av1C' },
  avc1: { codec: 'h264', config: 'avcC' },
  avc3: { codec: 'h264', config: 'avcC' },
  hvc1: { codec: 'hevc', config: 'hvcC' },
  hev1: { codec: 'hevc', config: 'hvcC' },
  mp4v: { codec: 'mpeg4', config: 'esds' },
  vp09: { codec: 'vp9', config: null },
  jpeg: { codec: 'mjpeg', config: null },
  mjpa: { codec: 'mjpeg', config: null },
};
/** Bytes of a visual sample entry before its own boxes. */
const ENTRY = 78;

function sampleEntry(stsd: DataView): Pick<SampleTable, 'codec' | 'extradata' | 'width' | 'height'> {
  const entries = boxes(part(stsd, 8));
  if (entries.length !== 1) throw new Unlisted(`${entries.length} sample descriptions`);
  const { type, data } = entries[0]!;
  const known = CODECS[type];
  if (!known || data.byteLength < ENTRY) throw new Unlisted(`codec ${type}`);
  const [width, height] = [data.getUint16(24), data.getUint16(26)];
  if (width === 0 || height === 0) throw new Unlisted('no picture size');
  const config = known.config === null ? undefined : find(boxes(part(data, ENTRY)), known.config);
  if (known.config !== null && !config) throw new Unlisted(`no ${known.config}`);
  if (known.config === 'esds') return { codec: known.codec, extradata: decoderConfig(config!), width, height };
  return { codec: known.codec, extradata: config ? bytesOf(config) : new Uint8Array(0), width, height };
}

/** MPEG-4 part 1 descriptors: ES (3) holds DecoderConfig (4) holds DecoderSpecificInfo (5). */
function decoderConfig(esds: DataView): Uint8Array {
  let at = 4;
  for (let depth = 0; depth < DEPTH_LIMIT && at < esds.byteLength; depth++) {
    const tag = esds.getUint8(at++);
    let length = 0;
    for (let i = 0; i < 4 && at < esds.byteLength; i++) {
      const byte = esds.getUint8(at++);
      length = length * 128 + (byte & 127);
      if (byte < 128) break;
    }
    if (tag === 3) at += 3;
    else if (tag === 4) {
      // 0x20 is MPEG-4 part 2; the box serves for MPEG-2 and JPEG too.
      if (at < esds.byteLength && esds.getUint8(at) !== 0x20) throw new Unlisted('mp4v that is no MPEG-4 part 2');
      at += 13;
    } else if (tag === 5) return bytesOf(part(esds, at, Math.min(length, esds.byteLength - at)));
    else at += length;
  }
  throw new Unlisted('no decoder configuration');
}

function sizes(table: readonly Box[]): Float64Array {
  const stsz = find(table, 'stsz');
  if (!stsz) throw new Unlisted('compact sizes');
  const [same, count] = [u32(stsz, 4), sampleCount(u32(stsz, 8))];
  if (same > 0) return new Float64Array(count).fill(same);
  return Float64Array.from({ length: count }, (_, i) => u32(stsz, 12 + 4 * i));
}

function sampleCount(count: number): number {
  if (count <= MAX_SAMPLES) return count;
  throw bad(`at most ${MAX_SAMPLES} frames`, `${count}`);
}

/** Samples lie chunk by chunk; `stsc` says from which chunk on how many are in each. */
function offsets(table: readonly Box[], size: Float64Array): Float64Array {
  const stco = find(table, 'stco');
  const co64 = stco ? undefined : required(table, 'co64');
  const chunks = u32(stco ?? co64!, 4);
  const chunkAt = (i: number): number => (stco ? u32(stco, 8 + 4 * i) : u64(co64!, 8 + 8 * i));
  const stsc = required(table, 'stsc');
  const runs = u32(stsc, 4);
  const out = new Float64Array(size.length);
  let sample = 0;
  for (let run = 0; run < runs && sample < size.length; run++) {
    const [first, perChunk] = [u32(stsc, 8 + 12 * run), u32(stsc, 12 + 12 * run)];
    const end = run + 1 < runs ? u32(stsc, 20 + 12 * run) : chunks + 1;
    if (perChunk === 0 || first < 1 || end > chunks + 1) throw bad('chunks of samples', `run ${run} of ${perChunk}`);
    for (let chunk = first; chunk < end && sample < size.length; chunk++) {
      let at = chunkAt(chunk - 1);
      for (let i = 0; i < perChunk && sample < size.length; i++) {
        out[sample] = at;
        at += size[sample++]!;
      }
    }
  }
  if (sample === size.length) return out;
  throw bad(`chunks for ${size.length} frames`, `${sample}`);
}

/** Without `stss` every sample is a key frame. */
function keys(table: readonly Box[], count: number): Uint8Array {
  const stss = find(table, 'stss');
  const out = new Uint8Array(count).fill(stss ? 0 : 1);
  if (!stss) return out;
  const listed = u32(stss, 4);
  for (let i = 0; i < listed && i < count; i++) {
    const sample = u32(stss, 8 + 4 * i);
    if (sample >= 1 && sample <= count) out[sample - 1] = 1;
  }
  return out;
}

function times(table: readonly Box[], count: number, scale: number): Float64Array {
  const out = new Float64Array(count);
  const stts = required(table, 'stts');
  let [time, sample] = [0, 0];
  for (let run = 0; run < u32(stts, 4); run++)
    for (let i = 0; i < u32(stts, 8 + 8 * run) && sample < count; i++) {
      out[sample++] = time;
      time += u32(stts, 12 + 8 * run);
    }
  if (sample < count) throw bad(`times of ${count} frames`, `${sample}`);
  const ctts = find(table, 'ctts');
  sample = 0;
  if (ctts)
    for (let run = 0; run < u32(ctts, 4); run++)
      for (let i = 0; i < u32(ctts, 8 + 8 * run) && sample < count; i++)
        // Signed in both versions: version 0 is unsigned by the letter, and muxers write negative offsets all the same.
        out[sample++]! += i32(ctts, 12 + 8 * run);
  return out.map((units) => units / scale);
}

/** Leading empty edits only delay; one edit at rate 1 shows a range of the media. */
function edits(track: readonly Box[], { movieScale, scale }: { movieScale: number; scale: number }): [number, number] {
  const edts = find(track, 'edts');
  const elst = edts && find(boxes(edts), 'elst');
  if (!elst) return [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  const wide = elst.getUint8(0) === 1;
  const shown: [number, number][] = [];
  for (let i = 0; i < u32(elst, 4); i++) {
    const at = 8 + i * (wide ? 20 : 12);
    const duration = wide ? u64(elst, at) : u32(elst, at);
    const from = wide ? Number(elst.getBigInt64(check(elst, at + 8, 8))) : i32(elst, at + 4);
    const rate = u32(elst, at + (wide ? 16 : 8)) >>> 16;
    if (from === -1) continue;
    if (rate !== 1) throw new Unlisted(`an edit at rate ${rate}`);
    const end = duration === 0 ? Number.POSITIVE_INFINITY : from / scale + duration / movieScale;
    shown.push([from / scale, end]);
  }
  if (shown.length > 1) throw new Unlisted(`${shown.length} edits`);
  return shown[0] ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
}

const part = (data: DataView, from: number, length = data.byteLength - from): DataView =>
  new DataView(data.buffer, data.byteOffset + check(data, from, 0), length);
const bytesOf = (data: DataView): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();

function check(data: DataView, at: number, width: number): number {
  if (at >= 0 && at + width <= data.byteLength) return at;
  throw bad('a complete table', `one that ends after ${data.byteLength} bytes`);
}
const u32 = (data: DataView, at: number): number => data.getUint32(check(data, at, 4));
const i32 = (data: DataView, at: number): number => data.getInt32(check(data, at, 4));
const u64 = (data: DataView, at: number): number => Number(data.getBigUint64(check(data, at, 8)));

const bad = (expected: string, found: string): PrepError => new PrepError({ code: 'bad-video', expected, found });
