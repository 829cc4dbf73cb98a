/** Episodes whose drawn steps have no rows yet: an index-only store, or one that was filled for another plan. */
import type { RecordBatch } from '../schemas/arrow.ts';
import type { RecordPlace } from '../schemas/episode.ts';
import { newestAttempts } from './planning.ts';
import { datasetTables, type LanceTable, openIfThere, type Store } from './store.ts';
import { type StoredEpisode, storedSteps } from './stored-steps.ts';

/** Which steps are drawn. */
export interface DrawnSteps {
  /** Of an episode, ascending; empty where none is. */
  of(episodeKey: bigint): Int32Array;
}

export interface LackingEpisode {
  readonly episode: string;
  readonly place: RecordPlace;
  readonly digest: string;
  /** Steps that are to have rows: the drawn ones, and those that have rows already. Ascending. */
  readonly steps: Int32Array;
  /** Drawn steps without a row. */
  readonly lacking: number;
}

const COLUMNS = [
  'episode',
  'episode_key',
  'length',
  'rows',
  'first_row',
  'group',
  'shard',
  'record',
  'source_digest',
  'attempt',
  'state',
];

/** Rows of the ledger that may lack step rows. */
const LACKING = "state = 'kept' AND `rows` < `length`";

/** Newest attempts of kept episodes that lack a drawn row, in table order; nothing where the store has no such dataset. */
export async function* lackingEpisodes(
  store: Store,
  dataset: string,
  drawn: DrawnSteps,
): AsyncGenerator<LackingEpisode> {
  const names = datasetTables(dataset);
  const [steps, ledger] = [await openIfThere(store, names.steps), await openIfThere(store, names.ledger)];
  try {
    if (!steps || !ledger) return;
    const newest = await newestAttempts(ledger);
    for await (const batch of ledger.query().where(LACKING).select(COLUMNS)) {
      const some = incomplete(batch, newest, drawn);
      const there = await storedSteps(
        steps,
        some.filter(({ rows }) => rows > 0),
      );
      for (const one of some) yield* lackingOf(one, there.get(one.episodeKey) ?? new Int32Array(0));
    }
  } finally {
    steps?.close();
    ledger?.close();
  }
}

interface Incomplete extends StoredEpisode, Pick<LackingEpisode, 'episode' | 'place' | 'digest'> {
  readonly drawn: Int32Array;
}

function incomplete(batch: RecordBatch, newest: ReadonlyMap<string, number>, drawn: DrawnSteps): Incomplete[] {
  const columns = new Map(COLUMNS.map((name) => [name, batch.getChild(name)!]));
  const value = (name: string, at: number) => columns.get(name)!.get(at);
  return Array.from({ length: batch.numRows }, (_, at) => at).flatMap((at) => {
    const [episode, attempt] = [value('episode', at) as string, value('attempt', at) as number];
    if ((newest.get(episode) ?? attempt) !== attempt) return [];
    const episodeKey = value('episode_key', at) as bigint;
    const wanted = drawn.of(episodeKey);
    if (wanted.length === 0) return [];
    return {
      episode,
      episodeKey,
      group: value('group', at),
      firstRow: value('first_row', at),
      rows: value('rows', at),
      place: { ...JSON.parse(value('record', at)), shard: value('shard', at) },
      digest: value('source_digest', at),
      drawn: wanted,
    };
  });
}

function* lackingOf({ episode, place, digest, drawn }: Incomplete, there: Int32Array): Generator<LackingEpisode> {
  const steps = there.length === 0 ? drawn : Int32Array.from(new Set([...there, ...drawn])).sort();
  const lacking = steps.length - there.length;
  if (lacking > 0) yield { episode, place, digest, steps, lacking };
}

/** True where a kept episode of the dataset has fewer rows than steps. */
export async function hasLacking(ledger: LanceTable): Promise<boolean> {
  return (await ledger.query().where(LACKING).limit(1).toArray()).length > 0;
}
