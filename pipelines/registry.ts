/** What is known of the other episodes of a dataset while one is judged: ids, contents, exclusions, what to redo. */
import { readFileSync } from 'node:fs';
import type { RecordPlace } from '../schemas/episode.ts';
import { type Code, PrepError } from '../schemas/errors.ts';
import { episodeFingerprint } from '../schemas/options.ts';
import { type LedgerView, placeKey, type RecordedEpisode } from '../sinks/sink.ts';
import type { Found, Shard } from '../sources/container.ts';
import { factsOf, type Registry } from './episode.ts';
import type { RecordSelection } from './records.ts';
import type { Table } from './table.ts';

/** Episode id → reason, from `--exclude FILE`: one id per line, optionally a tab and the reason; `#` at the start or after a space starts a comment. */
export function readExclusions(file: string): Map<string, string> {
  const excluded = new Map<string, string>();
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new PrepError({
      code: 'bad-option',
      at: { field: '--exclude', file },
      expected: 'a readable file',
      found: String(cause),
      cause,
    });
  }
  for (const line of text.split(/\r?\n/)) {
    const [id, ...reason] = line
      .replace(/(^|\s)#.*/, '')
      .trim()
      .split('\t');
    if (id) excluded.set(canonical(id), reason.join(' ').trim() || `listed in ${file.split('/').at(-1)}`);
  }
  return excluded;
}

const canonical = (id: string): string => id.replaceAll(':', '_');
const keyOf = (place: RecordPlace): string => placeKey(place.split, place.shard, place.offset);

/** Order of two places in the source; the first of two equal episodes is the one that stays. */
export function sourceOrder(splits: readonly string[]): (a: RecordPlace, b: RecordPlace) => number {
  return (a, b) =>
    splits.indexOf(a.split) - splits.indexOf(b.split) ||
    (a.shard < b.shard ? -1 : a.shard > b.shard ? 1 : a.offset - b.offset);
}

export interface EpisodeRegistry extends Registry {
  /** To be called for every episode that is kept. */
  keep(episode: string, found: Found): void;
}

export function openRegistry(
  recorded: LedgerView,
  { excluded, splits }: { excluded: ReadonlyMap<string, string>; splits: readonly string[] },
): EpisodeRegistry {
  const ids = new Map<string, string>();
  const contents = new Map<string, { episode: string; place: RecordPlace }>();
  const before = sourceOrder(splits);
  for (const { episode, place, state, digest } of recorded.all()) {
    ids.set(episode, keyOf(place));
    const other = contents.get(digest);
    if (state === 'kept' && (!other || before(place, other.place) < 0)) contents.set(digest, { episode, place });
  }
  return {
    excluded: ({ id, sourceId }) => excluded.get(id) ?? excluded.get(canonical(sourceId)),
    uniqueId(id, { place }) {
      const holder = ids.get(id);
      const free = holder === undefined || holder === keyOf(place);
      const own = free ? id : `${id}@${place.split}/${place.shard}#${place.record}`;
      ids.set(own, keyOf(place));
      return { id: own, clash: free ? undefined : `${id} (${holder})` };
    },
    duplicateOf({ digest, place }) {
      const other = contents.get(digest);
      return other && before(other.place, place) < 0 ? other.episode : undefined;
    },
    keep(episode, { digest, place }) {
      contents.set(digest, { episode, place });
    },
  };
}

/** Which recorded episodes stay as they are; the others are read again. */
export function selectRecords(
  recorded: LedgerView,
  {
    contiguous,
    changed = () => false,
    ...settling
  }: Settling & { readonly contiguous: boolean; changed?(file: string): boolean },
): Pick<RecordSelection, 'recorded' | 'complete'> & { readonly redo: number; unchanged(found: Found): boolean } {
  const filled = new Map<string, { bytes: number; records: number }>();
  const settled = new Map<string, number>();
  const digests = new Map<string, string>();
  let redo = 0;
  for (const one of recorded.all()) {
    // A file that looks different may hold the same: that shows when it is read.
    if (changed(one.place.shard)) {
      if (isSettled(one, settling)) digests.set(keyOf(one.place), one.digest);
      redo++;
    } else if (isSettled(one, settling)) {
      const shard = `${one.place.split}/${one.place.shard}`;
      const { bytes, records } = filled.get(shard) ?? { bytes: 0, records: 0 };
      filled.set(shard, { bytes: bytes + one.place.length, records: records + 1 });
      settled.set(keyOf(one.place), one.place.length);
    } else redo++;
  }
  return {
    redo,
    unchanged: ({ place, digest }) => digests.get(keyOf(place)) === digest,
    recorded: (split, file, offset, length) => settled.get(placeKey(split, file, offset)) === length,
    // Records that lie end to end prove a shard complete when the recorded ones fill it, and are as many as announced: one
    // that ends early at a record's end is opened again, for its fault must not be forgotten. Elsewhere only the count tells,
    // so the shard is asked again, which opens no episode that is recorded.
    complete: ({ split, file, size, expected }: Shard) => {
      const { bytes, records } = filled.get(`${split}/${file}`) ?? { bytes: 0, records: 0 };
      return contiguous && bytes === size && size > 0 && (expected === null || records === expected);
    },
  };
}

interface Settling {
  readonly table: Table;
  readonly retry: ReadonlySet<Code>;
  readonly excluded: ReadonlyMap<string, string>;
  /** True: an episode without step rows is as good as one with all of them. */
  readonly indexOnly: boolean;
}

function isSettled(one: RecordedEpisode, { table, retry, excluded, indexOnly }: Settling): boolean {
  if (one.reason !== '' && retry.has(one.reason)) return false;
  if (!indexOnly && one.state === 'kept' && one.rows < one.length) return false;
  const listed = excluded.has(one.episode) || excluded.has(canonical(one.sourceId));
  if (listed && one.reason !== 'excluded') return false;
  const facts = factsOf(table, { id: one.episode, sourceId: one.sourceId });
  // Other side-file entries than at that time: a new revision of this episode alone.
  return one.fingerprint === episodeFingerprint(table.shape.metadata.fingerprint, one.digest, facts.digest);
}
