/** A picture of any kind → planar RGB of its own size, chroma upsampled by triangle (as libjpeg does), all exact. */
import * as av from 'node-av/constants';
import type { Frame } from 'node-av/lib';
import { PrepError } from '../schemas/errors.ts';
import type { DecodedImage } from './image-decode.ts';
import { type Planes, planarRgb, planesOf, type RawPicture, rgbFrame, roundUp, type Side } from './planes.ts';
import { openContext, openTagged, pass, passed, passTagged } from './swscale.ts';

/** `still`: JPEG or PNG, full range. `video`: range and matrix as the frame is tagged. `raw`: 8-bit grey or RGB in memory. */
export type Picture =
  | ({ readonly kind: 'still' } & DecodedImage)
  | { readonly kind: 'video'; readonly width: number; readonly height: number; readonly frame: Frame }
  | ({ readonly kind: 'raw' } & RawPicture);

/** Loads pictures of the kind, size and format of the one it was opened for, and no others. */
export interface RgbLoader {
  /** What the last picture was: GBRP, the same memory at each call. */
  readonly planes: Planes;
  load(picture: Picture): void;
  close(): void;
}

/** @throws PrepError `bad-image` for a pixel format that no 8-bit grey or colour picture has */
export function openRgb(picture: Picture): RgbLoader {
  if (picture.kind === 'still') return stillRgb(picture);
  if (picture.kind === 'video') return videoRgb(picture);
  return picture.channels === 1 || picture.layout === 'chw' ? planesRgb(picture) : interleavedRgb(picture);
}

function videoRgb({ width, height }: Picture): RgbLoader {
  const rgb = rgbFrame({ width, height, format: av.AV_PIX_FMT_GBRP });
  const context = openTagged(av.SWS_BILINEAR);
  return {
    planes: planesOf(rgb),
    load(next) {
      if (next.kind === 'video') passTagged(context, next.frame, rgb);
    },
    close() {
      context.freeContext();
      rgb.free();
    },
  };
}

function stillRgb(picture: DecodedImage): RgbLoader {
  const { side, kernel } = sourceOf(picture);
  const full: Side = { ...side, format: av.AV_PIX_FMT_GBRP };
  const rgb = rgbFrame(full);
  const planes = planesOf(rgb);
  const context = openContext(side, full, kernel);
  // A picture that is read beyond its sides has to be handed over by its planes.
  const whole = full.width === picture.width && full.height === picture.height;
  return {
    planes,
    load(next) {
      if (next.kind !== 'still') return;
      if (whole) passed(context.scaleFrameSync(rgb, next.frame));
      else pass(context, next.planes(), planes, full.height);
    },
    close() {
      context.freeContext();
      rgb.free();
    },
  };
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

/**
 * How a still picture is read. One whose sides are no multiple of the chroma's step is read up to that multiple (the last
 * 8×8 block holds it): swscale otherwise stretches chroma by a factor that is not 2 (40 dB at 323×181).
 */
function sourceOf({ width, height, format }: DecodedImage): { side: Side; kernel: number } {
  const yuv = YUV.get(format);
  if (!yuv && !DIRECT.has(format))
    throw new PrepError({ code: 'bad-image', expected: '8-bit grey or RGB', found: `libav pixel format ${format}` });
  if (!yuv) return { side: { width, height, format }, kernel: av.SWS_POINT };
  const side = { width: roundUp(width, 1 << yuv.x), height: roundUp(height, 1 << yuv.y), format: yuv.format };
  // libjpeg repeats a chroma value where it counts for four pixels.
  return { side, kernel: yuv.x > 1 ? av.SWS_POINT : av.SWS_BILINEAR };
}

/** Raw planes are taken as they lie; grey serves as all three. */
function planesRgb({ width, height, channels }: RawPicture): RgbLoader {
  const planes = planarRgb({ width, height });
  // GBRP lists its planes G, B, R.
  const order = channels === 1 ? [0, 0, 0] : [1, 2, 0];
  return {
    planes,
    load(next) {
      if (next.kind !== 'raw') return;
      for (const [plane, source] of order.entries())
        for (let row = 0; row < height; row++) {
          const at = (source * height + row) * width;
          planes.data[plane]!.set(next.bytes.subarray(at, at + width), row * planes.strides[plane]!);
        }
    },
    close: () => undefined,
  };
}

function interleavedRgb(picture: RawPicture): RgbLoader {
  const { width, height } = picture;
  const planes = planarRgb({ width, height });
  const from = openPadded(picture);
  const to = { width, height, format: av.AV_PIX_FMT_GBRP };
  const context = openContext({ ...to, format: av.AV_PIX_FMT_RGB24 }, to, av.SWS_POINT);
  return {
    planes,
    load(next) {
      if (next.kind === 'raw') pass(context, from.filled(next), planes, height);
    },
    close: () => context.freeContext(),
  };
}

/** swscale may read so many bytes behind the last pixel: a frame at the end of its buffer would let it. */
const SLACK = 64;

/** Room for an interleaved picture and what swscale reads behind it. */
export function openPadded({ width, height }: RawPicture): { filled(picture: RawPicture): Planes } {
  const length = 3 * width * height;
  const room = Buffer.alloc(length + SLACK);
  const planes: Planes = { data: [room], strides: [3 * width] };
  return {
    filled({ bytes }) {
      room.set(bytes.subarray(0, length));
      return planes;
    },
  };
}
