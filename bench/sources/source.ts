/** The pictures of one made source (make.py) as a dataset file would get them. */
import { join } from 'node:path';
import type { SourcePictures } from '../../schemas/frames.ts';
import { openRoot } from '../../sources/bytes.ts';
import { openHdf5 } from '../../sources/formats/hdf5/file.ts';
import { openLerobot } from '../../sources/formats/lerobot/container.ts';

export const KINDS = ['av1', 'h264', 'hdf5', 'png'] as const;
export type Kind = (typeof KINDS)[number];

export const CAMERA = 'observation.images.front';
export const videoOf = (folder: string, kind: Kind): string =>
  join(folder, kind, 'videos', CAMERA, 'chunk-000', 'file-000.mp4');

export const hdf5Of = (folder: string): string => join(folder, 'raw.hdf5');

/** Runs `use` with the pictures of the only episode. */
export async function withPictures<T>(
  folder: string,
  kind: Kind,
  use: (pictures: SourcePictures) => Promise<T>,
): Promise<T> {
  if (kind === 'hdf5') {
    const file = await openHdf5(hdf5Of(folder), 'raw.hdf5');
    try {
      return await use(file.root.images('front'));
    } finally {
      file.close();
    }
  }
  const container = await openLerobot(await openRoot(join(folder, kind)), { format: 'lerobot', accepts: () => null });
  try {
    for await (const { record } of container.episodes(container.shards[0]!, () => false)) {
      if (typeof record !== 'function') throw record;
      return await use(record().images(CAMERA));
    }
    throw new Error(`${folder} holds no episode`);
  } finally {
    await container.close();
  }
}
