/**
 * Decoded planes → RGB canvas with the fitted picture, by swscale, in three passes: planar RGB of the source's size
 * (chroma upsampled by triangle, as libjpeg does), bicubic per plane, packing. One pass for all of it is 35–46 dB from
 * Pillow for odd, small and enlarged pictures, and slower: swscale writes packed RGB without vector code (0.51 ms for 320×180).
 * Video frames that become much smaller take the first two passes in one: there chroma is reduced as well, and it is cheaper.
 */
import * as av from 'node-av/constants';
import { type Frame, SoftwareScaleContext } from 'node-av/lib';
import { PrepError } from '../schemas/errors.ts';
import type { Appearance } from '../schemas/frames.ts';
import type { DecodedImage } from './image-decode.ts';
import { type Fit, placement } from './letterbox.ts';
import { applyOrder, type Planes, planarRgb, type RawPicture, rgbFrame, roundUp, type Side } from './planes.ts';

/** `still`: JPEG or PNG, full range. `video`: range and matrix as the frame is tagged. `raw`: 8-bit grey or RGB in memory. */
export type Picture =
  | ({ readonly kind: 'still' } & DecodedImage)
  | { readonly kind: 'video'; readonly width: number; readonly height: number; readonly frame: Frame }
  | ({ readonly kind: 'raw' } & RawPicture);

export interface Scaler {
  /** The `size`×`size` RGB canvas, bars black; the same memory at each call. */
  paint(picture: Picture, appearance?: Appearance): Buffer;
  close(): void;
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
/** A video frame that shrinks by this or more has less chroma afterwards than before: one pass is as good as two. */
const MUCH_SMALLER = 1.5;
/** More sizes than the cameras of any robot; beyond it the least recently used is freed. A 1280×720 one holds 3.2 MB. */
const MAX_GEOMETRIES = 8;

export function openScaler(fit: Fit): Scaler {
  const known = new Map<string, Geometry>();
  const drop = (key: string): void => {
    known.get(key)?.close();
    known.delete(key);
  };
  return {
    paint(picture, appearance = {}) {
      const key = `${picture.kind} ${picture.width}x${picture.height}:${formatOf(picture)}`;
      const geometry = known.get(key) ?? openGeometry(picture, fit);
      known.delete(key);
      known.set(key, geometry);
      const oldest = known.keys().next().value;
      if (known.size > MAX_GEOMETRIES && oldest !== undefined) drop(oldest);
      return geometry.paint(picture, appearance);
    },
    close() {
      for (const key of [...known.keys()]) drop(key);
    },
  };
}

const formatOf = (picture: Picture): number =>
  picture.kind === 'still' ? picture.format : picture.kind === 'video' ? picture.frame.format : picture.channels;

interface Geometry {
  paint(picture: Picture, appearance: Appearance): Buffer;
  close(): void;
}

function openGeometry(picture: Picture, fit: Fit): Geometry {
  const { size } = fit;
  const place = placement(picture.width, picture.height, fit);
  const fitted: Side = { width: place.scaledWidth, height: place.scaledHeight, format: av.AV_PIX_FMT_GBRP };
  const shown: Side = { ...fitted, width: Math.min(size, fitted.width), height: Math.min(size, fitted.height) };
  const fitting = openFitting(picture, fitted);
  const pack = openContext(shown, { ...shown, format: av.AV_PIX_FMT_RGB24 }, av.SWS_POINT);
  const { after } = fitting;
  const first = Math.max(0, -place.offsetY) * after.strides[0]! + Math.max(0, -place.offsetX);
  const window: Planes = { data: after.data.map((plane) => plane.subarray(first)), strides: after.strides };
  // GBRP lists its planes G, B, R: with the last two exchanged, what is packed as RGB was BGR.
  const [g, b, r] = window.data;
  const exchanged: Planes = { ...window, data: [g!, r!, b!] };
  const canvas = Buffer.alloc(size * size * 3);
  const corner = (Math.max(0, place.offsetY) * size + Math.max(0, place.offsetX)) * 3;
  const target: Planes = { data: [canvas.subarray(corner)], strides: [size * 3] };
  return {
    paint(next, appearance) {
      fitting.fit(next);
      applyOrder(after, fitted, appearance);
      pass(pack, appearance.bgr ? exchanged : window, target, shown.height);
      return canvas;
    },
    close() {
      fitting.close();
      pack.freeContext();
    },
  };
}

/** From a picture to planar RGB of the fitted size. */
interface Fitting {
  readonly after: Planes;
  fit(picture: Picture): void;
  close(): void;
}

function openFitting(picture: Picture, fitted: Side): Fitting {
  const { width, height } = picture;
  const small = width >= MUCH_SMALLER * fitted.width && height >= MUCH_SMALLER * fitted.height;
  if (picture.kind === 'video' && small) return directFitting(fitted);
  const rgb = openRgb(picture);
  const resize = openContext({ width, height, format: av.AV_PIX_FMT_GBRP }, fitted, av.SWS_BICUBIC);
  const after = planarRgb(fitted);
  return {
    after,
    fit(next) {
      rgb.load(next);
      pass(resize, rgb.planes, after, height);
    },
    close() {
      rgb.close();
      resize.freeContext();
    },
  };
}

/** swscale takes range and matrix from the frame where a context is not set up beforehand. */
function directFitting(fitted: Side): Fitting {
  const context = openTagged(av.SWS_BICUBIC);
  const frame = rgbFrame(fitted);
  const after: Planes = { data: frame.data!.slice(0, 3), strides: frame.linesize.slice(0, 3) };
  return {
    after,
    fit(next) {
      if (next.kind === 'video') accepted(context.scaleFrameSync(frame, next.frame));
    },
    close() {
      context.freeContext();
      frame.free();
    },
  };
}

/** Planar RGB of the source's own size. */
interface RgbLoader {
  readonly planes: Planes;
  load(picture: Picture): void;
  close(): void;
}

function openRgb(picture: Picture): RgbLoader {
  if (picture.kind === 'raw') return rawRgb(picture);
  const side =
    picture.kind === 'still'
      ? sourceOf(picture)
      : { side: { ...sizeOf(picture), format: av.AV_PIX_FMT_GBRP }, kernel: 0 };
  const full: Side = { ...side.side, format: av.AV_PIX_FMT_GBRP };
  const rgb = rgbFrame(full);
  const planes: Planes = { data: rgb.data!.slice(0, 3), strides: rgb.linesize.slice(0, 3) };
  if (picture.kind === 'video') {
    const context = openTagged(av.SWS_BILINEAR);
    const load = (next: Picture): void => {
      if (next.kind === 'video') accepted(context.scaleFrameSync(rgb, next.frame));
    };
    return { planes, load, close: () => freeBoth(context, rgb) };
  }
  const context = openContext(side.side, full, side.kernel);
  // A picture that is read beyond its sides has to be handed over by its planes.
  const whole = full.width === picture.width && full.height === picture.height;
  const load = (next: Picture): void => {
    if (next.kind !== 'still') return;
    if (whole) passed(context.scaleFrameSync(rgb, next.frame));
    else pass(context, next.planes(), planes, full.height);
  };
  return { planes, load, close: () => freeBoth(context, rgb) };
}

function freeBoth(context: SoftwareScaleContext, frame: Frame): void {
  context.freeContext();
  frame.free();
}

const sizeOf = ({ width, height }: Picture) => ({ width, height });

/** Interleaved bytes are parted by swscale, planes are taken as they lie; grey serves as all three. */
function rawRgb(picture: RawPicture): RgbLoader {
  const side = { width: picture.width, height: picture.height };
  const planes = planarRgb({ ...side, format: av.AV_PIX_FMT_GBRP });
  if (picture.channels === 1 || picture.layout === 'chw') {
    const load = (next: Picture): void => {
      if (next.kind === 'raw') copyPlanes(next, planes);
    };
    return { planes, load, close: () => undefined };
  }
  const format = av.AV_PIX_FMT_RGB24;
  const context = openContext({ ...side, format }, { ...side, format: av.AV_PIX_FMT_GBRP }, av.SWS_POINT);
  const length = 3 * side.width * side.height;
  // swscale may read behind the last pixel: a frame at the end of its buffer would let it.
  const padded = Buffer.alloc(length + SLACK);
  const from: Planes = { data: [padded], strides: [3 * side.width] };
  const load = (next: Picture): void => {
    if (next.kind !== 'raw') return;
    padded.set(next.bytes.subarray(0, length));
    pass(context, from, planes, side.height);
  };
  return { planes, load, close: () => context.freeContext() };
}

const SLACK = 64;

function copyPlanes({ bytes, width, height, channels }: RawPicture, planes: Planes): void {
  // GBRP lists its planes G, B, R.
  const order = channels === 1 ? [0, 0, 0] : [1, 2, 0];
  for (const [plane, source] of order.entries())
    for (let row = 0; row < height; row++) {
      const at = (source * height + row) * width;
      planes.data[plane]!.set(bytes.subarray(at, at + width), row * planes.strides[plane]!);
    }
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

/** A context that reads range and matrix from the frames; an unspecified matrix is BT.601, as for ffmpeg and PyAV. */
function openTagged(kernel: number): SoftwareScaleContext {
  const context = new SoftwareScaleContext();
  context.allocContext();
  for (const [name, value] of Object.entries({ ...PILLOW_BICUBIC, sws_flags: kernel | ACCURATE }))
    if (kernel === av.SWS_BICUBIC || name === 'sws_flags') context.setOption(name, value);
  return context;
}

function accepted(status: number): void {
  if (status >= 0) return;
  throw new PrepError({
    code: 'bad-video',
    expected: 'a pixel format that can be shown',
    found: `swscale refuses it (${status})`,
  });
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
