/** Videos that are no plain MP4 (fragments, Matroska, WebM, AVI, edit lists with cuts): demuxed whole, in memory, by libav. */

import { Demuxer } from 'node-av';
import * as av from 'node-av/constants';
import { Log } from 'node-av/lib';
import { PrepError } from '../../schemas/errors.ts';
import type { VideoCodec } from '../../schemas/frames.ts';
import type { ByteFile } from '../bytes.ts';
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

/** @throws PrepError `bad-video` */
export async function demuxWhole(file: ByteFile): Promise<VideoIndex> {
  const bad = (expected: string, found: string, cause?: unknown): PrepError =>
    new PrepError({ code: 'bad-video', at: { file: file.name }, expected, found, cause });
  if (file.size > MAX_BYTES)
    throw bad(`at most ${MAX_BYTES} bytes of a container that must be read whole`, `${file.size}`);
  Log.setLevel(av.AV_LOG_QUIET);
  const bytes = Buffer.from((await file.read(0, file.size)).buffer);
  const demuxer = await Demuxer.open(bytes).catch((cause: unknown) => {
    throw bad('a video', cause instanceof Error ? cause.message : String(cause), cause);
  });
  try {
    const stream = demuxer.video();
    const codec = stream && CODECS.get(stream.codecpar.codecId);
    if (!stream || !codec)
      throw bad(
        `video in ${[...CODECS.values()].join(', ')}`,
        stream ? `codec ${stream.codecpar.codecId}` : 'no video',
      );
    const packets: { data: Buffer; pts: number; key: boolean; shown: boolean }[] = [];
    const scale = stream.timeBase.num / stream.timeBase.den;
    for await (const packet of demuxer.packets(stream.index)) {
      if (!packet) break;
      const data = packet.data;
      if (data && data.length > 0)
        packets.push({
          data: Buffer.from(data),
          pts: Number(packet.pts) * scale,
          key: packet.isKeyframe,
          shown: (packet.flags & av.AV_PKT_FLAG_DISCARD) === 0,
        });
      packet.free();
    }
    if (packets.length === 0) throw bad('at least one frame', 'none');
    const { width, height, extradata } = stream.codecpar;
    return {
      ...gathered(packets),
      codec,
      extradata: extradata ? Uint8Array.from(extradata) : new Uint8Array(0),
      width,
      height,
    };
  } finally {
    await demuxer.close();
  }
}

function gathered(packets: readonly { data: Buffer; pts: number; key: boolean; shown: boolean }[]) {
  const size = Float64Array.from(packets, ({ data }) => data.length);
  const offset = new Float64Array(packets.length);
  for (let i = 1; i < packets.length; i++) offset[i] = offset[i - 1]! + size[i - 1]!;
  const seconds = Float64Array.from(packets, ({ pts }) => pts);
  const whole = new Uint8Array(Buffer.concat(packets.map(({ data }) => data)));
  const key = Uint8Array.from(packets, (packet) => (packet.key ? 1 : 0));
  return { offset, size, key, whole, ...ranked(seconds, (i) => packets[i]!.shown) };
}
