/** The records of one part of a source, in source order, without those that are already recorded. */
import { createHash } from 'node:crypto';
import { type Place, PrepError } from '../schemas/errors.ts';
import type { ByteRoot } from '../sources/bytes.ts';
import type { TfdsDirectory } from '../sources/formats/tfds.ts';
import { readRecords } from '../sources/formats/tfrecord.ts';
import type { Found } from './episode.ts';

export interface Shard {
  readonly split: string;
  readonly file: string;
  readonly size: number;
  /** Episodes that dataset_info.json announces; null if it says nothing. */
  readonly expected: number | null;
  /** Index within the split of the shard's first episode; null if an earlier shard's count is unknown. */
  readonly first: number | null;
}

export interface FoundRecord extends Found {
  /** The record's bytes, or the fault that makes it unreadable. */
  readonly data: Uint8Array | PrepError;
}

/** Shards of part `index` of `of`: every `of`-th of the whole list, so that all parts see every split. */
export function shardsOfPart(source: TfdsDirectory, part: { index: number; of: number }): Shard[] {
  return allShards(source).filter((_, i) => i % part.of === part.index);
}

/** Which part a shard belongs to. */
export function partOfShard(source: TfdsDirectory, of: number): (file: string) => number {
  const parts = new Map(allShards(source).map(({ file }, i) => [file, i % of]));
  return (file) => parts.get(file) ?? 0;
}

function allShards(source: TfdsDirectory): Shard[] {
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

export interface RecordSelection {
  /** True for a record that needs no reading. */
  recorded(split: string, file: string, offset: number, length: number): boolean;
  /** True when every byte of the shard is recorded. */
  complete(shard: Shard): boolean;
  /** A shard that cannot be read on: what came before has been delivered, the other shards follow. */
  damaged(shard: Shard, error: PrepError): void;
}

/** One record in memory at a time. */
export async function* partRecords(
  source: { root: ByteRoot; container: string; dataset: string },
  shards: readonly Shard[],
  selection: RecordSelection,
): AsyncGenerator<FoundRecord> {
  for (const shard of shards) {
    if (selection.complete(shard)) continue;
    try {
      yield* shardRecords(source, shard, selection);
    } catch (error) {
      if (!(error instanceof PrepError)) throw error;
      selection.damaged(shard, error.within({ dataset: source.dataset, shard: shard.file }));
    }
  }
}

async function* shardRecords(
  { root, container }: { root: ByteRoot; container: string },
  shard: Shard,
  selection: RecordSelection,
): AsyncGenerator<FoundRecord> {
  const file = await root.open(shard.file);
  try {
    const options = {
      ...(shard.expected === null ? {} : { expected: shard.expected }),
      skip: (_: number, offset: number, length: number) => selection.recorded(shard.split, shard.file, offset, length),
    };
    for await (const read of readRecords(file, options)) {
      const place = {
        split: shard.split,
        shard: shard.file,
        record: read.record,
        offset: read.offset,
        length: read.length,
      };
      const index = shard.first === null ? null : shard.first + read.record;
      const within = { container, split: shard.split, index };
      const data = read.kind === 'record' ? read.data : read.error;
      yield { place, within, data, digest: digestOf(data, place) };
    }
  } finally {
    await file.close();
  }
}

/** Bytes that cannot be read have no digest of their own: their place stands in. */
function digestOf(data: Uint8Array | PrepError, place: Place & { length: number }): string {
  const hash = createHash('sha256');
  if (data instanceof Uint8Array) hash.update(data);
  else hash.update(`damaged\0${place.shard}\0${place.offset}\0${place.length}`);
  return hash.digest('hex');
}
