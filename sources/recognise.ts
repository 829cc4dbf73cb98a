/** Which of the known datasets a source is: whose layout takes it, and whose dataset file can read an episode of it. */
import { PrepError } from '../schemas/errors.ts';
import type { SourceRecord } from '../schemas/records.ts';
import type { AnySpec, Meaning } from '../schemas/spec.ts';
import type { ByteRoot } from './bytes.ts';
import type { Described } from './describe/description.ts';
import { datasetNames, openDataset } from './index.ts';
import { openSource } from './open.ts';

/** Names of the datasets whose file reads the first episode without a complaint. */
export async function recognise(root: ByteRoot, { description }: Described): Promise<string[]> {
  const known: string[] = [];
  for (const name of datasetNames())
    for (const spec of await openDataset(name))
      if (spec.format === (description.format === 'hdf5' ? 'files' : description.format) && (await reads(root, spec)))
        known.push(name);
  return [...new Set(known)];
}

async function reads(root: ByteRoot, spec: AnySpec): Promise<boolean> {
  try {
    const { container } = await openSource([spec], root.uri, { partial: true });
    try {
      const meaning = spec as Meaning<SourceRecord>;
      for (const shard of container.shards.slice(0, 1))
        for await (const found of container.episodes(shard, () => false)) {
          try {
            if (found.record instanceof PrepError) return false;
            const record = found.record();
            meaning.identity(record, found.within);
            // A dataset file that finds no camera or no arm has not understood it.
            const { cameras, arms } = meaning.data(record);
            return cameras.length > 0 && arms.length > 0;
          } finally {
            await found.release?.();
          }
        }
      return false;
    } finally {
      await container.close();
    }
  } catch (error) {
    if (error instanceof PrepError) return false;
    throw error;
  }
}
