/** An episode's cameras through the workers: any kind of frames, batch by batch, with places in messages. */
import { afterEach, describe, expect, it } from 'vitest';
import type { Labelled } from '../../pipelines/episode.ts';
import { openPixelPool, type PixelPool, type PixelResult } from '../../pipelines/pixel-pool.ts';
import { codeEpisode } from '../../pipelines/pixels.ts';
import type { Role } from '../../schemas/episode.ts';
import { PrepError } from '../../schemas/errors.ts';
import type { FrameBatch, Frames, RawBatch } from '../../schemas/frames.ts';
import type { TableShape } from '../../schemas/row.ts';
import type { SourceCamera } from '../../schemas/source.ts';
import { readVideoIndex } from '../../sources/formats/video-index.ts';
import { openFrameCoder } from '../../transforms/frames.ts';
import { failure, memoryFile } from '../formats/memory-file.ts';
import { batchesOf, clip, clipBytes, openClip } from './clips.ts';
import { readPixelFile } from './expected.ts';

const OPTIONS = { fit: { mode: 'letterbox', size: 256 }, quality: 95, subsampling: '4:4:4' } as const;
const pools: PixelPool[] = [];
const pool = (workers: number): PixelPool => {
  const opened = openPixelPool({ workers, ...OPTIONS });
  pools.push(opened);
  return opened;
};
afterEach(async () => {
  await Promise.all(pools.splice(0).map((one) => one.close()));
});

/** As much of an episode as the pixel path looks at. */
function code(cameras: Partial<Record<Role, SourceCamera>>, by: PixelPool): Promise<PixelResult> {
  const roles = Object.keys(cameras) as Role[];
  const cast = { roles: Object.fromEntries(roles.map((role) => [role, { name: cameras[role]!.name }])) };
  const labelled = { episode: { cameras: Object.values(cameras) }, cast } as unknown as Labelled;
  const shape = { roles: ['third', 'third2', 'wrist'] } as unknown as TableShape;
  return codeEpisode(labelled, { shape, steps: undefined }, by);
}

const camera = (name: string, frames: Frames, width = 0, height = 0): SourceCamera => ({ name, width, height, frames });
const streamOf = (count: number, ...batches: (() => FrameBatch)[]): Frames => ({
  kind: 'stream',
  count,
  async *batches() {
    for (const batch of batches) yield batch();
  },
});

function alone(batches: readonly FrameBatch[]): Buffer[] {
  const coder = openFrameCoder(OPTIONS);
  const all: Buffer[] = [];
  for (const batch of batches)
    for (const { jpeg } of coder.jpegs(batch, {}, { width: 0, height: 0 })) all.push(Buffer.from(jpeg));
  coder.close();
  return all;
}

const framesOf = ({ images }: PixelResult, role: Role): Buffer[] => {
  const { data, offsets } = images[role]!;
  return Array.from({ length: offsets.length - 1 }, (_, i) => Buffer.from(data.slice(offsets[i]!, offsets[i + 1]!)));
};

const raw = (count: number): RawBatch => ({
  kind: 'raw',
  buffer: Uint8Array.from({ length: count * 16 * 12 * 3 }, (_, i) => (i * 7) >> 3).buffer,
  ...{ offset: 0, count, width: 16, height: 12, channels: 3, layout: 'hwc' },
});

describe('an episode', () => {
  it.each([1, 2])('of pictures, a video and raw frames is coded in order by %i workers', async (workers) => {
    const video = await openClip('h264_open_long.mp4');
    const jpegs = ['droid_420_q90.jpg', 'grey.jpg'].map((name) => Uint8Array.from(readPixelFile(name)));
    const result = await code(
      {
        third: camera('front', video.stream(3, 140), 96, 64),
        third2: camera('side', { kind: 'memory', frames: jpegs }),
        wrist: camera(
          'hand',
          streamOf(
            5,
            () => raw(2),
            () => raw(3),
          ),
          16,
          12,
        ),
      },
      pool(workers),
    );
    const batches = await batchesOf(video.stream(3, 140));
    expect(batches.length).toBeGreaterThan(1);
    expect(framesOf(result, 'third')).toEqual(alone(batches));
    expect(framesOf(result, 'wrist')).toEqual(alone([raw(2), raw(3)]));
    const coder = openFrameCoder(OPTIONS);
    expect(framesOf(result, 'third2')).toEqual(jpegs.map((jpeg) => Buffer.from(coder.encode(jpeg))));
    coder.close();
    for (const role of ['third', 'third2', 'wrist'] as const)
      expect(result.hashes[role]).toHaveLength(framesOf(result, role).length);
  });

  it('cut into other batches has the same pictures', async () => {
    const video = await openClip('h264_open_long.mp4');
    const whole = framesOf(await code({ third: camera('front', video.stream(0, 150)) }, pool(1)), 'third');
    const parts = await Promise.all(
      [0, 50, 77].map(async (from, i) => batchesOf(video.stream(from, [50, 27, 73][i]!))),
    );
    expect(alone(parts.flat())).toEqual(whole);
  });
});

describe('a fault', () => {
  it('in coded frames names file, camera and step of the episode', async () => {
    const told = clip('h264_b.mp4');
    const [sound, damaged] = [clipBytes(told.file), clipBytes(told.file)];
    const index = await readVideoIndex(memoryFile('v', sound));
    // The key frame of the last of three groups: frame 16.
    const key = index.sampleOf[16]!;
    damaged.fill(0x5a, index.offset[key]! + 60, index.offset[key]! + index.size[key]!);
    const video = await openClip('videos/front.mp4', damaged);
    const first = await openClip('videos/front.mp4', sound);
    const two: Frames = {
      kind: 'stream',
      count: 48,
      async *batches() {
        yield* first.stream(0, 24).batches();
        yield* video.stream(0, 24).batches();
      },
    };
    const error = await failure(() => code({ third: camera('front', two) }, pool(2)));
    expect(error).toMatchObject({ code: 'bad-video', at: { file: 'videos/front.mp4', camera: 'front' } });
    // B frames come late: the decoder sees the damage before it has given out what is shown before.
    expect(error.at.step).toBeGreaterThanOrEqual(24 + 12);
    expect(error.at.step).toBeLessThanOrEqual(24 + 16);
    expect(error.message).toMatch(/^bad-video \(file videos\/front.mp4, camera front, step \d+\): expected .*, found /);
  });

  it('in reading names camera and the step at which the batch would begin', async () => {
    const unread = streamOf(
      9,
      () => raw(3),
      () => raw(2),
      () => {
        throw new PrepError({ code: 'bad-hdf5', at: { field: 'images' }, found: 'a chunk that cannot be read' });
      },
    );
    const error = await failure(() => code({ wrist: camera('hand', unread) }, pool(2)));
    expect(error).toMatchObject({ code: 'bad-hdf5', at: { field: 'images', camera: 'hand', step: 5 } });
  });

  it('in the size of frames names both sizes', async () => {
    const video = await openClip('h264_b.mp4');
    const error = await failure(() => code({ wrist: camera('hand', video.stream(0, 5), 64, 96) }, pool(1)));
    expect(error).toMatchObject({ code: 'image-size', at: { camera: 'hand', step: 0 } });
    expect(error.message).toMatch(/64x96.*96x64/);
  });

  it('in the number of frames names both numbers', async () => {
    const error = await failure(() =>
      code(
        {
          wrist: camera(
            'hand',
            streamOf(6, () => raw(5)),
          ),
        },
        pool(1),
      ),
    );
    expect(error.message).toMatch(/field-shape \(camera hand\): expected 6 frames, found 5/);
  });

  it('that is no fault of the data stays what it is, and the pool stays usable', async () => {
    const broken = streamOf(3, () => {
      throw new TypeError('a bug');
    });
    const one = pool(1);
    await expect(code({ wrist: camera('hand', broken) }, one)).rejects.toThrow(TypeError);
    expect(
      framesOf(
        await code(
          {
            wrist: camera(
              'hand',
              streamOf(2, () => raw(2)),
            ),
          },
          one,
        ),
        'wrist',
      ),
    ).toHaveLength(2);
  });
});
