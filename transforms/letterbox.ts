/** Geometry of how a frame becomes `size`×`size`, and how intrinsics follow the pixels. */
import type { Intrinsics } from '../schemas/episode.ts';

export interface Fit {
  readonly mode: 'letterbox' | 'crop' | 'stretch';
  /** Side of the square output, pixels. */
  readonly size: number;
}

/** The scaled picture within the square. Negative offsets: that many rows or columns fall away (crop). */
export interface Placement {
  readonly scaledWidth: number;
  readonly scaledHeight: number;
  readonly offsetX: number;
  readonly offsetY: number;
}

/**
 * Where a `width`×`height` picture lies after the fit, in whole pixels: the long side (crop: the short side) becomes
 * `size`, the other `⌊size·other/this⌋` but at least 1, the offset `⌊(size − n)/2⌋`.
 */
export function placement(width: number, height: number, fit: Fit): Placement {
  const { mode, size } = fit;
  const lead = mode === 'crop' ? Math.min(width, height) : Math.max(width, height);
  const scaled = (side: number): number => (mode === 'stretch' ? size : Math.max(1, Math.floor((size * side) / lead)));
  const [scaledWidth, scaledHeight] = [scaled(width), scaled(height)];
  const offset = (n: number): number => Math.floor((size - n) / 2);
  return { scaledWidth, scaledHeight, offsetX: offset(scaledWidth), offsetY: offset(scaledHeight) };
}

/**
 * Intrinsics of the fitted picture, pixel-centre convention: `fx' = fx·sx`, `cx' = (cx − (W−1)/2)·sx + (W'−1)/2` plus
 * the offset, with `sx = W'/W` of the rounded size W' that the pixels have; the same for y.
 */
export function fitIntrinsics(k: Intrinsics, source: { width: number; height: number }, fit: Fit): Intrinsics {
  const { scaledWidth, scaledHeight, offsetX, offsetY } = placement(source.width, source.height, fit);
  const [sx, sy] = [scaledWidth / source.width, scaledHeight / source.height];
  return {
    fx: k.fx * sx,
    fy: k.fy * sy,
    cx: (k.cx - (source.width - 1) / 2) * sx + (scaledWidth - 1) / 2 + offsetX,
    cy: (k.cy - (source.height - 1) / 2) * sy + (scaledHeight - 1) / 2 + offsetY,
  };
}
