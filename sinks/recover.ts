/** Finishing or undoing what a part's former owners left behind. Every step may be done again. */
import type { Table } from '../schemas/arrow.ts';
import { insertLedger } from './ledger.ts';
import { type LogEntry, readPayload, unpackTable } from './part-log.ts';
import { openGroupOf } from './runs.ts';
import { type LanceTable, newest, quoted, retryConflicts } from './store.ts';

interface Recoverable {
  readonly steps: LanceTable;
  readonly tracks: LanceTable;
  readonly ledger: LanceTable;
  readonly parts: LanceTable;
}

/**
 * For every run in `unended`: its last commit reaches the ledger (the commit event decided it, the ledger rows are its
 * payload), and the rows of the group after it, which can no longer be committed, are deleted. Costs a scan of the `group`
 * column, and only where a run did not end by itself.
 */
export async function recoverRuns(tables: Recoverable, unended: readonly LogEntry[]): Promise<void> {
  const runs = [...new Set(unended.filter((entry) => entry.event === 'own').map((entry) => entry.run))];
  const open: bigint[] = [];
  for (const run of runs) {
    const last = unended.findLast((entry) => entry.event === 'commit' && entry.run === run);
    if (last) await replayCommit(tables, last);
    open.push(openGroupOf(run, last?.group ?? 0n));
  }
  if (open.length > 0) await deleteRows(tables, `group IN (${open.join(', ')})`);
}

async function replayCommit(tables: Recoverable, commit: LogEntry): Promise<void> {
  const rows = unpackTable(await readPayload(tables.parts, commit));
  const lost = await insertLedger(tables.ledger, rows, commit.group);
  if (lost.length > 0) await deleteEpisodes(tables, commit.group, lost);
  await dropOldTracks(tables.tracks, rows, commit.group);
}

/**
 * Deletes tracks of attempts that the ledger rows of `group` supersede (a later attempt has a later run, so a higher group:
 * doing this again late never touches one); superseded step rows wait for gc.
 */
export async function dropOldTracks(tracks: LanceTable, ledger: Table, group: bigint): Promise<void> {
  const attempts = ledger.getChild('attempt')!;
  const again = [...ledger.getChild('episode')!].filter((_, row) => attempts.get(row) > 1);
  if (again.length === 0) return;
  const filter = `group < ${group} AND episode IN (${again.map(quoted).join(', ')})`;
  await retryConflicts(async () => (await newest(tracks)).delete(filter));
}

/** Deletes the void rows of some episodes of a group. */
export function deleteEpisodes(tables: Recoverable, group: bigint, keys: readonly bigint[]): Promise<void> {
  return deleteRows(tables, `group = ${group} AND episode_key IN (${keys.join(', ')})`);
}

/** Deletes step and track rows. */
export async function deleteRows(tables: Pick<Recoverable, 'steps' | 'tracks'>, filter: string): Promise<void> {
  for (const table of [tables.steps, tables.tracks])
    await retryConflicts(async () => (await newest(table)).delete(filter));
}
