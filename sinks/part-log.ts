/**
 * The log of a part: `own`, `commit` and `end` events with consecutive numbers, each appended by compare-and-swap on
 * (part, number). It is the only fence of the commit protocol. A process that was overtaken, however long it slept and
 * wherever it woke up, finds its next number taken, and so can neither commit a group nor open another.
 */
import { gunzipSync, gzipSync } from 'node:zlib';
import { arrow, type Table } from '../schemas/arrow.ts';
import { PrepError } from '../schemas/errors.ts';
import { partSchema } from '../schemas/ledger-row.ts';
import * as column from './columns.ts';
import type { ProcessMark } from './process.ts';
import { insertAbsent, type LanceTable, quoted } from './store.ts';

export type PartEvent = 'own' | 'commit' | 'end';

export interface LogEntry extends ProcessMark {
  readonly dataset: string;
  readonly part: number;
  readonly of: number;
  readonly seq: number;
  readonly event: PartEvent;
  readonly run: string;
  /** The committed group, 0 for the other events. */
  readonly group: bigint;
  readonly timeMs: number;
  /** Of an `end`: done, interrupted, failed or superseded. Of an `own`: recovered once what predecessors left is put right. */
  readonly state: string;
}

export const partName = (part: { part: number; of: number }): string => `${part.part}of${part.of}`;

const entryKey = (entry: Pick<LogEntry, 'dataset' | 'part' | 'of' | 'seq'>): string =>
  `${entry.dataset}/${partName(entry)}#${String(entry.seq).padStart(9, '0')}`;

/**
 * Appends one event. False: the number is taken by another process, so this one no longer owns the part. A write whose
 * answer was lost (network) counts as ours if the row that is there is ours.
 */
export async function appendEntry(table: LanceTable, entry: LogEntry, payload: Uint8Array): Promise<boolean> {
  if ((await insertAbsent(table, 'key', entryTable(entry, payload))) === 1) return true;
  const [there] = await readEntries(table, `key = ${quoted(entryKey(entry))}`);
  return there?.run === entry.run && there.event === entry.event && there.group === entry.group;
}

function entryTable(entry: LogEntry, payload: Uint8Array): Table {
  return column.tableOf(partSchema(), [
    [
      column.texts([entryKey(entry)]),
      column.texts([entry.dataset]),
      column.int32s([entry.part]),
      column.int32s([entry.of]),
      column.int32s([entry.seq]),
      column.texts([entry.event]),
      column.texts([entry.run]),
      column.int64s([entry.group]),
      column.float64s([entry.timeMs]),
      column.texts([entry.host]),
      column.int32s([entry.pid]),
      column.texts([entry.processStart]),
      column.texts([entry.state]),
      column.binaries(payload, Int32Array.of(0, payload.length)),
    ],
  ]);
}

const ENTRY_COLUMNS = partSchema()
  .fields.map((field) => field.name)
  .filter((name) => name !== 'payload');

/** Every event of a dataset's parts (of all datasets without one), by part and number, without payloads. */
export async function readLog(table: LanceTable, dataset?: string): Promise<LogEntry[]> {
  await table.checkoutLatest();
  return readEntries(table, dataset === undefined ? undefined : `dataset = ${quoted(dataset)}`);
}

async function readEntries(table: LanceTable, filter: string | undefined): Promise<LogEntry[]> {
  const query = table.query().select(ENTRY_COLUMNS);
  const rows = await (filter === undefined ? query : query.where(filter)).toArray();
  const entries = rows.map(
    (row): LogEntry => ({
      dataset: row.dataset,
      part: row.part,
      of: row.of,
      seq: row.seq,
      event: row.event,
      run: row.run,
      group: BigInt(row.group),
      timeMs: row.time_ms,
      host: row.host,
      pid: row.pid,
      processStart: row.process_start,
      state: row.state,
    }),
  );
  const order = (entry: LogEntry) => `${entry.dataset}\0${entry.of}\0${entry.part}`;
  return entries.sort((a, b) => (order(a) < order(b) ? -1 : order(a) > order(b) ? 1 : a.seq - b.seq));
}

/** Payload of one event: gzipped Arrow IPC of a commit, JSON of an end. */
export async function readPayload(table: LanceTable, entry: LogEntry): Promise<Uint8Array> {
  const rows = await table
    .query()
    .where(`key = ${quoted(entryKey(entry))}`)
    .select(['payload'])
    .toArray();
  if (rows.length !== 1)
    throw new PrepError({ code: 'store', expected: `one event ${entryKey(entry)}`, found: String(rows.length) });
  return rows[0].payload;
}

export const packTable = (table: Table): Uint8Array => gzipSync(arrow.tableToIPC(table, 'stream'), { level: 6 });
export const unpackTable = (packed: Uint8Array): Table => arrow.tableFromIPC(gunzipSync(packed));

/** The last event of every part of the log, the last `own` with it, and the events since the part last ended well. */
export interface PartState {
  readonly dataset: string;
  readonly part: number;
  readonly of: number;
  readonly last: LogEntry;
  readonly owner: LogEntry;
  /** Events since the part last was whole: the runs in them may have left an open group or an unwritten ledger behind. */
  readonly unended: readonly LogEntry[];
}

export function partStates(log: readonly LogEntry[]): PartState[] {
  const parts = new Map<string, LogEntry[]>();
  for (const entry of log) {
    const name = `${entry.dataset}/${partName(entry)}`;
    const entries = parts.get(name);
    if (entries) entries.push(entry);
    else parts.set(name, [entry]);
  }
  return [...parts.values()].map((entries) => {
    const last = entries.at(-1)!;
    const owner = entries.findLast((entry) => entry.event === 'own')!;
    const ended = entries.findLastIndex((entry) => entry.event === 'end');
    const recovered = entries.findLastIndex((entry) => entry.event === 'own' && entry.state === 'recovered');
    const unended = entries.slice(Math.max(ended + 1, recovered));
    return { dataset: last.dataset, part: last.part, of: last.of, last, owner, unended };
  });
}
