/** Some frames of a camera: the right ones, and less is read for them where the source allows it. */
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { FrameBatch, FrameStream, Frames } from '../../schemas/frames.ts';
import { pickFrames } from '../../schemas/pick-frames.ts';
import { openRoot } from '../../sources/bytes.ts';
import { openVideo } from '../../sources/formats/video.ts';
import { selectSteps } from '../../transforms/select-steps.ts';
import { openCounter, sums } from './counter.ts';

async function all(frames: Frames): Promise<FrameBatch[]> {
  const found: FrameBatch[] = [];
  if (frames.kind === 'stream') for await (const batch of frames.batches()) found.push(batch);
  return found;
}

/** Six frames of 1×1 in two batches, each its own number; `read` counts batches. */
function rawStream() {
  const read: number[] = [];
  const stream: FrameStream = {
    kind: 'stream',
    count: 6,
    async *batches() {
      for (const first of [0, 3]) {
        read.push(first);
        const { buffer } = Uint8Array.of(9, first, first + 1, first + 2);
        yield { kind: 'raw', buffer, offset: 1, count: 3, width: 1, height: 1, channels: 1, layout: 'hwc' };
      }
    },
  };
  return { stream, read };
}

describe('pickFrames', () => {
  it.each([[[0]], [[2, 3]], [[1, 4, 5]], [[0, 1, 2, 3, 4, 5]]])('%j of raw frames', async (wanted) => {
    const batches = await all(pickFrames(rawStream().stream, Int32Array.from(wanted)));
    const values = batches.flatMap((one) =>
      one.kind === 'raw' ? [...new Uint8Array(one.buffer, one.offset, one.count)] : [],
    );
    expect(values).toEqual(wanted);
  });

  it('stops reading behind the last one', async () => {
    const { stream, read } = rawStream();
    await all(pickFrames(stream, [1]));
    expect(read).toEqual([0]);
  });

  it('pictures in memory and in batches stay views', async () => {
    const frames = [1, 2, 3].map((value) => Uint8Array.of(value));
    expect(pickFrames({ kind: 'memory', frames }, [0, 2])).toEqual({ kind: 'memory', frames: [frames[0], frames[2]] });
    const { buffer } = Uint8Array.of(1, 2, 3);
    const spans = [0, 1, 2].map((offset) => ({ offset, length: 1 }));
    const stream: FrameStream = {
      kind: 'stream',
      count: 3,
      async *batches() {
        yield { kind: 'pictures', buffer, spans };
      },
    };
    expect(await all(pickFrames(stream, [1]))).toEqual([{ kind: 'pictures', buffer, spans: [spans[1]] }]);
  });
});

it('of a video only the groups that hold them are read', async () => {
  const folder = fileURLToPath(
    new URL('../../fixtures/datasets/droid_lerobot/videos/observation.images.wrist_left/chunk-000', import.meta.url),
  );
  const bytesFor = async (wanted: readonly number[] | null) => {
    const counter = openCounter();
    const file = await counter.through(await openRoot(folder)).open('file-000.mp4');
    const video = await openVideo(file);
    const index = sums(counter).total;
    const stream = video.stream(0, video.frames);
    const batches = await all(wanted ? pickFrames(stream, wanted) : stream);
    const ranks = batches.flatMap((one) => (one.kind === 'video' ? one.wanted : []));
    await file.close();
    return { ranks, bytes: sums(counter).total - index, again: sums(counter).again, whole: file.size };
  };
  const everything = await bytesFor(null);
  const last = everything.ranks.length - 1;
  const some = await bytesFor([0, last]);
  expect(some).toMatchObject({ ranks: [0, last], again: 0 });
  expect(some.bytes).toBeLessThan(everything.bytes / 2);
});

it('selectSteps takes whole steps of every column', () => {
  const columns = { a: Float32Array.of(0, 1, 10, 11, 20, 21), b: ['x', 'y', 'z'], c: BigInt64Array.of(1n, 2n, 3n) };
  expect(selectSteps(columns, Int32Array.of(0, 2), 3)).toEqual({
    a: Float32Array.of(0, 1, 20, 21),
    b: ['x', 'z'],
    c: BigInt64Array.of(1n, 3n),
  });
});
