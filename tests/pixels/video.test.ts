/** Pictures of videos: exactly those asked for, as PyAV and Pillow show them. */
import { afterAll, describe, expect, it } from 'vitest';
import type { Appearance, VideoBatch } from '../../schemas/frames.ts';
import { openFrameCoder } from '../../transforms/frames.ts';
import { openVideoDecoder } from '../../transforms/video-decode.ts';
import { failure } from '../formats/memory-file.ts';
import { batchesOf, clip, clips, hashesOf, openClip, psnrOfClip } from './clips.ts';
import { SIZE } from './expected.ts';

const coder = openFrameCoder({ fit: { mode: 'letterbox', size: SIZE }, quality: 95, subsampling: '4:4:4' });
afterAll(() => coder.close());
const UNKNOWN = { width: 0, height: 0 };

async function batchOf(file: string, from: number, count: number): Promise<VideoBatch> {
  const [batch, ...more] = (await batchesOf((await openClip(file)).stream(from, count))) as VideoBatch[];
  expect(more).toEqual([]);
  return batch!;
}

async function canvasesOf(file: string, from: number, count: number, appearance: Appearance = {}): Promise<Buffer[]> {
  const all: Buffer[] = [];
  for (const canvas of coder.canvases(await batchOf(file, from, count), appearance, UNKNOWN))
    all.push(Buffer.from(canvas));
  return all;
}

const pictured = clips.filter(({ picture }) => picture !== undefined);

describe('the fitted picture', () => {
  it.each(pictured)('of $file is within 45 dB of PyAV and Pillow', async (told) => {
    const [canvas] = await canvasesOf(told.file, told.picture!, 1);
    expect(psnrOfClip(told, canvas!)).toBeGreaterThanOrEqual(45);
  });

  it.each(['size_300x280.mp4', 'size_322x182.mp4', 'size_256x256.mp4', 'h264_b.mp4', 'av1_g2.mp4'])(
    'of %s, which shrinks little or grows, is within 55 dB: chroma is not reduced twice',
    async (file) => {
      const told = clip(file);
      const [canvas] = await canvasesOf(file, told.picture!, 1);
      expect(psnrOfClip(told, canvas!)).toBeGreaterThanOrEqual(55);
    },
  );

  it('is that of each clip whatever was painted before it', async () => {
    // One coder for all sizes, formats, ranges and matrices: scalers are kept and reused.
    for (const told of [...pictured, ...pictured.toReversed()]) {
      const [canvas] = await canvasesOf(told.file, told.picture!, 1);
      expect([told.file, psnrOfClip(told, canvas!) >= 45]).toEqual([told.file, true]);
    }
  });

  it('keeps the recorded primaries: a wide gamut is not mapped onto a narrow one', async () => {
    const [wide, narrow] = [clip('h264_2020.mp4'), clip('h264_709.mp4')];
    const [canvas] = await canvasesOf(wide.file, wide.picture!, 1);
    expect(psnrOfClip(narrow, canvas!)).toBeGreaterThan(25); // the same scene, coded once more
  });
});

/** PSNR of two canvases, dB. */
const psnr = (a: Buffer, b: Buffer): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i]! - b[i]!) ** 2;
  return 10 * Math.log10((255 * 255 * a.length) / sum);
};

describe.each(['size_640x480.mp4', 'size_322x182.mp4', 'h264_b.mp4'])('%s stored in another way', (file) => {
  const pixel = (x: number, y: number): number => (y * SIZE + x) * 3;
  const moved = (canvas: Buffer, from: (x: number, y: number) => [number, number], order = [0, 1, 2]): Buffer => {
    const out = Buffer.alloc(canvas.length);
    for (let y = 0; y < SIZE; y++)
      for (let x = 0; x < SIZE; x++)
        for (const c of [0, 1, 2]) out[pixel(x, y) + c] = canvas[pixel(...from(x, y)) + order[c]!]!;
    return out;
  };

  it.each<[string, Appearance, (x: number, y: number) => [number, number], number[]]>([
    ['bgr', { bgr: true }, (x, y) => [x, y], [2, 1, 0]],
    ['rows', { rowsReversed: true }, (x, y) => [x, SIZE - 1 - y], [0, 1, 2]],
    ['columns', { columnsReversed: true }, (x, y) => [SIZE - 1 - x, y], [0, 1, 2]],
    [
      'all',
      { bgr: true, rowsReversed: true, columnsReversed: true },
      (x, y) => [SIZE - 1 - x, SIZE - 1 - y],
      [2, 1, 0],
    ],
  ])('%s', async (_, appearance, from, order) => {
    const [plain] = await canvasesOf(file, 1, 1);
    const [told] = await canvasesOf(file, 1, 1, appearance);
    // A bar of odd height lies one row off when it is turned: then all rows do.
    const { width, height } = clip(file);
    const odd = (SIZE - Math.floor((SIZE * Math.min(width, height)) / Math.max(width, height))) % 2;
    const expected = moved(
      plain!,
      (x, y) => {
        const [fromX, fromY] = from(x, y);
        return [fromX, appearance.rowsReversed ? Math.max(0, fromY - odd) : fromY];
      },
      order,
    );
    expect(psnr(told!, expected)).toBeGreaterThan(60);
  });
});

describe('frames', () => {
  const frames = (batch: VideoBatch): string[] => {
    const decoder = openVideoDecoder();
    try {
      return hashesOf(decoder.frames(batch));
    } finally {
      decoder.close();
    }
  };
  /** Every frame of this clip stands alone and comes out as it goes in: so the order of the packets is the decoder's. */
  const alone = async (order: readonly number[]): Promise<VideoBatch> => {
    const { file } = clip('mjpeg.avi');
    const batch = await batchOf(file, 0, 6);
    const packets = order.map((place, rank) => ({ ...batch.packets[place % 6]!, rank }));
    const turn = new Map(order.map((place, rank) => [place, packets[rank]!]));
    return {
      ...batch,
      packets: [...turn.keys()].sort((a, b) => a - b).map((place) => turn.get(place)!),
      wanted: [...order.keys()],
    };
  };

  it('that come ahead of their turn wait for it', async () => {
    const { sha1 } = clip('mjpeg.avi');
    for (const order of [
      [1, 0, 2, 3, 4, 5],
      [5, 4, 3, 2, 1, 0],
      [2, 0, 1, 5, 3, 4],
    ])
      expect(frames(await alone(order))).toEqual(order.map((place) => sha1[place]));
  });

  it('that come ahead of more than 16 others are refused', async () => {
    const rest = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
    expect(frames(await alone([16, ...rest(16)]))).toHaveLength(17);
    const refused = await failure(async () => frames(await alone([17, ...rest(17)])));
    expect(refused.message).toMatch(/file mjpeg.avi.*expected frame 0 of the video, found frame 17 and 16 others/);
  });

  it('that nobody sent are missed by their number', async () => {
    const batch = await batchOf('h264_b.mp4', 0, 8);
    const refused = await failure(() => frames({ ...batch, wanted: [...batch.wanted, 500] }));
    expect(refused.message).toMatch(/file h264_b.mp4.*expected frame 500 of the video, found none/);
  });

  it('of another size than the file says are refused', async () => {
    const batch = await batchOf('h264_b.mp4', 0, 2);
    const refused = await failure(() => frames({ ...batch, width: 98 }));
    expect(refused.message).toMatch(/image-size \(file h264_b.mp4\): expected 98x64.*frame 0 of 96x64/);
  });

  it('without their bytes are refused; empty packets do not end the video', async () => {
    const batch = await batchOf('h264_b.mp4', 0, 8);
    const empty = batch.packets.map((packet) => ({ ...packet, length: 0 }));
    expect(frames({ ...batch, packets: batch.packets.flatMap((packet, i) => [packet, empty[i]!]) })).toEqual(
      clip('h264_b.mp4').sha1.slice(0, 8),
    );
    const refused = await failure(() => frames({ ...batch, packets: batch.packets.with(5, empty[5]!) }));
    expect(refused.code).toBe('bad-video');
  });

  it('left behind half way free their decoder, and the next batch is not touched by them', async () => {
    const decoder = openVideoDecoder();
    const { sha1 } = clip('h264_open_long.mp4');
    const batch = await batchOf('h264_open_long.mp4', 60, 20);
    for (const _ of decoder.frames(batch)) break;
    expect(hashesOf(decoder.frames(batch))).toEqual(sha1.slice(60, 80));
    decoder.close();
  });
});
