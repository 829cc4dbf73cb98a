/** swscale as this package uses it: contexts of known quality, and passes from planes to planes. */
import * as av from 'node-av/constants';
import { type Frame, SoftwareScaleContext } from 'node-av/lib';
import { PrepError } from '../schemas/errors.ts';
import type { Planes, Side } from './planes.ts';

/** Without these flags swscale is at 34–38 dB against Pillow. */
const ACCURATE = av.SWS_ACCURATE_RND | av.SWS_FULL_CHR_H_INT | av.SWS_FULL_CHR_H_INP;
/** Pillow's bicubic has a = −0.5; swscale's param1 is −a and 0.6 by default, which costs up to 7 dB. */
const PILLOW_BICUBIC = { param0: '0', param1: '0.5' };

const optionsOf = (kernel: number): Record<string, string | number> => ({
  ...(kernel === av.SWS_BICUBIC ? PILLOW_BICUBIC : {}),
  sws_flags: kernel | ACCURATE,
});

/**
 * From one size and format to another, both full range whatever libav calls them: JPEG, PNG and raw pictures are.
 * @throws PrepError `image-size` where swscale refuses the sizes
 */
export function openContext(from: Side, to: Side, kernel: number): SoftwareScaleContext {
  const context = new SoftwareScaleContext();
  context.allocContext();
  const options = {
    ...{ srcw: from.width, srch: from.height, src_format: from.format, src_range: 1 },
    ...{ dstw: to.width, dsth: to.height, dst_format: to.format, dst_range: 1 },
    ...optionsOf(kernel),
  };
  for (const [name, value] of Object.entries(options)) accept(context.setOption(name, value), from, to);
  accept(context.initContext(), from, to);
  return context;
}

/**
 * Bicubic of three planes, each on its own. They are passed off as Y, U and V of full size: swscale leaves those as they
 * are, where it would turn RGB into YUV and back (the same to 0.1 dB, and half as slow again).
 */
export const openPlaneResize = (from: Omit<Side, 'format'>, to: Omit<Side, 'format'>): SoftwareScaleContext =>
  openContext({ ...from, format: av.AV_PIX_FMT_YUV444P }, { ...to, format: av.AV_PIX_FMT_YUV444P }, av.SWS_BICUBIC);

/** Range and matrix are read from each frame; an unspecified matrix is BT.601, as for ffmpeg and PyAV. */
export function openTagged(kernel: number): SoftwareScaleContext {
  const context = new SoftwareScaleContext();
  context.allocContext();
  for (const [name, value] of Object.entries(optionsOf(kernel))) context.setOption(name, value);
  return context;
}

/** @throws PrepError `bad-video` for a pixel format that swscale does not read */
export function passTagged(context: SoftwareScaleContext, from: Frame, to: Frame): void {
  // Hazard: where these differ, swscale maps one gamut onto the other through a table that is wrong for planar RGB (16 dB).
  // Primaries are kept as recorded, as every other reader of these videos does.
  to.colorPrimaries = from.colorPrimaries;
  to.colorTrc = from.colorTrc;
  const status = context.scaleFrameSync(to, from);
  if (status >= 0) return;
  throw new PrepError({
    code: 'bad-video',
    expected: 'a pixel format that can be shown',
    found: `libav pixel format ${from.format}, which swscale refuses (${status})`,
  });
}

/** A context that opened has no way to fail but a bug: not an error of the picture. */
export function pass(context: SoftwareScaleContext, from: Planes, to: Planes, lines: number): void {
  passed(context.scaleSync(from.data, from.strides, 0, lines, to.data, to.strides));
}

export function passed(status: number): void {
  if (status <= 0) throw new Error(`swscale failed with ${status}`);
}

function accept(status: number, from: Side, to: Side): void {
  if (status >= 0) return;
  const found = `${from.width}x${from.height} to ${to.width}x${to.height}, which swscale refuses (${status})`;
  throw new PrepError({ code: 'image-size', expected: 'a size that can be scaled', found });
}
