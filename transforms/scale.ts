/**
 * Decoded planes → RGB canvas with the fitted picture, by swscale, in three passes: planar RGB of the source's size
 * (chroma upsampled by triangle, as libjpeg does), bicubic per plane, packing. One pass for all of it is 35–46 dB from
 * Pillow for odd, small and enlarged pictures, and slower: swscale writes packed RGB without vector code (0.51 ms for 320×180).
 */
import * as av from 'node-av/constants';
import { Frame, SoftwareScaleContext } from 'node-av/lib';
import { PrepError } from '../schemas/errors.ts';
import type { DecodedImage } from './image-decode.ts';
import { type Fit, placement } from './letterbox.ts';

export interface Scaler {
  /** The `size`×`size` RGB canvas, bars black; the same memory at each call. */
  paint(image: DecodedImage): Buffer;
  close(): void;
}

interface Side {
  readonly width: number;
  readonly height: number;
  readonly format: av.AVPixelFormat;
}

interface Planes {
  readonly data: Buffer[];
  readonly strides: number[];
}

/** JPEG's pixel formats under their plain names (swscale warns of the J ones), chroma 2^-x by 2^-y of the picture. */
const YUV = new Map<av.AVPixelFormat, { readonly format: av.AVPixelFormat; readonly x: number; readonly y: number }>([
  [av.AV_PIX_FMT_YUVJ444P, { format: av.AV_PIX_FMT_YUV444P, x: 0, y: 0 }],
  [av.AV_PIX_FMT_YUVJ422P, { format: av.AV_PIX_FMT_YUV422P, x: 1, y: 0 }],
  [av.AV_PIX_FMT_YUVJ420P, { format: av.AV_PIX_FMT_YUV420P, x: 1, y: 1 }],
  [av.AV_PIX_FMT_YUVJ440P, { format: av.AV_PIX_FMT_YUV440P, x: 0, y: 1 }],
  [av.AV_PIX_FMT_YUVJ411P, { format: av.AV_PIX_FMT_YUV411P, x: 2, y: 0 }],
]);
/** What swscale reads as it comes; alpha is ignored. */
const DIRECT = new Set<av.AVPixelFormat>([
  av.AV_PIX_FMT_GRAY8,
  av.AV_PIX_FMT_YA8,
  av.AV_PIX_FMT_MONOBLACK,
  av.AV_PIX_FMT_RGB24,
  av.AV_PIX_FMT_RGBA,
  av.AV_PIX_FMT_GBRP,
]);
/** Without these flags swscale is at 34–38 dB against Pillow. */
const ACCURATE = av.SWS_ACCURATE_RND | av.SWS_FULL_CHR_H_INT | av.SWS_FULL_CHR_H_INP;
/** Pillow's bicubic has a = −0.5; swscale's param1 is −a and 0.6 by default, which costs up to 7 dB. */
const PILLOW_BICUBIC = { param0: '0', param1: '0.5' };
/** swscale's vector code works on whole registers: rows start at multiples of this, planes end with as much slack (bytes). */
const ALIGN = 64;
/** More sizes than the cameras of any robot; beyond it the least recently used is freed. A 1280×720 one holds 3.2 MB. */
const MAX_GEOMETRIES = 8;

export function openScaler(fit: Fit): Scaler {
  const known = new Map<string, Scaler>();
  const drop = (key: string): void => {
    known.get(key)?.close();
    known.delete(key);
  };
  return {
    paint(image) {
      const key = `${image.width}x${image.height}:${image.format}`;
      const geometry = known.get(key) ?? openGeometry(image, fit);
      known.delete(key);
      known.set(key, geometry);
      const oldest = known.keys().next().value;
      if (known.size > MAX_GEOMETRIES && oldest !== undefined) drop(oldest);
      return geometry.paint(image);
    },
    close() {
      for (const key of [...known.keys()]) drop(key);
    },
  };
}

function openGeometry(image: DecodedImage, fit: Fit): Scaler {
  const { size } = fit;
  const place = placement(image.width, image.height, fit);
  const source = sourceOf(image);
  const full: Side = { ...source.side, format: av.AV_PIX_FMT_GBRP };
  const exact: Side = { width: image.width, height: image.height, format: full.format };
  const fitted: Side = { width: place.scaledWidth, height: place.scaledHeight, format: full.format };
  const shown: Side = {
    width: Math.min(size, fitted.width),
    height: Math.min(size, fitted.height),
    format: fitted.format,
  };
  const toRgb = openContext(source.side, full, source.kernel);
  const resize = openContext(exact, fitted, av.SWS_BICUBIC);
  const pack = openContext(shown, { ...shown, format: av.AV_PIX_FMT_RGB24 }, av.SWS_POINT);
  const rgb = rgbFrame(full);
  const before: Planes = { data: rgb.data!, strides: rgb.linesize.slice(0, 3) };
  const after = planarRgb(fitted);
  // A picture that is read beyond its sides has to be handed over by its planes.
  const whole = full.width === image.width && full.height === image.height;
  const first = Math.max(0, -place.offsetY) * after.strides[0]! + Math.max(0, -place.offsetX);
  const window: Planes = { data: after.data.map((plane) => plane.subarray(first)), strides: after.strides };
  const canvas = Buffer.alloc(size * size * 3);
  const corner = (Math.max(0, place.offsetY) * size + Math.max(0, place.offsetX)) * 3;
  const target: Planes = { data: [canvas.subarray(corner)], strides: [size * 3] };
  return {
    paint(next) {
      if (whole) passed(toRgb.scaleFrameSync(rgb, next.frame));
      else pass(toRgb, next.planes(), before, full.height);
      pass(resize, before, after, exact.height);
      pass(pack, window, target, shown.height);
      return canvas;
    },
    close() {
      for (const context of [toRgb, resize, pack]) context.freeContext();
      rgb.free();
    },
  };
}

/**
 * How the source is read. A picture whose sides are no multiple of the chroma's step is read up to that multiple (the last
 * 8×8 block holds it): swscale otherwise stretches chroma by a factor that is not 2 (40 dB at 323×181).
 * @throws PrepError `bad-image` for a pixel format that no 8-bit grey or colour picture has
 */
function sourceOf(image: DecodedImage): { side: Side; kernel: number } {
  const { width, height, format } = image;
  const yuv = YUV.get(format);
  if (!yuv && !DIRECT.has(format))
    throw new PrepError({ code: 'bad-image', expected: '8-bit grey or RGB', found: `libav pixel format ${format}` });
  if (!yuv) return { side: { width, height, format }, kernel: av.SWS_POINT };
  const side = { width: roundUp(width, 1 << yuv.x), height: roundUp(height, 1 << yuv.y), format: yuv.format };
  // libjpeg repeats a chroma value where it counts for four pixels.
  return { side, kernel: yuv.x > 1 ? av.SWS_POINT : av.SWS_BILINEAR };
}

const roundUp = (n: number, step: number): number => Math.ceil(n / step) * step;

/** Memory of libav's own, aligned and padded as its vector code likes it. */
function rgbFrame({ width, height, format }: Side): Frame {
  const frame = new Frame();
  frame.alloc();
  Object.assign(frame, { width, height, format });
  if (frame.getBuffer() < 0) throw new Error(`libav has no memory for ${width}x${height}`);
  return frame;
}

function planarRgb({ width, height }: Side): Planes {
  const stride = roundUp(width, ALIGN);
  return { data: [0, 1, 2].map(() => Buffer.alloc(stride * height + ALIGN)), strides: [stride, stride, stride] };
}

/** JPEG and PNG are full range whatever libav calls them, so both ranges are said. */
function openContext(from: Side, to: Side, kernel: number): SoftwareScaleContext {
  const context = new SoftwareScaleContext();
  context.allocContext();
  const options = {
    ...{ srcw: from.width, srch: from.height, src_format: from.format, src_range: 1 },
    ...{ dstw: to.width, dsth: to.height, dst_format: to.format, dst_range: 1 },
    ...(kernel === av.SWS_BICUBIC ? PILLOW_BICUBIC : {}),
    sws_flags: kernel | ACCURATE,
  };
  for (const [name, value] of Object.entries(options)) accept(context.setOption(name, value), from, to);
  accept(context.initContext(), from, to);
  return context;
}

function accept(status: number, from: Side, to: Side): void {
  if (status >= 0) return;
  const found = `${from.width}x${from.height} to ${to.width}x${to.height}, which swscale refuses (${status})`;
  throw new PrepError({ code: 'image-size', expected: 'a size that can be scaled', found });
}

/** A context that opened has no way to fail but a bug: not an error of the picture. */
function pass(context: SoftwareScaleContext, from: Planes, to: Planes, lines: number): void {
  passed(context.scaleSync(from.data, from.strides, 0, lines, to.data, to.strides));
}

function passed(status: number): void {
  if (status <= 0) throw new Error(`swscale failed with ${status}`);
}
