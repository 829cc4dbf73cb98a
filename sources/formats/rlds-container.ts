/** A TFDS version folder as a container of episodes: one TFRecord file is one shard, one record one episode. */
import { createHash } from 'node:crypto';
import { PrepError } from '../../schemas/errors.ts';
import type { RldsRecord } from '../../schemas/records.ts';
import type { RldsLayout } from '../../schemas/spec.ts';
import type { ByteRoot } from '../bytes.ts';
import {
  type Container,
  type FoundEpisode,
  type KnownEpisode,
  placeDigest,
  type Shard,
  sourceChanged,
} from '../container.ts';
import { rldsRecord } from './rlds.ts';
import { openTfds, type TfdsDirectory } from './tfds.ts';
import { type RecordRead, readRecordAt, readRecords } from './tfrecord.ts';

/** A record is taken as at least this large (bytes) where no count says better. */
const RECORD_BYTES = 8 * 2 ** 20;

/** @throws PrepError `source-missing`, `bad-dataset-info` (damaged, or a container of another name), `missing-shard` */
export async function openRlds(
  root: ByteRoot,
  { containers }: RldsLayout,
  options: { readonly partial: boolean },
): Promise<Container<RldsRecord>> {
  const source = await openTfds(root, options);
  if (!containers.includes(source.name))
    throw new PrepError({
      code: 'bad-dataset-info',
      at: { file: root.uri },
      expected: `a container named ${containers.join(', ')}`,
      found: source.name,
      remedy: 'give the dataset that fits the folder (see `prep datasets`)',
    });
  const shards = shardsOf(source);
  return {
    format: 'rlds',
    name: source.name,
    version: source.version,
    splits: source.splits.map(({ name }) => name),
    shards,
    missing: source.partial?.missing ?? [],
    fields: source.paths,
    // Twice the mean of the shard with the largest mean.
    recordBytes: Math.max(RECORD_BYTES, ...shards.map((one) => (one.expected ? (2 * one.size) / one.expected : 0))),
    contiguous: true,
    episodes: (shard, recorded) => episodes(source, shard, recorded),
    again: (shard, known) => knownEpisodes(source, shard, known),
    close: async () => undefined,
  };
}

function shardsOf(source: TfdsDirectory): Shard[] {
  const all: Shard[] = [];
  for (const split of source.splits) {
    let first: number | null = 0;
    for (const { file, size, expected } of split.shards) {
      if (size !== null) all.push({ split: split.name, file, size, expected, first });
      first = first === null || expected === null ? null : first + expected;
    }
  }
  return all;
}

/** One record in memory at a time. */
async function* episodes(
  source: TfdsDirectory,
  shard: Shard,
  recorded: (offset: number, length: number) => boolean,
): AsyncGenerator<FoundEpisode<RldsRecord>> {
  const file = await source.root.open(shard.file);
  try {
    const options = {
      ...(shard.expected === null ? {} : { expected: shard.expected }),
      skip: (_: number, offset: number, length: number) => recorded(offset, length),
    };
    for await (const read of readRecords(file, options)) yield episodeOf(source, shard, read);
  } finally {
    await file.close();
  }
}

function episodeOf({ name, features }: TfdsDirectory, shard: Shard, read: RecordRead): FoundEpisode<RldsRecord> {
  const { record, offset, length } = read;
  const place = { split: shard.split, shard: shard.file, record, offset, length };
  const within = { container: name, split: shard.split, index: shard.first === null ? null : shard.first + record };
  if (read.kind === 'damaged') return { place, within, digest: placeDigest(place), record: read.error };
  const { data } = read;
  return { place, within, digest: digestOf(data), record: () => rldsRecord(data, features) };
}

async function* knownEpisodes(
  source: TfdsDirectory,
  shard: Shard,
  known: readonly KnownEpisode[],
): AsyncGenerator<FoundEpisode<RldsRecord>> {
  const file = await source.root.open(shard.file);
  try {
    for (const { place, digest } of known) {
      const found = episodeOf(source, shard, await readRecordAt(file, place));
      const same = found.record instanceof PrepError || found.digest === digest;
      yield same ? found : { ...found, record: sourceChanged(place, `bytes with sha-256 ${digest}`, found.digest) };
    }
  } finally {
    await file.close();
  }
}

const digestOf = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');
