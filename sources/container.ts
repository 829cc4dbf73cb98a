/** A dataset on disk as the pipelines see it, whatever its format: shards of episodes, each with its bytes' place and digest. */
import { createHash } from 'node:crypto';
import type { Reading, RecordPlace } from '../schemas/episode.ts';
import { PrepError } from '../schemas/errors.ts';
import type { SourceRecord } from '../schemas/records.ts';
import type { EpisodePlace } from '../schemas/spec.ts';

/** What is read by one process from beginning to end: a TFRecord file, a Parquet file with its videos, an HDF5 file. */
export interface Shard {
  readonly split: string;
  /** Path relative to the root, unique within the split. */
  readonly file: string;
  /** Bytes, as far as they are known without opening it. */
  readonly size: number;
  /** Episodes that metadata announce; null if they say nothing. */
  readonly expected: number | null;
  /** Index within the split of the shard's first episode; null if an earlier shard's count is unknown. */
  readonly first: number | null;
}

/** What every ledger row needs, whatever becomes of the episode. */
export interface Found {
  readonly place: RecordPlace;
  readonly within: EpisodePlace;
  /** Hex sha-256 of the episode's bytes (of its place where they cannot be read). */
  readonly digest: string;
}

export interface FoundEpisode<Source extends SourceRecord = SourceRecord> extends Found {
  /** Opens the record, or the fault that makes the episode unreadable. Called once, synchronously. */
  readonly record: (() => Source) | PrepError;
  /** Bytes that were read of the source, where they are not the length of the place. */
  readonly bytes?: number;
  /** To be called when nothing of the record is needed any more, its frames included. */
  release?(): Promise<void>;
}

/** An episode that an earlier reading found. */
export interface KnownEpisode {
  readonly place: RecordPlace;
  readonly digest: string;
}

export interface Container<Source extends SourceRecord = SourceRecord> {
  readonly format: Source['format'];
  /** Of the container itself, e.g. `dataset_info.json`'s; '' where the format has none. */
  readonly name: string;
  readonly version: string;
  /** In source order: of two equal episodes the one of the earlier split stays. */
  readonly splits: readonly string[];
  /** All shards that are there, in source order; parts take every n-th. */
  readonly shards: readonly Shard[];
  /** Shards that metadata name and that are not there; empty, or the caller said that a part is enough. */
  readonly missing: readonly string[];
  /** Names of all declared fields, as far as they are known without reading an episode. */
  readonly fields: readonly string[];
  /** Bytes of the largest record in memory, without frames that are streamed (an estimate for the memory sum). */
  readonly recordBytes: number;
  /**
   * Episodes of one shard in order. `recorded` says of a place (offset and length as in `RecordPlace`) that it need not be
   * read. An episode that cannot be read is delivered as its fault; a shard that cannot be read on throws.
   */
  episodes(shard: Shard, recorded: (offset: number, length: number) => boolean): AsyncGenerator<FoundEpisode<Source>>;
  /**
   * Known episodes of one shard, in order; nothing else of it is read, and no byte twice. What would have to be read for its
   * digest alone is not: there the sizes of files must be as they were.
   * An episode that is no longer what it was is delivered as its fault (`source-changed`).
   */
  again(shard: Shard, known: readonly KnownEpisode[]): AsyncGenerator<FoundEpisode<Source>>;
  /** True where the byte lengths of a shard's places add up to its size, so that they prove it complete. */
  readonly contiguous: boolean;
  close(): Promise<void>;
}

/** What stands at a place is not what was found there before. */
export const sourceChanged = ({ shard, record, offset }: RecordPlace, expected: string, found: string): PrepError =>
  new PrepError({
    code: 'source-changed',
    at: { shard, record, offset },
    expected: `${expected}, as when it was ingested`,
    found,
    remedy: 'bring the source back as it was, or ingest the dataset again with --replace',
  });

/** For sources whose digest is not made again: the fault where the files that hold an episode have other sizes now. */
export function resized({ place }: KnownEpisode, now: Reading): PrepError | undefined {
  const { reading: then } = place;
  if (!then || (then.shard === now.shard && then.beside === now.beside)) return undefined;
  return sourceChanged(place, sizesOf(then), sizesOf(now));
}

const sizesOf = ({ shard, beside }: Reading): string => `${shard} bytes and ${beside} beside them`;

/** Bytes that cannot be read have no digest of their own: their place stands in. */
export const placeDigest = ({ shard, offset, length }: RecordPlace): string =>
  createHash('sha256').update(`damaged\0${shard}\0${offset}\0${length}`).digest('hex');
