/**
 * One group: its step rows, its tracks, the `commit` event of its part (the commit point: it carries the ledger rows, so
 * that whoever comes next can finish), then the ledger rows themselves. Killed anywhere between, the group is either
 * finished or undone by the next owner of the part (recover.ts).
 */
import type { Table } from '../schemas/arrow.ts';
import type { EpisodeOutcome } from '../schemas/episode.ts';
import { PrepError } from '../schemas/errors.ts';
import type { TableShape } from '../schemas/row.ts';
import { type EpisodeRows, type LedgerRow, ledgerTable, stepTable, trackTable } from './arrow-rows.ts';
import { firstRowsAtEnd, firstRowsByScan } from './first-rows.ts';
import { insertLedger } from './ledger.ts';
import { inOneBatch } from './one-batch.ts';
import { packTable } from './part-log.ts';
import { logEvent, type OwnedPart } from './parts.ts';
import { deleteEpisodes, deleteRows, dropOldTracks } from './recover.ts';
import { type LanceTable, newest, retryConflicts } from './store.ts';
import type { Tables } from './tables.ts';

export interface Pending {
  readonly outcome: EpisodeOutcome;
  readonly attempt: number;
}

export interface GroupPlan {
  readonly shape: TableShape;
  readonly owned: OwnedPart;
  readonly group: bigint;
  readonly pending: readonly Pending[];
}

/** Commits a group and returns its number of step rows. Throws `part-owned` when another process took the part over. */
export async function writeGroup(tables: Tables, plan: GroupPlan): Promise<number> {
  const { group, pending } = plan;
  const episodes = pending.flatMap(({ outcome }) => rowsOf(outcome));
  const firstRows = await writeSteps(tables.steps, plan, episodes);
  const tracks = pending.flatMap(({ outcome }) => (outcome.track ? { ...keyOf(outcome), track: outcome.track } : []));
  if (tracks.length > 0) await append(tables.tracks, trackTable(group, tracks));
  const ledger = ledgerTable(pending.map((one) => ledgerRow(plan, one, firstRows)));
  try {
    await logEvent(tables.parts, plan.owned, { event: 'commit', group, payload: packTable(ledger) });
  } catch (cause) {
    if (cause instanceof PrepError && cause.code === 'part-owned') await deleteRows(tables, `group = ${group}`);
    throw cause;
  }
  const lost = await insertLedger(tables.ledger, ledger, group);
  if (lost.length > 0) await refuseLost(tables, plan, lost);
  await dropOldTracks(tables.tracks, ledger, group);
  return episodes.reduce((sum, episode) => sum + episode.rows.steps, 0);
}

const keyOf = ({ ledger }: EpisodeOutcome) => ({ episode: ledger.episode, episodeKey: ledger.episodeKey });
const rowsOf = (outcome: EpisodeOutcome): EpisodeRows[] =>
  outcome.rows ? [{ ...keyOf(outcome), rows: outcome.rows }] : [];

function ledgerRow(plan: GroupPlan, one: Pending, firstRows: ReadonlyMap<string, bigint>): LedgerRow {
  const entry = one.outcome.ledger;
  const rows = one.outcome.rows?.steps ?? 0;
  const firstRow = firstRows.get(entry.episode) ?? -1n;
  return { entry, rows, firstRow, group: plan.group, run: plan.owned.run, attempt: one.attempt };
}

/** `add` without the conflicts that Lance reports when others commit at the same moment. */
async function append(table: LanceTable, rows: Table): Promise<void> {
  await retryConflicts(async () => (await newest(table)).add(rows));
}

/** Unknown calibration is NaN, and these two columns are where it shows. */
const hasUnknown = ({ rows }: EpisodeRows): boolean =>
  [rows.camera, rows.proprio].some((column) => column.some(Number.isNaN));

/**
 * LanceDB's `add` refuses NaN in any list of floats (it takes them for search vectors) and its Node API has no switch for
 * it; an insert-only merge does not look. On `group`, which no row has yet, everything is inserted. It reads that one column
 * of the table (0.15 ms of processor a fragment), so groups without NaN go by `add`. A merge deals record batches out to
 * threads and collects what comes first: beyond 8192 rows it tears episodes apart, unless there is only one batch.
 */
async function appendUnknown(table: LanceTable, rows: Table): Promise<void> {
  const batch = inOneBatch(rows);
  await retryConflicts(async () => (await newest(table)).mergeInsert('group').whenNotMatchedInsertAll().execute(batch));
}

/** Adds the step rows; returns each episode's first stable row id. */
async function writeSteps(
  steps: LanceTable,
  plan: GroupPlan,
  episodes: readonly EpisodeRows[],
): Promise<Map<string, bigint>> {
  const filled = episodes.filter((episode) => episode.rows.steps > 0);
  if (filled.length === 0) return new Map();
  const rows = stepTable(plan.shape, plan.group, filled);
  await (filled.some(hasUnknown) ? appendUnknown(steps, rows) : append(steps, rows));
  return (await firstRowsAtEnd(steps, plan.group, filled)) ?? (await firstRowsByScan(steps, plan.group, filled));
}

/** Another part committed an episode of the same id: two records of the source claim one id. */
async function refuseLost(tables: Tables, plan: GroupPlan, lost: readonly bigint[]): Promise<never> {
  await deleteEpisodes(tables, plan.group, lost);
  const entry = plan.pending.find((one) => lost.includes(one.outcome.ledger.episodeKey))?.outcome.ledger;
  throw new PrepError({
    code: 'duplicate-id',
    at: { dataset: plan.shape.dataset, ...(entry ? { shard: entry.shard, episode: entry.episode } : {}) },
    expected: 'an episode id in one part of the source only',
    found: `${lost.length} that another part committed meanwhile`,
    remedy: 'run the same command again: it sees the other part’s episodes',
  });
}
