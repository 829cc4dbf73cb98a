/** Reading a store: always through the ledger, so that nothing uncommitted and nothing replaced is seen. */
import type { RecordBatch } from '../schemas/arrow.ts';
import type { StepColumns, Track } from '../schemas/episode.ts';
import { PrepError } from '../schemas/errors.ts';
import type { PrepMetadata } from '../schemas/row.ts';
import type { LedgerRow } from './arrow-rows.ts';
import { ledgerRows, stepColumnsOf, trackAt } from './decode.ts';
import { type PartState, partStates, readLog, readPayload } from './part-log.ts';
import { hasLiveOwner } from './parts.ts';
import { type RunRow, readRunRows } from './runs.ts';
import { attempt, connectStore, type LanceTable, openIfThere, tableNames } from './store.ts';
import { closeTables, openTablesThere, storedMetadata, type TablesThere } from './tables.ts';

export interface DatasetReader {
  readonly dataset: string;
  /** The `prep` object of the step table. */
  readonly metadata: PrepMetadata;
  /** The latest attempt of every episode, in the order of their ids. */
  ledger(): Promise<LedgerRow[]>;
  /** The newest kept attempt of each of these episodes. */
  episodes(keys: readonly bigint[]): Promise<LedgerRow[]>;
  /** Tracks of the given ledger rows, in their order; rows without a track are passed over. */
  tracks(rows: Iterable<LedgerRow>): AsyncGenerator<{ readonly row: LedgerRow; readonly track: Track }>;
  /** The step rows of an episode that are there, pictures included. Throws `store` if they are not what the ledger says. */
  episodeRows(row: LedgerRow): Promise<StepColumns>;
  close(): void;
}

/** Opens a dataset of a store. Throws `unknown-dataset` naming those that there are. */
export async function openDataset(uri: string, dataset: string): Promise<DatasetReader> {
  const tables = await openTablesThere(uri, dataset);
  const { steps, ledger, tracks } = tables;
  if (!steps || !ledger || !tracks) throw await unknownDataset(tables, dataset);
  const read = <T>(what: string, work: () => Promise<T>) => attempt(tables.store.uri, `read ${what}`, work);
  return {
    dataset,
    metadata: storedMetadata(await read('the schema', () => steps.schema())),
    ledger: () => read('the ledger', () => latestRows(ledger.query())),
    episodes: (keys) =>
      read('the ledger', () =>
        latestRows(ledger.query().where(`state = 'kept' AND episode_key IN (${keys.join(', ')})`)),
      ),
    tracks: (rows) => readTrackRows(tracks, rows),
    episodeRows: (row) => read(`episode ${row.entry.episode}`, () => rowsOf(steps, row)),
    close: () => closeTables(tables),
  };
}

async function unknownDataset(tables: TablesThere, dataset: string): Promise<PrepError> {
  const there = datasetNames(await tableNames(tables.store));
  closeTables(tables);
  return new PrepError({
    code: 'unknown-dataset',
    at: { store: tables.store.uri, dataset },
    expected: there.length > 0 ? `one of ${there.join(', ')}` : 'a dataset',
    found: there.length > 0 ? dataset : 'an empty store',
    remedy: '`prep ingest` makes one',
  });
}

async function latestRows(query: ReturnType<LanceTable['query']>): Promise<LedgerRow[]> {
  const latest = new Map<string, LedgerRow>();
  for await (const batch of query)
    for (const row of ledgerRows(batch)) {
      const before = latest.get(row.entry.episode);
      if (!before || before.attempt < row.attempt) latest.set(row.entry.episode, row);
    }
  return [...latest.values()].sort((a, b) => (a.entry.episode < b.entry.episode ? -1 : 1));
}

/** Tracks read at once: about 16 KB each at 250 steps, so some 4 MB. */
const TRACKS_PER_QUERY = 256;

async function* readTrackRows(tracks: LanceTable, rows: Iterable<LedgerRow>) {
  for (const some of chunks(rows, TRACKS_PER_QUERY)) {
    const keys = some.map((row) => row.entry.episodeKey).join(', ');
    const found = new Map<string, Track>();
    for await (const batch of tracks.query().where(`episode_key IN (${keys})`))
      for (let at = 0; at < batch.numRows; at++)
        found.set(`${batch.getChild('episode_key')!.get(at)}/${batch.getChild('group')!.get(at)}`, trackAt(batch, at));
    for (const row of some) {
      const track = found.get(`${row.entry.episodeKey}/${row.group}`);
      if (track) yield { row, track };
    }
  }
}

function* chunks<T>(items: Iterable<T>, size: number): Generator<T[]> {
  let chunk: T[] = [];
  for (const item of items) {
    chunk.push(item);
    if (chunk.length < size) continue;
    yield chunk;
    chunk = [];
  }
  if (chunk.length > 0) yield chunk;
}

/** By stable row ids; they come back sorted, which is step order, because an episode's ids are consecutive. */
async function rowsOf(steps: LanceTable, row: LedgerRow): Promise<StepColumns> {
  if (row.rows === 0)
    throw new PrepError({
      code: 'needs-pixels',
      at: { episode: row.entry.episode },
      found: 'an episode without step rows',
    });
  const ids = Array.from({ length: row.rows }, (_, step) => row.firstRow + BigInt(step));
  const batches: RecordBatch[] = [];
  for await (const batch of steps.takeRowIds(ids)) if (batch.numRows > 0) batches.push(batch);
  const found = batches.flatMap((batch) => stepsOf(batch, row));
  const partial = row.rows < row.entry.length;
  const fits = (step: number, index: number): boolean =>
    partial ? step > (found[index - 1] ?? -1) && step < row.entry.length : step === index;
  if (found.length === row.rows && found.every(fits))
    return { ...stepColumnsOf(batches), ...(partial ? { step: Int32Array.from(found) } : {}) };
  throw new PrepError({
    code: 'store',
    at: { episode: row.entry.episode },
    expected: `${row.rows} steps of group ${row.group} in order at row id ${row.firstRow}`,
    found: `${found.length} rows that fit`,
    remedy: 'the table was changed by something else; ingest the dataset again with --replace',
  });
}

function stepsOf(batch: RecordBatch, row: LedgerRow): number[] {
  const [step, key, group] = ['step', 'episode_key', 'group'].map((name) => batch.getChild(name)!);
  const all = Array.from({ length: batch.numRows }, (_, at) => at);
  const fits = (at: number) => key!.get(at) === row.entry.episodeKey && group!.get(at) === row.group;
  return all.filter(fits).map((at) => step!.get(at));
}

/** Runs `work` on an opened dataset and closes it. */
async function withDataset<T>(uri: string, dataset: string, work: (reader: DatasetReader) => Promise<T>): Promise<T> {
  const reader = await openDataset(uri, dataset);
  try {
    return await work(reader);
  } finally {
    reader.close();
  }
}

/** The latest attempt of every episode of a dataset. */
export const readLedger = (uri: string, dataset: string): Promise<LedgerRow[]> =>
  withDataset(uri, dataset, (reader) => reader.ledger());

const STEPS = '_steps';
const datasetNames = (names: readonly string[]): string[] =>
  names
    .filter((name) => name.endsWith(STEPS) && names.includes(`${name.slice(0, -STEPS.length)}_episodes`))
    .map((name) => name.slice(0, -STEPS.length));

/** Names of the datasets in a store, sorted. */
export async function listDatasets(uri: string): Promise<string[]> {
  const store = await connectStore(uri);
  const names = await attempt(store.uri, 'list the tables', () => tableNames(store));
  store.connection.close();
  return datasetNames(names).sort();
}

export interface PartStatus extends Omit<PartState, 'unended'> {
  readonly dataset: string;
  /** live: being written; dead: its process is gone without an `end`; otherwise how it ended. */
  readonly status: string;
}

/** Every part of a dataset (of all without one) and whether its owner lives. */
export async function readParts(uri: string, dataset?: string): Promise<PartStatus[]> {
  return withTable(uri, 'parts', [], async (parts) =>
    partStates(await readLog(parts, dataset)).map(({ unended: _, ...state }) => ({
      ...state,
      dataset: state.last.dataset,
      status: state.last.event === 'end' ? state.last.state : hasLiveOwner(state) ? 'live' : 'dead',
    })),
  );
}

export interface RunRecord extends RunRow {
  /** How it ended; '' while it runs or when it was killed. */
  readonly state: string;
  readonly endedMs: number | null;
  readonly summary: object | null;
}

/** Every run of a store with its end, oldest first. */
export async function readRuns(uri: string): Promise<RunRecord[]> {
  const runs = await withTable(uri, 'runs', [], readRunRows);
  return withTable(uri, 'parts', [], async (parts) => {
    const ends = new Map((await readLog(parts)).filter((one) => one.event === 'end').map((one) => [one.run, one]));
    const records: RunRecord[] = [];
    for (const run of runs) {
      const end = ends.get(run.run);
      const text = end ? new TextDecoder().decode(await readPayload(parts, end)) : '';
      records.push({
        ...run,
        state: end?.state ?? '',
        endedMs: end?.timeMs ?? null,
        summary: text ? JSON.parse(text) : null,
      });
    }
    return records;
  });
}

async function withTable<T>(uri: string, name: string, absent: T, work: (table: LanceTable) => Promise<T>): Promise<T> {
  const store = await connectStore(uri);
  const table = await openIfThere(store, name);
  try {
    return table ? await attempt(store.uri, `read ${name}`, () => work(table)) : absent;
  } finally {
    table?.close();
    store.connection.close();
  }
}
