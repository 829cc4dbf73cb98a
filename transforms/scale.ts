/**
 * A picture of any kind → RGB canvas with the fitted picture, by swscale, in three passes: planar RGB of the source's size
 * (to-rgb.ts), bicubic per plane, packing. One pass for all of it is 35–46 dB from Pillow for odd, small and enlarged
 * pictures, and slower: swscale writes packed RGB without vector code (0.51 ms for 320×180). The first two passes are one
 * where that costs no quality: for video frames that become much smaller, whose chroma is then reduced as well (51 dB
 * instead of 61, 0.5 ms instead of 1.4 at 640×480), and for interleaved pictures that become smaller (the same to 0.1 dB).
 */
import * as av from 'node-av/constants';
import type { Appearance } from '../schemas/frames.ts';
import { type Fit, placement } from './letterbox.ts';
import { applyOrder, type Planes, planarRgb, planesOf, type RawPicture, rgbFrame, type Side } from './planes.ts';
import { openContext, openPlaneResize, openTagged, pass, passTagged } from './swscale.ts';
import { openPadded, openRgb, type Picture } from './to-rgb.ts';

export interface Scaler {
  /** The `size`×`size` RGB canvas, bars black; the same memory at each call. @throws PrepError `bad-image`, `bad-video`, `image-size` */
  paint(picture: Picture, appearance?: Appearance): Buffer;
  close(): void;
}

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
      const key = `${picture.kind} ${picture.width}x${picture.height} ${formatOf(picture)}`;
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

/** Everything besides kind and size that a geometry is made for: what two pictures share it must read the same way. */
function formatOf(picture: Picture): string {
  if (picture.kind === 'raw') return `${picture.channels} ${picture.layout}`;
  return `${picture.kind === 'still' ? picture.format : picture.frame.format}`;
}

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
  const shrinksBy = Math.min(picture.width / fitted.width, picture.height / fitted.height);
  if (picture.kind === 'video' && shrinksBy >= MUCH_SMALLER) return taggedFitting(fitted);
  if (picture.kind === 'raw' && picture.channels === 3 && picture.layout === 'hwc' && shrinksBy >= 1)
    return interleavedFitting(picture, fitted);
  const rgb = openRgb(picture);
  const resize = openPlaneResize(picture, fitted);
  const after = planarRgb(fitted);
  return {
    after,
    fit(next) {
      rgb.load(next);
      pass(resize, rgb.planes, after, picture.height);
    },
    close() {
      rgb.close();
      resize.freeContext();
    },
  };
}

function taggedFitting(fitted: Side): Fitting {
  const context = openTagged(av.SWS_BICUBIC);
  const frame = rgbFrame(fitted);
  return {
    after: planesOf(frame),
    fit(next) {
      if (next.kind === 'video') passTagged(context, next.frame, frame);
    },
    close() {
      context.freeContext();
      frame.free();
    },
  };
}

function interleavedFitting(picture: RawPicture, fitted: Side): Fitting {
  const { width, height } = picture;
  const from = openPadded(picture);
  const context = openContext({ width, height, format: av.AV_PIX_FMT_RGB24 }, fitted, av.SWS_BICUBIC);
  const after = planarRgb(fitted);
  return {
    after,
    fit(next) {
      if (next.kind === 'raw') pass(context, from.filled(next), after, height);
    },
    close: () => context.freeContext(),
  };
}
