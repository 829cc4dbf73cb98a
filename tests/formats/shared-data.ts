/** Data sets beside the repository, which not every machine has: tests that need them are skipped, and say so. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe } from 'vitest';
import type { SourcePictures } from '../../schemas/frames.ts';
import type { RldsRecord } from '../../schemas/records.ts';
import { openRoot } from '../../sources/bytes.ts';
import { rldsRecord } from '../../sources/formats/rlds.ts';
import { openTfds } from '../../sources/formats/tfds.ts';
import { readRecords } from '../../sources/formats/tfrecord.ts';

export const sharedPath = (name: string): string =>
  fileURLToPath(new URL(`../../../shared/data/${name}`, import.meta.url));

/** The frames of a record that lies in memory. */
export function framesIn({ frames }: SourcePictures): readonly Uint8Array[] {
  if (frames.kind === 'memory') return frames.frames;
  throw new Error('frames that are not in memory');
}

/** `describe` where `../shared/data/<name>` is there, else a skipped one that names it. */
export function describeShared(name: string, body: () => void): void {
  const there = existsSync(sharedPath(name));
  describe.skipIf(!there)(there ? name : `${name} (skipped: no ../shared/data/${name})`, body);
}

/** Every readable episode of a folder in source order, with the shard's file name. */
export async function* episodesOf(path: string): AsyncGenerator<{ record: RldsRecord; split: string; file: string }> {
  const found = await openTfds(await openRoot(path), { partial: false });
  for (const split of found.splits)
    for (const shard of split.shards) {
      const file = await found.root.open(shard.file);
      try {
        for await (const read of readRecords(file, { expected: shard.expected })) {
          if (read.kind === 'damaged') throw read.error;
          yield { record: rldsRecord(read.data, found.features), split: split.name, file: shard.file };
        }
      } finally {
        await file.close();
      }
    }
}
