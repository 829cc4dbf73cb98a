/** Step rows by episode and step, in any order, each at most once read: through the ledger, so that only valid rows are seen. */
import type { RecordBatch } from '../schemas/arrow.ts';
import { PrepError } from '../schemas/errors.ts';
import type { PrepMetadata } from '../schemas/row.ts';
import { datasetTables, type LanceTable, openIfThere, type Store } from './store.ts';
import { placeIn, storedSteps } from './stored-steps.ts';
import { storedMetadata } from './tables.ts';

export interface Wanted {
  readonly episodeKey: bigint;
  readonly step: number;
}

/** What the ledger says of an episode, as far as rows need it. */
export interface EpisodeFacts {
  readonly firstRow: bigint;
  readonly group: bigint;
  readonly rows: number;
  /** The steps that have rows, ascending; null where all have. */
  readonly steps: Int32Array | null;
  readonly hz: number;
  readonly instructions: readonly string[];
}

/** One row: values are views into the batches that were read. */
export interface TakenRow {
  readonly batch: RecordBatch;
  readonly at: number;
  readonly episode: EpisodeFacts;
}

export interface StepTaker {
  readonly dataset: string;
  readonly metadata: PrepMetadata;
  /** Rows in the order asked, doubles allowed. @throws PrepError `stale-shard` for steps that the store no longer has */
  take(wanted: readonly Wanted[], columns: readonly string[]): Promise<TakenRow[]>;
  close(): void;
}

/** Columns that a check of the row itself needs. */
const OWN = ['episode_key', 'step', 'group'];

export async function openTaker(store: Store, dataset: string): Promise<StepTaker> {
  const names = datasetTables(dataset);
  const [steps, ledger] = [await openIfThere(store, names.steps), await openIfThere(store, names.ledger)];
  if (!steps || !ledger)
    throw new PrepError({
      code: 'unknown-dataset',
      at: { store: store.uri, dataset },
      expected: 'the dataset that the plan draws from',
      found: 'no such tables',
      remedy: 'ingest it again, or drop the plan',
    });
  const facts = new Map<bigint, EpisodeFacts>();
  return {
    dataset,
    metadata: storedMetadata(await steps.schema()),
    take: (wanted, columns) => takeRows({ dataset, steps, ledger, facts }, wanted, [...new Set([...columns, ...OWN])]),
    close() {
      steps.close();
      ledger.close();
    },
  };
}

interface Open {
  readonly dataset: string;
  readonly steps: LanceTable;
  readonly ledger: LanceTable;
  readonly facts: Map<bigint, EpisodeFacts>;
}

/** Episodes remembered; a plan of a million episodes would otherwise keep the whole ledger. */
const MOST_FACTS = 100_000;

async function takeRows(open: Open, wanted: readonly Wanted[], columns: readonly string[]): Promise<TakenRow[]> {
  if (wanted.length === 0) return [];
  await learn(open, new Set(wanted.map(({ episodeKey }) => episodeKey)));
  const ids = wanted.map(({ episodeKey, step }) => {
    const episode = open.facts.get(episodeKey);
    const place = !episode ? -1 : episode.steps ? placeIn(episode.steps, step) : step < episode.rows ? step : -1;
    if (!episode || place < 0) throw stale(open.dataset, episodeKey, step, episode);
    return episode.firstRow + BigInt(place);
  });
  const unique = [...new Set(ids)].sort((a, b) => (a < b ? -1 : 1));
  const found = new Map<bigint, { batch: RecordBatch; at: number }>();
  for await (const batch of open.steps
    .takeRowIds(unique)
    .select([...columns])
    .withRowId()) {
    const rowIds = batch.getChild('_rowid')!;
    for (let at = 0; at < batch.numRows; at++) found.set(BigInt(rowIds.get(at)), { batch, at });
  }
  return wanted.map(({ episodeKey, step }, i) => {
    const row = found.get(ids[i]!);
    const episode = open.facts.get(episodeKey)!;
    if (!row || !isRow(row, episodeKey, step, episode.group)) throw stale(open.dataset, episodeKey, step, episode);
    return { ...row, episode };
  });
}

const isRow = ({ batch, at }: { batch: RecordBatch; at: number }, key: bigint, step: number, group: bigint): boolean =>
  batch.getChild('episode_key')!.get(at) === key &&
  batch.getChild('step')!.get(at) === step &&
  batch.getChild('group')!.get(at) === group;

async function learn({ steps, ledger, facts }: Open, keys: ReadonlySet<bigint>): Promise<void> {
  if (facts.size > MOST_FACTS) facts.clear();
  const missing = [...keys].filter((key) => !facts.has(key));
  if (missing.length === 0) return;
  const newest = new Map<bigint, number>();
  const query = ledger
    .query()
    .where(`episode_key IN (${missing.join(', ')})`)
    .select(['episode_key', 'first_row', 'group', 'rows', 'length', 'hz', 'instructions', 'attempt', 'state']);
  const partial = new Map<bigint, EpisodeFacts>();
  for await (const batch of query)
    for (let at = 0; at < batch.numRows; at++) {
      const value = (name: string) => batch.getChild(name)!.get(at);
      const key = value('episode_key') as bigint;
      if (value('state') !== 'kept' || (newest.get(key) ?? 0) > value('attempt')) continue;
      newest.set(key, value('attempt'));
      const one = {
        firstRow: value('first_row'),
        group: value('group'),
        rows: value('rows'),
        steps: null,
        hz: value('hz'),
        instructions: [...value('instructions')],
      };
      facts.set(key, one);
      if (one.rows > 0 && one.rows < value('length')) partial.set(key, one);
      else partial.delete(key);
    }
  const named = [...partial].map(([episodeKey, one]) => ({ ...one, episodeKey }));
  for (const [key, list] of await storedSteps(steps, named)) facts.set(key, { ...partial.get(key)!, steps: list });
}

function stale(dataset: string, episodeKey: bigint, step: number, episode: EpisodeFacts | undefined): PrepError {
  // Of an episode with some rows, or none, this one was not made.
  const pixels = episode !== undefined && (episode.rows === 0 || episode.steps !== null);
  return new PrepError({
    code: pixels ? 'needs-pixels' : 'stale-shard',
    at: { dataset, step },
    expected: `the rows of the episode with key ${episodeKey}, which the plan draws`,
    found: pixels ? 'only its place in the index, or rows of other steps' : 'none that the ledger names',
    remedy: pixels
      ? '`prep ingest --plan ID` makes the drawn rows; where it set the episode aside, make a new plan'
      : 'make a new plan: the episode was removed from the store',
  });
}
