/** Coded video frames → decoded pictures by libav, exactly those that are wanted, in the order in which they are shown. */
import * as av from 'node-av/constants';
import { Codec, CodecContext, FFmpegError, Frame, Log, Packet } from 'node-av/lib';
import { PrepError } from '../schemas/errors.ts';
import type { VideoBatch, VideoCodec } from '../schemas/frames.ts';

export interface VideoDecoder {
  /**
   * Each wanted frame in turn; a frame is libav's memory and valid until the next is asked for.
   * @throws PrepError `bad-video` on any error or concealment of the decoder, `image-size`; the place names the file
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
/** Pictures that the decoder gave out ahead of their turn; no codec here reorders by more. */
const MAX_HELD = 16;
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
      } catch (error) {
        throw error instanceof PrepError ? error.within({ file: batch.file }) : error;
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
  const { wanted } = batch;
  const held = new Map<number, Frame>();
  let next = 0;
  try {
    for (const frame of decoded(batch, tools)) {
      const rank = Number(frame.pts);
      // Streams that do not say how far they reorder come out of turn at first.
      if (rank !== wanted[next]) hold(held, frame, { rank, turn: wanted[next]!, wanted });
      else for (; wanted[next] === rank; next++) yield sound(frame, batch, rank);
      for (let kept = held.get(wanted[next]!); kept; kept = held.get(wanted[next]!)) {
        const turn = wanted[next]!;
        held.delete(turn);
        try {
          // A frame may be wanted more than once in a row.
          for (; wanted[next] === turn; next++) yield sound(kept, batch, turn);
        } finally {
          kept.free();
        }
      }
      if (next === wanted.length) return;
    }
    throw missing(wanted[next]!, 'none from the decoder');
  } finally {
    for (const frame of held.values()) frame.free();
  }
}

function hold(
  held: Map<number, Frame>,
  frame: Frame,
  { rank, turn, wanted }: { rank: number; turn: number; wanted: readonly number[] },
): void {
  if (rank < turn || !wanted.includes(rank)) return;
  if (held.size === MAX_HELD || held.has(rank)) throw missing(turn, `frame ${rank} and ${held.size} others before it`);
  const kept = frame.clone();
  if (!kept) throw new Error('libav has no memory for a frame');
  held.set(rank, kept);
}

/** Everything that the decoder gives out, in its order. */
function* decoded({ packets, buffer }: VideoBatch, { context, packet, frame }: Tools): Generator<Frame> {
  for (let sent = 0; sent <= packets.length; sent++) {
    const one = packets[sent];
    // An empty packet would tell the decoder that the video ends.
    if (one?.length === 0) continue;
    if (one) {
      packet.unref();
      packet.data = Buffer.from(buffer, one.offset, one.length);
      // The decoder hands this number through: so a picture is known by its place, not by its time.
      packet.pts = BigInt(one.rank);
      packet.dts = BigInt(sent);
      packet.flags = one.key ? av.AV_PKT_FLAG_KEY : av.AVFLAG_NONE;
    }
    const place = one ? one.rank : null;
    // What leans on frames that are not there may fail: nobody wants its picture.
    const leading = one?.leading === true;
    let status = context.sendPacketSync(one ? packet : null);
    if (!leading) accept(status, place);
    for (;;) {
      status = context.receiveFrameSync(frame);
      if (status >= 0) yield frame;
      else if (leading || status === AGAIN || status === END) break;
      else accept(status, place);
    }
  }
}

function sound(frame: Frame, { width, height }: VideoBatch, rank: number): Frame {
  if (frame.decodeErrorFlags !== 0 || (frame.flags & av.AV_FRAME_FLAG_CORRUPT) !== 0)
    throw bad(`frame ${rank} without damage`, 'one that the decoder had to patch');
  if (frame.width === width && frame.height === height) return frame;
  throw new PrepError({
    code: 'image-size',
    expected: `${width}x${height}, as the file says`,
    found: `frame ${rank} of ${frame.width}x${frame.height}`,
  });
}

/** @param rank of the frame that was sent; −1 for one that is not shown, null without a frame */
function accept(status: number, rank: number | null): void {
  if (status >= 0) return;
  const where = rank === null ? '' : rank < 0 ? ' in a frame that is not shown' : ` in frame ${rank} of the video`;
  throw bad('coded frames that decode without error', `${new FFmpegError(status).message}${where}`);
}

const missing = (rank: number, found: string): PrepError => bad(`frame ${rank} of the video`, found);
const bad = (expected: string, found: string): PrepError => new PrepError({ code: 'bad-video', expected, found });
