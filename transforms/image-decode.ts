/** Encoded picture → planes of full size, by libav; nothing of one picture reaches the next. */
import jpegTurbo from '@julusian/jpeg-turbo';
import * as av from 'node-av/constants';
import { Codec, CodecContext, FFmpegError, Frame, Log, Packet, SoftwareScaleContext } from 'node-av/lib';
import { PrepError } from '../schemas/errors.ts';
import type { ImageHeader } from './jpeg-header.ts';

/** Planes of one decoded picture: libav's memory, valid until the next `decode` or `close`. */
export interface DecodedImage {
  readonly width: number;
  readonly height: number;
  readonly format: av.AVPixelFormat;
  /** libav's own frame: what needs no look at the bytes should use this. */
  readonly frame: Frame;
  /** Its planes, with the bytes from one line to the next. Each call wraps them anew, and V8 counts that memory as its own. */
  planes(): { readonly data: Buffer[]; readonly strides: number[] };
}

export interface ImageDecoder {
  /** @throws PrepError `bad-image` on any error or warning of either decoder */
  decode(bytes: Uint8Array, header: ImageHeader): DecodedImage;
  close(): void;
}

/** As `checkFrame`. */
const MAX_PIXELS = 64e6;
/** Without `explode` libav conceals damage and returns a grey or smeared picture as if nothing had happened. */
const ERR_DETECT = 'crccheck+bitstream+buffer+explode';

export function openImageDecoder(): ImageDecoder {
  // libav writes what is wrong with a picture to stderr; return codes and our own error say it already.
  Log.setLevel(av.AV_LOG_QUIET);
  const codecs = { jpeg: decoderFor(av.AV_CODEC_ID_MJPEG), png: decoderFor(av.AV_CODEC_ID_PNG) };
  const packet = new Packet();
  packet.alloc();
  const frame = new Frame();
  frame.alloc();
  const plain = new Frame();
  plain.alloc();
  let luma = Buffer.alloc(0);
  return {
    decode(bytes, header) {
      const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      if (header.codec === 'jpeg') {
        const pixels = header.width * header.height;
        if (luma.length < pixels) luma = Buffer.allocUnsafeSlow(pixels);
        secondOpinion(view, luma);
      }
      packet.data = view;
      decodeInto(frame, packet, codecs[header.codec]);
      return checked(frame.format === av.AV_PIX_FMT_PAL8 ? withoutPalette(frame, plain) : frame, header);
    },
    close() {
      frame.free();
      plain.free();
      packet.free();
    },
  };
}

function decoderFor(id: av.AVCodecID): Codec {
  const codec = Codec.findDecoder(id);
  if (!codec) throw new Error(`this build of libav has no decoder ${id}`);
  return codec;
}

/**
 * A fresh decoder per picture (20 µs): libav's mjpeg keeps Huffman and quantisation tables, so that a picture without
 * its own would look different after each predecessor.
 */
function decodeInto(frame: Frame, packet: Packet, codec: Codec): void {
  const context = new CodecContext();
  try {
    context.allocContext3(codec);
    context.threadCount = 1;
    accept(context.setOption('err_detect', ERR_DETECT));
    // A second header inside the body may claim another size than the one that was checked.
    accept(context.setOption('max_pixels', MAX_PIXELS));
    // Hazard: open2Sync(codec) without the explicit null crashes the process.
    accept(context.open2Sync(codec, null));
    accept(context.sendPacketSync(packet));
    frame.unref();
    accept(context.receiveFrameSync(frame));
  } finally {
    context.freeContext();
  }
}

function accept(status: number): void {
  if (status < 0) throw corrupt(new FFmpegError(status).message);
}

/** Hazard: `frame.data` lacks the palette, and swscale crashes the process without it; whole frames carry it. */
function withoutPalette(frame: Frame, plain: Frame): Frame {
  const { width, height } = frame;
  plain.unref();
  Object.assign(plain, { width, height, format: av.AV_PIX_FMT_GBRP });
  const context = new SoftwareScaleContext();
  try {
    context.getContext(width, height, av.AV_PIX_FMT_PAL8, width, height, av.AV_PIX_FMT_GBRP, av.SWS_POINT);
    accept(plain.getBuffer());
    accept(context.scaleFrameSync(plain, frame));
  } finally {
    context.freeContext();
  }
  return plain;
}

/**
 * libjpeg-turbo stops at some damage that libav does not see (bytes left over before a marker). Its pixels are not
 * used: this binding decodes with the fast DCT, 36–46 dB away from libjpeg's, against more than 52 dB for libav.
 */
function secondOpinion(bytes: Buffer, luma: Buffer): void {
  try {
    jpegTurbo.decompressSync(bytes, luma, { format: jpegTurbo.FORMAT_GRAY });
  } catch (cause) {
    // The binding asks for the message after it freed the decoder: it is often "No error".
    const text = cause instanceof Error ? cause.message : String(cause);
    throw corrupt(`damage that libjpeg-turbo reports${text === 'No error' ? '' : `: ${text}`}`, cause);
  }
}

function checked(frame: Frame, header: ImageHeader): DecodedImage {
  const { width, height } = frame;
  if (width !== header.width || height !== header.height)
    throw corrupt(`decodes to ${width}x${height}, its header says ${header.width}x${header.height}`);
  return {
    width,
    height,
    frame,
    format: frame.format as av.AVPixelFormat,
    planes: () => {
      const data = frame.data ?? [];
      return { data, strides: frame.linesize.slice(0, data.length) };
    },
  };
}

const corrupt = (found: string, cause?: unknown): PrepError =>
  new PrepError({ code: 'bad-image', expected: 'a picture that decodes without error or warning', found, cause });
