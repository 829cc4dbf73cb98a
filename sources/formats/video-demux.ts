/** Videos that are no plain MP4 (fragments, Matroska, WebM, AVI, edit lists with cuts): demuxed whole, in memory, by libav. */

import { Demuxer, type Packet } from 'node-av';
import * as av from 'node-av/constants';
import { Log } from 'node-av/lib';
import { PrepError } from '../../schemas/errors.ts';
import type { VideoCodec } from '../../schemas/frames.ts';
import type { ByteFile } from '../bytes.ts';
import { containerOf } from './video-container.ts';
import { ranked, type VideoIndex } from './video-index.ts';

/** A file that must be read whole may be this large, bytes. */
const MAX_BYTES = 512 * 2 ** 20;

const CODECS = new Map<number, VideoCodec>([
  [av.AV_CODEC_ID_AV1, 'av1'],
  [av.AV_CODEC_ID_H264, 'h264'],
  [av.AV_CODEC_ID_HEVC, 'hevc'],
  [av.AV_CODEC_ID_MPEG4, 'mpeg4'],
  [av.AV_CODEC_ID_VP9, 'vp9'],
  [av.AV_CODEC_ID_MJPEG, 'mjpeg'],
]);

/** @throws PrepError `bad-video` naming the file: another container or codec, cut or damaged, without times */
export async function demuxWhole(file: ByteFile): Promise<VideoIndex> {
  try {
    if (file.size > MAX_BYTES)
      throw bad(`at most ${MAX_BYTES} bytes of a container that must be read whole`, `${file.size}`);
    const bytes = Buffer.from((await file.read(0, file.size)).buffer);
    // The format is named, never probed: libav's list holds playlists and scripts that open other files.
    return await demuxed(bytes, containerOf(bytes));
  } catch (error) {
    throw error instanceof PrepError ? error.within({ file: file.name }) : error;
  }
}

async function demuxed(bytes: Buffer, format: string): Promise<VideoIndex> {
  Log.setLevel(av.AV_LOG_QUIET);
  const demuxer = await Demuxer.open(bytes, { format }).catch((cause: unknown) => {
    throw bad(`a video (${format})`, cause instanceof Error ? cause.message : String(cause), cause);
  });
  try {
    const stream = demuxer.video();
    const codec = stream && CODECS.get(stream.codecpar.codecId);
    if (!stream || !codec)
      throw bad(
        `video in ${[...CODECS.values()].join(', ')}`,
        stream ? `codec ${stream.codecpar.codecId}` : 'no video',
      );
    const frames: CodedFrame[] = [];
    const scale = stream.timeBase.num / stream.timeBase.den;
    for await (const packet of demuxer.packets(stream.index)) {
      if (!packet) break;
      try {
        if (packet.data && packet.data.length > 0) frames.push(codedFrame(packet, frames.length, scale));
      } finally {
        packet.free();
      }
    }
    if (frames.length === 0) throw bad('at least one frame', 'none');
    const { width, height, extradata } = stream.codecpar;
    const config = extradata ? Uint8Array.from(extradata) : new Uint8Array(0);
    return { ...gathered(frames), codec, extradata: config, width, height };
  } finally {
    await demuxer.close();
  }
}

interface CodedFrame {
  readonly data: Buffer;
  readonly time: number;
  readonly key: boolean;
  readonly shown: boolean;
}

function codedFrame({ data, pts, flags, isKeyframe }: Packet, place: number, scale: number): CodedFrame {
  if ((flags & av.AV_PKT_FLAG_CORRUPT) !== 0) throw bad(`coded frame ${place} whole`, 'damage in the container');
  // Frames that are coded in another order than shown cannot be put in order without times.
  if (pts === av.AV_NOPTS_VALUE)
    throw new PrepError({
      code: 'bad-video',
      expected: `a time for coded frame ${place}`,
      found: 'none in this container',
      remedy: 'write the video as MP4 or Matroska',
    });
  const shown = (flags & av.AV_PKT_FLAG_DISCARD) === 0;
  return { data: Buffer.from(data!), time: Number(pts) * scale, key: isKeyframe, shown };
}

function gathered(frames: readonly CodedFrame[]) {
  const size = Float64Array.from(frames, ({ data }) => data.length);
  const offset = new Float64Array(frames.length);
  for (let i = 1; i < frames.length; i++) offset[i] = offset[i - 1]! + size[i - 1]!;
  const time = Float64Array.from(frames, (frame) => frame.time);
  const whole = new Uint8Array(Buffer.concat(frames.map(({ data }) => data)));
  const key = Uint8Array.from(frames, (frame) => (frame.key ? 1 : 0));
  return { offset, size, key, whole, ...ranked(time, (i) => frames[i]!.shown) };
}

const bad = (expected: string, found: string, cause?: unknown): PrepError =>
  new PrepError({ code: 'bad-video', expected, found, cause });
