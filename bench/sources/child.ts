/**
 * One way of one kind of source in a process of its own: node child.ts path|bare FOLDER KIND FRAMES.
 *   path   what an ingest does with a camera: read, decode, scale, encode, hash, join, by one worker
 *   bare   the same libraries in a loop over batches in memory: decode and scale; and, apart, encode
 * Prints one JSON line; CPU seconds are of the whole process, all threads, from a warm state on.
 */
import jpegTurbo from '@julusian/jpeg-turbo';
import type { Labelled } from '../../pipelines/episode.ts';
import { openPixelPool } from '../../pipelines/pixel-pool.ts';
import { codeEpisode } from '../../pipelines/pixels.ts';
import type { FrameBatch, FrameStream } from '../../schemas/frames.ts';
import type { TableShape } from '../../schemas/row.ts';
import { openFrameCoder } from '../../transforms/frames.ts';
import { type Kind, withPictures } from './source.ts';

const OPTIONS = { fit: { mode: 'letterbox', size: 256 }, quality: 95, subsampling: '4:4:4' } as const;

const [way, folder, kind, wanted] = process.argv.slice(2) as ['path' | 'bare', string, Kind, string];

/** CPU seconds of `frames` frames or a few more, after one warm round. `round` says how many it did. */
async function cost(frames: number, round: () => Promise<number> | number): Promise<{ frames: number; cpu: number }> {
  await round();
  const start = process.cpuUsage();
  let done = 0;
  while (done < frames) done += await round();
  const { user, system } = process.cpuUsage(start);
  return { frames: done, cpu: (user + system) / 1e6 };
}

async function path(): Promise<object> {
  const pool = openPixelPool({ workers: 1, ...OPTIONS });
  const shape = { roles: ['third'] } as unknown as TableShape;
  const round = (): Promise<number> =>
    withPictures(folder, kind, async (pictures) => {
      // As much of an episode as the pixel path looks at.
      const cameras = [{ name: 'front', ...pictures }];
      const labelled = { episode: { cameras }, cast: { roles: { third: { name: 'front' } } } } as unknown as Labelled;
      return (await codeEpisode(labelled, { shape, steps: undefined }, pool)).hashes.third!.length;
    });
  const spent = await cost(Number(wanted), round);
  await pool.close();
  return spent;
}

async function bare(): Promise<object> {
  const coder = openFrameCoder(OPTIONS);
  const batches: FrameBatch[] = [];
  await withPictures(folder, kind, async ({ frames }) => {
    for await (const batch of (frames as FrameStream).batches()) batches.push(batch);
  });
  const canvases: Buffer[] = [];
  const each = (use: (canvas: Buffer) => void): number => {
    let done = 0;
    for (const batch of batches)
      for (const canvas of coder.canvases(batch, {}, { width: 0, height: 0 })) {
        use(canvas);
        done++;
      }
    return done;
  };
  each((canvas) => canvases.push(Buffer.from(canvas)));
  const scaled = await cost(Number(wanted), () => each(() => undefined));
  const encoding = {
    ...{ format: jpegTurbo.FORMAT_RGB, width: OPTIONS.fit.size, height: OPTIONS.fit.size },
    ...{ quality: OPTIONS.quality, subsampling: jpegTurbo.SAMP_444 },
  };
  const out = Buffer.alloc(jpegTurbo.bufferSize(encoding));
  const encoded = await cost(Number(wanted), () => {
    for (const canvas of canvases) jpegTurbo.compressSync(canvas, out, encoding);
    return canvases.length;
  });
  coder.close();
  return { frames: scaled.frames, cpu: scaled.cpu, encode: (encoded.cpu / encoded.frames) * scaled.frames };
}

process.stdout.write(`${JSON.stringify(await (way === 'path' ? path() : bare()))}\n`);
