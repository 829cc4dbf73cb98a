/** Reads the goldens that Pillow made (fixtures/pixels/make.py) and compares pictures with them. */
import { readFileSync } from 'node:fs';
import { inflateSync } from 'node:zlib';
import type { Fit } from '../../transforms/letterbox.ts';

export const SIZE = 256;
const LINE = SIZE * 3;
const FOLDER = new URL('../../fixtures/pixels/', import.meta.url);

export interface PixelCase {
  readonly file: string;
  readonly width: number;
  readonly height: number;
  readonly fit: Fit['mode'];
  /** Pillow's colours (at most 5 from those drawn), and where they lie in the fitted picture: x0 y0 x1 y1. */
  readonly patches: readonly {
    readonly colour: readonly number[];
    readonly area: readonly [number, number, number, number];
  }[];
}

export interface IntrinsicsCase {
  readonly width: number;
  readonly height: number;
  readonly fit: Fit['mode'];
  /** scaledWidth, scaledHeight, offsetX, offsetY */
  readonly placement: readonly number[];
  /** fx fy cx cy of the source. */
  readonly k: readonly [number, number, number, number];
  /** Points in camera coordinates, metres, and their pixels in the fitted picture. */
  readonly points: readonly (readonly [number, number, number])[];
  readonly pixels: readonly (readonly [number, number])[];
}

interface Table {
  readonly rowStep: number;
  readonly cases: readonly PixelCase[];
  readonly refused: readonly string[];
  readonly intrinsics: readonly IntrinsicsCase[];
}

export const table: Table = JSON.parse(readFileSync(new URL('cases.json', FOLDER), 'utf8'));
export const readPixelFile = (file: string): Uint8Array => readFileSync(new URL(file, FOLDER));

/** Every `rowStep`-th row of Pillow's fitted picture, RGB. */
function expectedRows(file: string): { rows: number[]; data: Uint8Array } {
  const data = new Uint8Array(inflateSync(readFileSync(new URL(`expect/${file}.z`, FOLDER))));
  // Stored as differences to the pixel on the left.
  for (let i = 0; i < data.length; i++) if (i % LINE >= 3) data[i]! += data[i - 3]!;
  return { data, rows: Array.from({ length: data.length / LINE }, (_, i) => i * table.rowStep) };
}

/** PSNR in dB over the rows that Pillow's picture was kept of; Infinity where they are equal. */
export function psnrAgainstPillow(file: string, rgb: Uint8Array): number {
  const { rows, data } = expectedRows(file);
  let sum = 0;
  for (const [i, row] of rows.entries())
    for (let x = 0; x < LINE; x++) sum += (rgb[row * LINE + x]! - data[i * LINE + x]!) ** 2;
  return 10 * Math.log10((255 * 255 * data.length) / sum);
}

/** The largest distance of any channel of any pixel in a case's flat patches from Pillow's; 0 without patches. */
export function worstPatchError({ patches }: PixelCase, rgb: Uint8Array): number {
  let worst = 0;
  for (const { colour, area } of patches)
    for (let y = area[1]; y < area[3]; y++)
      for (let i = y * LINE + area[0] * 3; i < y * LINE + area[2] * 3; i++)
        worst = Math.max(worst, Math.abs(rgb[i]! - colour[(i % LINE) % 3]!));
  return worst;
}
