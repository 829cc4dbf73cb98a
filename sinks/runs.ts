/** Runs: lineage (command, options, versions), and the numbers from which group ids are made. */
import type { Table } from '../schemas/arrow.ts';
import { PrepError } from '../schemas/errors.ts';
import { runSchema } from '../schemas/ledger-row.ts';
import * as column from './columns.ts';
import { insertAbsent, type LanceTable } from './store.ts';

export interface RunLabel {
  readonly command: string;
  readonly options: object;
  readonly versions: object;
}

export interface RunRow extends RunLabel {
  readonly run: string;
  readonly number: number;
  readonly dataset: string;
  readonly part: number;
  readonly of: number;
  readonly startedMs: number;
}

/**
 * Group ids: run number · 10⁶ + counter. Run numbers are unique in the store by compare-and-swap, so groups are too, and
 * the one group that a dead run may have left open is known without writing that it was opened: its last committed + 1.
 */
const GROUPS_PER_RUN = 1_000_000n;
const runNumber = (run: string): bigint => BigInt(run.slice(1));

export function groupId(run: string, counter: number): bigint {
  if (counter >= Number(GROUPS_PER_RUN))
    throw new PrepError({ code: 'store', expected: 'fewer than 10^6 groups in a run', found: String(counter) });
  return runNumber(run) * GROUPS_PER_RUN + BigInt(counter);
}

/** The group that `run` may have open, given the last group it committed (0: none). */
export const openGroupOf = (run: string, lastCommitted: bigint): bigint =>
  lastCommitted > 0n ? lastCommitted + 1n : groupId(run, 1);

/** The number of the run that a group belongs to. */
export const runOfGroup = (group: bigint): bigint => group / GROUPS_PER_RUN;

/** Times to try for the next free run number; each loss means that another run was opened at the same moment. */
const ATTEMPTS = 100;

/** Takes the next free run number of the store. */
export async function openRun(table: LanceTable, row: Omit<RunRow, 'run' | 'number' | 'startedMs'>): Promise<RunRow> {
  for (let round = 0; round < ATTEMPTS; round++) {
    const number = (await lastRunNumber(table)) + 1;
    const run: RunRow = { ...row, number, run: `r${String(number).padStart(6, '0')}`, startedMs: Date.now() };
    if ((await insertAbsent(table, 'run', runTable(run))) === 1) return run;
  }
  throw new PrepError({ code: 'store', expected: 'a free run number', found: `${ATTEMPTS} numbers taken by others` });
}

export async function lastRunNumber(table: LanceTable): Promise<number> {
  await table.checkoutLatest();
  const rows = await table.query().select(['number']).toArray();
  return rows.reduce((most, row) => Math.max(most, Number(row.number)), 0);
}

function runTable(run: RunRow): Table {
  return column.tableOf(runSchema(), [
    [
      column.texts([run.run]),
      column.int64s([BigInt(run.number)]),
      column.texts([run.dataset]),
      column.int32s([run.part]),
      column.int32s([run.of]),
      column.texts([run.command]),
      column.texts([JSON.stringify(run.options)]),
      column.texts([JSON.stringify(run.versions)]),
      column.float64s([run.startedMs]),
    ],
  ]);
}

/** Every run of the store, in the order of their numbers. */
export async function readRunRows(table: LanceTable): Promise<RunRow[]> {
  await table.checkoutLatest();
  const rows = await table.query().toArray();
  const runs = rows.map(
    (row): RunRow => ({
      run: row.run,
      number: Number(row.number),
      dataset: row.dataset,
      part: row.part,
      of: row.of,
      command: row.command,
      options: JSON.parse(row.options),
      versions: JSON.parse(row.versions),
      startedMs: row.started_ms,
    }),
  );
  return runs.sort((a, b) => a.number - b.number);
}
