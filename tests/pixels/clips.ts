/** The clips of fixtures/video, what PyAV and Pillow made of them (make.py there), and ways to decode them here. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { inflateSync } from 'node:zlib';
import type { Frame } from 'node-av/lib';
import type { FrameBatch, FrameStream, VideoBatch } from '../../schemas/frames.ts';
import { openVideo, type Video } from '../../sources/formats/video.ts';
import { openVideoDecoder } from '../../transforms/video-decode.ts';
import { memoryFile } from '../formats/memory-file.ts';
import { SIZE } from './expected.ts';

const FOLDER = new URL('../../fixtures/video/', import.meta.url);
const LINE = SIZE * 3;

export interface Clip {
  readonly file: string;
  readonly codec: string;
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  /** PyAV's times, seconds from the first. */
  readonly seconds: readonly number[];
  /** First 8 digits of the SHA-1 of each frame's decoded planes. */
  readonly sha1: readonly string[];
  /** The frame whose fitted picture was kept. */
  readonly picture?: number;
}

const table: { readonly rowStep: number; readonly clips: readonly Clip[] } = JSON.parse(
  readFileSync(new URL('clips.json', FOLDER), 'utf8'),
);
/** Every clip that holds frames. */
export const clips = table.clips.filter(({ frames }) => frames > 0);
export const clip = (file: string): Clip => table.clips.find((one) => one.file === file)!;
export const clipBytes = (file: string): Uint8Array => new Uint8Array(readFileSync(new URL(file, FOLDER)));
export const openClip = (file: string, bytes = clipBytes(file)): Promise<Video> => openVideo(memoryFile(file, bytes));

export async function batchesOf(stream: FrameStream): Promise<FrameBatch[]> {
  const all: FrameBatch[] = [];
  for await (const batch of stream.batches()) all.push(batch);
  return all;
}

export const hashesOf = (frames: Iterable<Frame>): string[] =>
  Array.from(frames, (frame) => createHash('sha1').update(frame.toBuffer()).digest('hex').slice(0, 8));

/** SHA-1 of the planes of each frame of a stream, as in `Clip.sha1`. */
export async function hashes(stream: FrameStream): Promise<string[]> {
  const decoder = openVideoDecoder();
  try {
    const found: string[] = [];
    for await (const batch of stream.batches()) found.push(...hashesOf(decoder.frames(batch as VideoBatch)));
    return found;
  } finally {
    decoder.close();
  }
}

/** PSNR in dB of a canvas over the rows of the picture that were kept; Infinity where they are equal. */
export function psnrOfClip({ file }: Pick<Clip, 'file'>, canvas: Uint8Array): number {
  const kept = new Uint8Array(inflateSync(readFileSync(new URL(`truth/${file}.z`, FOLDER))));
  let sum = 0;
  for (let i = 0; i < kept.length; i++) {
    // Stored as differences to the pixel on the left.
    if (i % LINE >= 3) kept[i]! += kept[i - 3]!;
    sum += (canvas[Math.floor(i / LINE) * table.rowStep * LINE + (i % LINE)]! - kept[i]!) ** 2;
  }
  return 10 * Math.log10((255 * 255 * kept.length) / sum);
}
