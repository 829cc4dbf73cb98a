/** The episodes of one part of a source, in source order, without those that are already recorded. */
import { PrepError } from '../schemas/errors.ts';
import type { Container, FoundEpisode, KnownEpisode, Shard } from '../sources/container.ts';

/** Shards of part `index` of `of`: every `of`-th of the whole list, so that all parts see every split. */
export function shardsOfPart({ shards }: Container, part: { index: number; of: number }): Shard[] {
  return shards.filter((_, i) => i % part.of === part.index);
}

/** Which part a shard belongs to. */
export function partOfShard({ shards }: Container, of: number): (file: string) => number {
  const parts = new Map(shards.map(({ file }, i) => [file, i % of]));
  return (file) => parts.get(file) ?? 0;
}

export interface RecordSelection {
  /** True for an episode that needs no reading. */
  recorded(split: string, file: string, offset: number, length: number): boolean;
  /** True when everything in the shard is recorded. */
  complete(shard: Shard): boolean;
  /** A shard that cannot be read on: what came before has been delivered, the other shards follow. */
  damaged(shard: Shard, error: PrepError): void;
}

/** Known episodes in source order; one that cannot be read any more is reported like a damaged shard, and the others follow. */
export async function* knownEpisodes(
  source: { container: Container; dataset: string },
  shards: readonly { readonly shard: Shard; readonly known: readonly KnownEpisode[] }[],
  damaged: RecordSelection['damaged'],
): AsyncGenerator<FoundEpisode> {
  for (const { shard, known } of shards) {
    const at = { dataset: source.dataset, shard: shard.file };
    try {
      for await (const found of source.container.again(shard, known))
        if (found.record instanceof PrepError)
          damaged(shard, found.record.within({ ...at, record: found.place.record }));
        else yield found;
    } catch (error) {
      if (!(error instanceof PrepError)) throw error;
      damaged(shard, error.within(at));
    }
  }
}

/** One episode in memory at a time. */
export async function* partEpisodes(
  source: { container: Container; dataset: string },
  shards: readonly Shard[],
  selection: RecordSelection,
): AsyncGenerator<FoundEpisode> {
  for (const shard of shards) {
    if (selection.complete(shard)) continue;
    try {
      yield* source.container.episodes(shard, (offset, length) =>
        selection.recorded(shard.split, shard.file, offset, length),
      );
    } catch (error) {
      if (!(error instanceof PrepError)) throw error;
      selection.damaged(shard, error.within({ dataset: source.dataset, shard: shard.file }));
    }
  }
}
