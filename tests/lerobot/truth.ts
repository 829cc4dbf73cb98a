/** What `lerobot` reads of a dataset that it wrote (write.py), held against what our reader gives for the same episodes. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { SourcePictures } from '../../schemas/frames.ts';
import type { LerobotRecord } from '../../schemas/records.ts';
import { openRoot } from '../../sources/bytes.ts';
import { openLerobot } from '../../sources/formats/lerobot/container.ts';
import { openFrameCoder } from '../../transforms/frames.ts';
import { placement } from '../../transforms/letterbox.ts';

interface Truth {
  readonly version: string;
  readonly fps: number;
  /** Frames are averaged over squares of so many pixels. */
  readonly reduce: number;
  readonly cameras: Readonly<Record<string, CameraTruth>>;
  readonly episodes: readonly EpisodeTruth[];
}

interface CameraTruth {
  /** Frames of all episodes one after the other, RGB. */
  readonly file: string;
  readonly height: number;
  readonly width: number;
}

interface EpisodeTruth {
  readonly index: number;
  readonly length: number;
  readonly tasks: readonly string[];
  readonly columns: Readonly<Record<string, readonly number[]>>;
  readonly texts: Readonly<Record<string, readonly string[]>>;
  /** Drawn code of each frame as lerobot's frame shows it; null where it shows none. */
  readonly codes: Readonly<Record<string, readonly (number | null)[]>>;
}

export interface Compared {
  readonly version: string;
  readonly episodes: number;
  readonly frames: number;
  /** Frames whose code was read in both. */
  readonly codes: number;
  /** The least agreement of a frame with lerobot's, dB. */
  readonly psnr: number;
}

const SIZE = 256;
const coder = openFrameCoder({ fit: { mode: 'letterbox', size: SIZE }, quality: 95, subsampling: '4:4:4' });
/** Same coded frames, same decoder family: only the way from YUV to RGB differs. */
const LEAST_PSNR = 32;

/** Compares every episode of `folder/set` with `folder/truth`. */
export async function compareWithTruth(folder: string): Promise<Compared> {
  const truth: Truth = JSON.parse(readFileSync(join(folder, 'truth/truth.json'), 'utf8'));
  const container = await openLerobot(await openRoot(join(folder, 'set')), { format: 'lerobot', accepts: () => null });
  const found = new Map<number, EpisodeTruth>(truth.episodes.map((episode) => [episode.index, episode]));
  const starts = startsOf(truth);
  const sums = { version: truth.version, episodes: 0, frames: 0, codes: 0, psnr: Number.POSITIVE_INFINITY };
  expect(container.version).toBe(truth.version);
  try {
    for (const shard of container.shards)
      for await (const episode of container.episodes(shard, () => false)) {
        if (episode.record instanceof Error) throw episode.record;
        const record = episode.record();
        const expected = found.get(record.index);
        expect(expected, `episode ${record.index}`).toBeDefined();
        found.delete(record.index);
        compareRows(record, expected!, truth.fps);
        for (const [name, camera] of Object.entries(truth.cameras)) {
          const rgb = readFileSync(join(folder, 'truth', camera.file));
          const first = starts.get(record.index)!;
          const { codes, psnr } = await compareFrames(
            record.images(name),
            { camera, rgb, first, ...truth },
            expected!.codes[name]!,
          );
          sums.codes += codes;
          sums.psnr = Math.min(sums.psnr, psnr);
          sums.frames += record.steps;
        }
        sums.episodes++;
        await episode.release?.();
      }
  } finally {
    await container.close();
  }
  expect([...found.keys()], 'episodes that were not delivered').toEqual([]);
  return sums;
}

function startsOf({ episodes }: Truth): Map<number, number> {
  let frames = 0;
  return new Map(
    episodes.map(({ index, length }) => {
      frames += length;
      return [index, frames - length];
    }),
  );
}

function compareRows(record: LerobotRecord, expected: EpisodeTruth, fps: number): void {
  expect(record.steps).toBe(expected.length);
  expect(record.info.fps).toBe(fps);
  expect(record.tasks()).toEqual(expected.tasks);
  for (const [name, values] of Object.entries(expected.columns)) {
    const numbers = record.numbers(name, values.length / expected.length);
    expect({ name, numbers: [...numbers] }).toEqual({ name, numbers: values });
  }
  for (const [name, texts] of Object.entries(expected.texts)) expect(record.texts(name)).toEqual(texts);
}

interface Frames {
  readonly camera: CameraTruth;
  readonly rgb: Uint8Array;
  /** Index of the episode's first frame in `rgb`. */
  readonly first: number;
  readonly reduce: number;
}

async function compareFrames(pictures: SourcePictures, truth: Frames, codes: readonly (number | null)[]) {
  const { camera, rgb, first, reduce } = truth;
  if (pictures.frames.kind !== 'stream') throw new Error('frames in memory');
  expect([pictures.width, pictures.height, pictures.frames.count]).toEqual([camera.width, camera.height, codes.length]);
  const length = Math.floor(camera.height / reduce) * Math.floor(camera.width / reduce) * 3;
  const theirs = (k: number) => rgb.subarray((first + k) * length, (first + k + 1) * length);
  let [k, seen, least] = [0, 0, Number.POSITIVE_INFINITY];
  for await (const batch of pictures.frames.batches())
    for (const canvas of coder.canvases(batch, {}, pictures)) {
      const frame = cropped(canvas, camera);
      const ours = means(frame, camera, reduce);
      const own = psnr(ours, theirs(k));
      expect(own, `frame ${k}`).toBeGreaterThan(LEAST_PSNR);
      for (const other of [k - 1, k + 1])
        if (other >= 0 && other < codes.length && psnr(theirs(other), theirs(k)) < LEAST_PSNR)
          expect(own, `frame ${k} rather than ${other}`).toBeGreaterThan(psnr(ours, theirs(other)));
      const code = codes[k]!;
      if (code !== null) {
        expect(codeIn(frame, camera), `code of frame ${k}`).toBe(code);
        seen++;
      }
      least = Math.min(least, own);
      k++;
    }
  expect(k).toBe(codes.length);
  return { codes: seen, psnr: least };
}

/** The picture within its black bars. Its long side is 256, so nothing was scaled. */
function cropped(canvas: Uint8Array, { width, height }: CameraTruth): Uint8Array {
  const { scaledWidth, scaledHeight, offsetX, offsetY } = placement(width, height, { mode: 'letterbox', size: SIZE });
  expect([scaledWidth, scaledHeight]).toEqual([width, height]);
  const out = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    const from = ((y + offsetY) * SIZE + offsetX) * 3;
    out.set(canvas.subarray(from, from + width * 3), y * width * 3);
  }
  return out;
}

function means(frame: Uint8Array, { width, height }: CameraTruth, side: number): Float64Array {
  const [w, h] = [Math.floor(width / side), Math.floor(height / side)];
  const out = new Float64Array(w * h * 3);
  for (let y = 0; y < h * side; y++)
    for (let x = 0; x < w * side; x++)
      for (let c = 0; c < 3; c++)
        out[(Math.floor(y / side) * w + Math.floor(x / side)) * 3 + c]! += frame[(y * width + x) * 3 + c]! / side ** 2;
  return out;
}

function psnr(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i]! - b[i]!) ** 2;
  return 10 * Math.log10((255 * 255 * a.length) / sum);
}

const CELL = 16;
const COLUMNS = 6;
const BITS = 24;

/** The number drawn as 4 × 6 squares at the top left: write.py, `read_code`. */
function codeIn(frame: Uint8Array, { width }: CameraTruth): number {
  let value = 0;
  for (let bit = 0; bit < BITS; bit++) {
    const [top, left] = [CELL * Math.floor(bit / COLUMNS) + 4, CELL * (bit % COLUMNS) + 4];
    let sum = 0;
    for (let y = top; y < top + 8; y++)
      for (let i = (y * width + left) * 3; i < (y * width + left + 8) * 3; i++) sum += frame[i]!;
    value = 2 * value + (sum / (8 * 8 * 3) > 128 ? 1 : 0);
  }
  return value;
}
