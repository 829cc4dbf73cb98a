/** Coded video frames → decoded pictures by libav, exactly those that are wanted, in the order in which they are shown. */
import * as av from 'node-av/constants';
import { Codec, CodecContext, FFmpegError, Frame, Log, Packet } from 'node-av/lib';
import { PrepError } from '../schemas/errors.ts';
import type { VideoBatch, VideoCodec } from '../schemas/frames.ts';

export interface VideoDecoder {
  /**
   * Each wanted frame in turn; a frame is libav's memory and valid until the next is asked for.
   * @throws PrepError `bad-video` on any error or concealment of the decoder, `image-size`
   */
  frames(batch: VideoBatch): Generator<Frame>;
  close(): void;
}

const IDS: Readonly<Record<VideoCodec, av.AVCodecID>> = {
  av1: av.AV_CODEC_ID_AV1,
  h264: av.AV_CODEC_ID_H264,
  hevc: av.AV_CODEC_ID_HEVC,
  mpeg4: av.AV_CODEC_ID_MPEG4,
  vp9: av.AV_CODEC_ID_VP9,
  mjpeg: av.AV_CODEC_ID_MJPEG,
};
/** Without `explode` libav conceals damage and returns a smeared picture as if nothing had happened. */
const ERR_DETECT = 'crccheck+bitstream+buffer+explode';
const MAX_PIXELS = 64e6;
const AGAIN = -11;
/** libav's AVERROR_EOF: the decoder has given out everything. */
const END = -541478725;

export function openVideoDecoder(): VideoDecoder {
  Log.setLevel(av.AV_LOG_QUIET);
  const packet = new Packet();
  packet.alloc();
  const frame = new Frame();
  frame.alloc();
  return {
    *frames(batch) {
      const context = openContext(batch);
      try {
        yield* wantedFrames(batch, { context, packet, frame });
      } finally {
        context.freeContext();
      }
    },
    close() {
      frame.free();
      packet.free();
    },
  };
}

interface Tools {
  readonly context: CodecContext;
  readonly packet: Packet;
  readonly frame: Frame;
}

/** A fresh decoder per batch: nothing of one episode reaches the next, and a batch starts at a key frame anyway. */
function openContext({ codec: name, extradata }: VideoBatch): CodecContext {
  const codec = Codec.findDecoder(IDS[name]);
  if (!codec) throw new Error(`this build of libav has no decoder for ${name}`);
  const context = new CodecContext();
  context.allocContext3(codec);
  context.threadCount = 1;
  if (extradata.length > 0) context.extraData = Buffer.from(extradata);
  accept(context.setOption('err_detect', ERR_DETECT), null);
  accept(context.setOption('max_pixels', MAX_PIXELS), null);
  // Hazard: open2Sync(codec) without the explicit null crashes the process.
  accept(context.open2Sync(codec, null), null);
  return context;
}

function* wantedFrames(batch: VideoBatch, tools: Tools): Generator<Frame> {
  const { wanted, packets, buffer } = batch;
  const { context, packet, frame } = tools;
  let next = 0;
  for (let sent = 0; next < wanted.length && sent <= packets.length; sent++) {
    const one = packets[sent];
    if (one) {
      packet.unref();
      packet.data = Buffer.from(buffer, one.offset, one.length);
      // The decoder hands this number through: so a picture is known by its place, not by its time.
      packet.pts = BigInt(one.rank);
      packet.dts = BigInt(sent);
      packet.flags = one.key ? av.AV_PKT_FLAG_KEY : av.AVFLAG_NONE;
    }
    accept(context.sendPacketSync(one ? packet : null), wanted[next]!);
    while (next < wanted.length) {
      const status = context.receiveFrameSync(frame);
      if (status === AGAIN || status === END) break;
      accept(status, wanted[next]!);
      const rank = Number(frame.pts);
      if (rank < wanted[next]!) continue;
      if (rank > wanted[next]!) throw missing(wanted[next]!, `frame ${rank} in its place`);
      sound(frame, batch, rank);
      for (; wanted[next] === rank; next++) yield frame;
    }
  }
  if (next < wanted.length) throw missing(wanted[next]!, 'none from the decoder');
}

function sound(frame: Frame, { width, height }: VideoBatch, rank: number): void {
  if (frame.decodeErrorFlags !== 0 || (frame.flags & av.AV_FRAME_FLAG_CORRUPT) !== 0)
    throw bad(`frame ${rank} without damage`, 'one that the decoder had to patch');
  if (frame.width === width && frame.height === height) return;
  throw new PrepError({
    code: 'image-size',
    expected: `${width}x${height}, as the file says`,
    found: `frame ${rank} of ${frame.width}x${frame.height}`,
  });
}

function accept(status: number, frame: number | null): void {
  if (status >= 0) return;
  const where = frame === null ? '' : ` (before frame ${frame} of the video)`;
  throw bad('coded frames that decode without error', `${new FFmpegError(status).message}${where}`);
}

const missing = (rank: number, found: string): PrepError => bad(`frame ${rank} of the video`, found);
const bad = (expected: string, found: string): PrepError => new PrepError({ code: 'bad-video', expected, found });
