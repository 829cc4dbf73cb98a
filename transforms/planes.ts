/** Memory for pictures as swscale likes it, and what is done to planes without arithmetic. */
import * as av from 'node-av/constants';
import { Frame } from 'node-av/lib';
import type { Appearance, RawBatch } from '../schemas/frames.ts';

export interface Side {
  readonly width: number;
  readonly height: number;
  readonly format: av.AVPixelFormat;
}

export interface Planes {
  readonly data: Buffer[];
  readonly strides: number[];
}

/** One uncompressed frame. */
export interface RawPicture extends Pick<RawBatch, 'width' | 'height' | 'channels' | 'layout'> {
  readonly bytes: Uint8Array;
}

/** swscale's vector code works on whole registers: rows start at multiples of this, planes end with as much slack (bytes). */
const ALIGN = 64;

export const roundUp = (n: number, step: number): number => Math.ceil(n / step) * step;

/** Memory of libav's own, aligned and padded as its vector code likes it; full range. */
export function rgbFrame({ width, height, format }: Side): Frame {
  const frame = new Frame();
  frame.alloc();
  Object.assign(frame, { width, height, format });
  if (frame.getBuffer() < 0) throw new Error(`libav has no memory for ${width}x${height}`);
  frame.colorRange = av.AVCOL_RANGE_JPEG;
  return frame;
}

/** The three planes of such a frame. Each call wraps them anew, and V8 counts that memory as its own. */
export const planesOf = (rgb: Frame): Planes => ({ data: rgb.data!.slice(0, 3), strides: rgb.linesize.slice(0, 3) });

export function planarRgb({ width, height }: Omit<Side, 'format'>): Planes {
  const stride = roundUp(width, ALIGN);
  return { data: [0, 1, 2].map(() => Buffer.alloc(stride * height + ALIGN)), strides: [stride, stride, stride] };
}

/** Reverses rows or columns in place: the kernel is symmetric, so it is the same before and after the resize. */
export function applyOrder(
  planes: Planes,
  { width, height }: Side,
  { rowsReversed, columnsReversed }: Appearance,
): void {
  if (!rowsReversed && !columnsReversed) return;
  for (const [i, plane] of planes.data.entries()) {
    const stride = planes.strides[i]!;
    const row = (y: number): Buffer => plane.subarray(y * stride, y * stride + width);
    if (columnsReversed) for (let y = 0; y < height; y++) row(y).reverse();
    if (!rowsReversed) continue;
    const kept = Buffer.alloc(width);
    for (let y = 0; y < height >> 1; y++) {
      kept.set(row(y));
      row(y).set(row(height - 1 - y));
      row(height - 1 - y).set(kept);
    }
  }
}
