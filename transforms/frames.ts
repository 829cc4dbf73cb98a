/** One encoded frame → one fitted JPEG: decode, scale and encode in one step, all synchronous, memory reused. */
import jpegTurbo from '@julusian/jpeg-turbo';
import { openImageDecoder } from './image-decode.ts';
import { checkFrame } from './jpeg-header.ts';
import type { Fit } from './letterbox.ts';
import { openScaler } from './scale.ts';

export interface FrameCoderOptions {
  readonly fit: Fit;
  /** 1 … 100, libjpeg's scale. */
  readonly quality: number;
  readonly subsampling: '4:4:4' | '4:2:0';
}

export interface FrameCoder {
  /** The fitted frame as JPEG: a view that is valid until the next call. Equal bytes in, equal bytes out, in any order. */
  encode(bytes: Uint8Array): Uint8Array;
  /** The fitted frame before JPEG, `size·size·3` bytes RGB: a view that is valid until the next call. */
  rgb(bytes: Uint8Array): { readonly data: Uint8Array };
  close(): void;
}

/** Size unknown here: the pipeline has compared it with what the dataset declares. */
const ANY_SIZE = { width: 0, height: 0 };

/**
 * JPEG or PNG of 8 bits → `fit.size` square JPEG. Bicubic with anti-aliasing (45 dB or more against Pillow's BICUBIC),
 * full-range sRGB, grey becomes RGB, alpha is dropped, EXIF orientation and embedded profiles are ignored: the
 * calibration is for the pixels as stored. One coder per thread.
 * @throws PrepError `bad-image`, `image-size`, from `encode` and `rgb`
 */
export function openFrameCoder({ fit, quality, subsampling }: FrameCoderOptions): FrameCoder {
  const { size } = fit;
  const decoder = openImageDecoder();
  const scaler = openScaler(fit);
  const samp = subsampling === '4:4:4' ? jpegTurbo.SAMP_444 : jpegTurbo.SAMP_420;
  const encoding = { format: jpegTurbo.FORMAT_RGB, width: size, height: size, quality, subsampling: samp };
  const out = Buffer.alloc(jpegTurbo.bufferSize(encoding));
  const paint = (bytes: Uint8Array): Buffer => scaler.paint(decoder.decode(bytes, checkFrame(bytes, ANY_SIZE)));
  return {
    encode: (bytes) => jpegTurbo.compressSync(paint(bytes), out, encoding),
    rgb: (bytes) => ({ data: paint(bytes) }),
    close() {
      scaler.close();
      decoder.close();
    },
  };
}
