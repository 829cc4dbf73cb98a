/** The pictures of drawn frames as a graph takes them: RGB [frames, views, 256, 256, 3]. */
import type { Role } from '../../schemas/episode.ts';
import { PrepError } from '../../schemas/errors.ts';
import type { PlanRows } from '../mixed/plan-rows.ts';
import { PICTURE_BYTES, type PictureJob, type Pictures } from './picture-job.ts';
import { openThread, type Thread } from './thread.ts';

export interface DrawnFrames {
  readonly draws: readonly number[];
  readonly images: Uint8Array<ArrayBuffer>;
  /** views per frame */
  readonly imageHash: BigInt64Array;
}

export interface FrameSource {
  /** @param views that every one of the draws has. @throws PrepError `bad-image` with the place of the frame */
  read(draws: readonly number[], views: readonly Role[]): Promise<DrawnFrames>;
  close(): Promise<void>;
}

/** Pictures as the rows hold them, decoded by threads; each must have the hash that its row names. */
export function storedPictures(rows: PlanRows, workers: number): FrameSource {
  const threads = Array.from({ length: workers }, () => openThread<PictureJob, Pictures>('picture-worker', null));
  let turn = 0;
  const next = (): Thread<PictureJob, Pictures> => threads[turn++ % threads.length]!;
  return {
    async read(draws, views) {
      const drawn = await rows.pictures(draws, { images: true });
      const roles = rows.shape.roles;
      const slots = views.map((role) => roles.indexOf(role));
      const imageHash = BigInt64Array.from(
        draws.flatMap((_, i) => slots.map((slot) => drawn.imageHash[i * roles.length + slot]!)),
      );
      const jpegs = draws.flatMap((_, i) => views.map((role) => drawn.images[role]![i]!));
      const images = new Uint8Array(jpegs.length * PICTURE_BYTES);
      // As many jobs as threads: frames that are decoded together arrive together.
      const each = Math.ceil(jpegs.length / threads.length);
      const jobs = Array.from({ length: Math.ceil(jpegs.length / each) }, async (_, part) => {
        const first = part * each;
        const job = packed(jpegs.slice(first, first + each), imageHash.slice(first, first + each));
        const found = await next()
          .run(job, [job.data.buffer])
          .catch((error) => {
            throw placed(error, rows, (record) => ({
              draw: draws[Math.floor((first + record) / views.length)]!,
              role: views[(first + record) % views.length]!,
            }));
          });
        images.set(found, first * PICTURE_BYTES);
      });
      // All are waited for, and of several faults the first frame's is told: the same one in every run.
      for (const job of await Promise.allSettled(jobs)) if (job.status === 'rejected') throw job.reason;
      return { draws, images, imageHash };
    },
    close: async () => void (await Promise.all(threads.map((thread) => thread.close()))),
  };
}

function packed(jpegs: readonly Uint8Array[], hashes: BigInt64Array<ArrayBuffer>): PictureJob {
  const offsets = new Int32Array(jpegs.length + 1);
  for (const [i, { length }] of jpegs.entries()) offsets[i + 1] = offsets[i]! + length;
  const data = new Uint8Array(offsets[jpegs.length]!);
  for (const [i, jpeg] of jpegs.entries()) data.set(jpeg, offsets[i]!);
  return { data, offsets, hashes };
}

/** A fault of a thread, which numbers frames within its job, at the frame's own place. */
export function placed(
  error: unknown,
  rows: PlanRows,
  frameOf: (record: number) => { draw: number; role?: Role },
): unknown {
  if (!(error instanceof PrepError) || error.at.record === undefined) return error;
  const { record, ...at } = error.at;
  const { draw, role } = frameOf(record);
  const { dataset, episodeKey, step } = rows.place(draw);
  return new PrepError({
    ...error.fault,
    at: { dataset, episode: `with key ${episodeKey}`, ...(role === undefined ? {} : { camera: role }), step, ...at },
  });
}
