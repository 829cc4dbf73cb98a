/** One encoded frame → one fitted JPEG: decode, scale and encode in one step, all synchronous, memory reused. */
import jpegTurbo from '@julusian/jpeg-turbo';
import { PrepError } from '../schemas/errors.ts';
import type { Appearance, FrameBatch, RawBatch } from '../schemas/frames.ts';
import { openImageDecoder } from './image-decode.ts';
import { checkFrame } from './jpeg-header.ts';
import type { Fit } from './letterbox.ts';
import type { RawPicture } from './planes.ts';
import { openScaler } from './scale.ts';
import { openVideoDecoder, type VideoDecoder } from './video-decode.ts';

export interface FrameCoderOptions {
  readonly fit: Fit;
  /** 1 … 100, libjpeg's scale. */
  readonly quality: number;
  readonly subsampling: '4:4:4' | '4:2:0';
}

export interface FrameCoder {
  /** The fitted frame as JPEG: a view that is valid until the next call. Equal bytes in, equal bytes out, in any order. */
  encode(bytes: Uint8Array, appearance?: Appearance): Uint8Array;
  /** The fitted frame before JPEG, `size·size·3` bytes RGB: a view that is valid until the next call. */
  rgb(bytes: Uint8Array, appearance?: Appearance): { readonly data: Uint8Array };
  /** Every frame of a batch in turn, fitted, as `rgb` gives it. @param size that the source declares; a frame of another size is refused */
  canvases(batch: FrameBatch, appearance: Appearance, size: Size): Generator<Buffer>;
  /** Every frame of a batch in turn, as `encode` gives it; `canvas`: as `rgb` gives it. */
  jpegs(batch: FrameBatch, appearance: Appearance, size: Size): Generator<CodedFrame>;
  close(): void;
}

/** Views that are valid until the next frame. */
export interface CodedFrame {
  readonly jpeg: Uint8Array;
  readonly canvas: Uint8Array;
}

interface Size {
  readonly width: number;
  readonly height: number;
}

/** Size unknown here: the pipeline has compared it with what the dataset declares. */
const ANY_SIZE = { width: 0, height: 0 };

/**
 * Frames of 8 bits → `fit.size` square JPEG. Bicubic with anti-aliasing (45 dB or more against Pillow's BICUBIC),
 * full-range sRGB, grey becomes RGB, alpha is dropped, EXIF orientation and embedded profiles are ignored: the
 * calibration is for the pixels as stored. One coder per thread.
 * @throws PrepError `bad-image`, `image-size`, `bad-video`
 */
export function openFrameCoder({ fit, quality, subsampling }: FrameCoderOptions): FrameCoder {
  const { size } = fit;
  const decoder = openImageDecoder();
  let videos: VideoDecoder | undefined;
  const scaler = openScaler(fit);
  const samp = subsampling === '4:4:4' ? jpegTurbo.SAMP_444 : jpegTurbo.SAMP_420;
  const encoding = { format: jpegTurbo.FORMAT_RGB, width: size, height: size, quality, subsampling: samp };
  const out = Buffer.alloc(jpegTurbo.bufferSize(encoding));
  const paint = (bytes: Uint8Array, declared: Size, appearance?: Appearance): Buffer =>
    scaler.paint({ kind: 'still', ...decoder.decode(bytes, checkFrame(bytes, declared)) }, appearance);
  const compress = (canvas: Buffer): Uint8Array => jpegTurbo.compressSync(canvas, out, encoding);
  function* canvases(batch: FrameBatch, appearance: Appearance, declared: Size): Generator<Buffer> {
    if (batch.kind === 'pictures')
      for (const { offset, length } of batch.spans)
        yield paint(new Uint8Array(batch.buffer, offset, length), declared, appearance);
    else {
      refuseOtherSize(batch, declared);
      if (batch.kind === 'raw')
        for (const raw of rawPictures(batch)) yield scaler.paint({ kind: 'raw', ...raw }, appearance);
      else {
        videos ??= openVideoDecoder();
        const { width, height } = batch;
        for (const frame of videos.frames(batch))
          yield scaler.paint({ kind: 'video', width, height, frame }, appearance);
      }
    }
  }
  return {
    encode: (bytes, appearance) => compress(paint(bytes, ANY_SIZE, appearance)),
    rgb: (bytes, appearance) => ({ data: paint(bytes, ANY_SIZE, appearance) }),
    canvases,
    *jpegs(batch, appearance, declared) {
      for (const canvas of canvases(batch, appearance, declared)) yield { jpeg: compress(canvas), canvas };
    },
    close() {
      scaler.close();
      videos?.close();
      decoder.close();
    },
  };
}

function refuseOtherSize({ width, height }: Size, declared: Size): void {
  if (declared.width === 0 || (width === declared.width && height === declared.height)) return;
  throw new PrepError({
    code: 'image-size',
    expected: `${declared.width}x${declared.height}, as the source declares`,
    found: `${width}x${height}`,
  });
}

function* rawPictures(batch: RawBatch): Generator<RawPicture> {
  const length = batch.width * batch.height * batch.channels;
  for (let i = 0; i < batch.count; i++)
    yield { ...batch, bytes: new Uint8Array(batch.buffer, batch.offset + i * length, length) };
}
