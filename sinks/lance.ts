/** The Lance sink: buffers outcomes, commits them in groups, keeps its memory and commit time flat. */
import type { EpisodeOutcome } from '../schemas/episode.ts';
import { PrepError } from '../schemas/errors.ts';
import type { TableShape } from '../schemas/row.ts';
import { type Pending, writeGroup } from './commit.ts';
import { newGuard, outcomeBytes } from './guard.ts';
import { loadLedger } from './ledger.ts';
import { partStates, readLog } from './part-log.ts';
import { claimOtherCounts, logEvent, type OwnedPart, openPart, type PartRequest, runsOpenHere } from './parts.ts';
import { recoverRuns } from './recover.ts';
import { groupId, openRun, type RunLabel } from './runs.ts';
import type { Sink, SinkEnd } from './sink.ts';
import { attempt, newest, retryConflicts } from './store.ts';
import { closeTables, openTables, type Tables } from './tables.ts';

export interface LanceSinkOptions {
  readonly store: string;
  readonly shape: TableShape;
  readonly part: { readonly index: number; readonly of: number };
  readonly run: RunLabel;
  /** Bytes that are buffered before a group is written. */
  readonly groupBytes?: number;
  /** Age of the oldest buffered outcome at which the next `add` commits. */
  readonly groupSeconds?: number;
  /** Take the part from an owner that looks alive, and end unfinished parts of another n. */
  readonly takeOver?: boolean;
}

export const GROUP_BYTES = 64e6;
export const GROUP_SECONDS = 60;

/** Commits after which connection and tables are opened anew: a long-lived writer keeps memory of every version it saw. */
const REOPEN_COMMITS = 64;
/** Versions younger than this stay when pruning, for readers and writers that stand on them. */
export const KEEP_VERSIONS_MS = 10 * 60_000;

/**
 * Opens a dataset's tables for one part: refuses other options (`fingerprint`), a live owner (`part-owned`), parts of
 * another n (`part-count`); recovers what former owners left; loads the ledger's keys. Throws `store` when a write fails.
 */
export async function openLanceSink(options: LanceSinkOptions): Promise<Sink> {
  const tables = await openTables(options.store, options.shape);
  try {
    const owned = await takePart(tables, options);
    await attempt(tables.store.uri, 'recover what an earlier run left', () => recoverPart(tables, owned));
    return await sinkOver(tables, owned, options);
  } catch (cause) {
    closeTables(tables);
    throw cause;
  }
}

/** The closing event spares the next owner from doing this again. */
async function recoverPart(tables: Tables, owned: OwnedPart): Promise<void> {
  if (owned.unended.length === 0) return;
  await recoverRuns(tables, owned.unended);
  await logEvent(tables.parts, owned, { event: 'own', state: 'recovered' });
}

async function takePart(tables: Tables, options: LanceSinkOptions): Promise<OwnedPart> {
  const { dataset } = options.shape;
  const { index: part, of } = options.part;
  const newRun = async (of: { part: number; of: number }, label = options.run) =>
    (await openRun(tables.runs, { ...label, dataset, part: of.part, of: of.of })).run;
  const takeOver = options.takeOver ?? false;
  return attempt(tables.store.uri, `open part ${part}of${of}`, async () => {
    const request: PartRequest = { dataset, part, of, takeOver, run: await newRun({ part, of }) };
    for (const other of await claimOtherCounts(tables.parts, request, newRun)) {
      await recoverRuns(tables, other.unended);
      await logEvent(tables.parts, other, { event: 'end', state: 'superseded' });
    }
    return openPart(tables.parts, request);
  });
}

/** What changes while a sink is open. */
interface Progress {
  tables: Tables;
  pending: Pending[];
  bytes: number;
  since: number;
  broken: unknown;
  groups: number;
  bytesWritten: number;
  rows: number;
}

async function sinkOver(tables: Tables, owned: OwnedPart, options: LanceSinkOptions): Promise<Sink> {
  const { groupBytes = GROUP_BYTES, groupSeconds = GROUP_SECONDS } = options;
  const { view, keys } = await attempt(tables.store.uri, 'read the ledger', () => loadLedger(tables.ledger));
  const guard = newGuard(view, keys);
  const now: Progress = {
    tables,
    pending: [],
    bytes: 0,
    since: 0,
    broken: null,
    groups: 0,
    bytesWritten: 0,
    rows: 0,
  };
  const commit = () => commitPending(now, owned, options);
  return {
    recorded: view,
    async add(outcome: EpisodeOutcome) {
      refuseBroken(now);
      if (now.pending.length === 0) now.since = performance.now();
      now.pending.push({ outcome, attempt: guard.attemptOf(outcome) });
      now.bytes += outcomeBytes(outcome);
      if (now.bytes >= groupBytes || performance.now() - now.since >= groupSeconds * 1000) await commit();
    },
    commit,
    close: (end) => closeSink(now, owned, end, commit),
    get stats() {
      return { groups: now.groups, bytesWritten: now.bytesWritten, rows: now.rows };
    },
  };
}

function refuseBroken(now: Progress): void {
  if (now.broken === null) return;
  throw new PrepError({
    code: 'store',
    found: 'a sink whose last commit failed; nothing more is accepted',
    cause: now.broken,
  });
}

async function commitPending(now: Progress, owned: OwnedPart, options: LanceSinkOptions): Promise<void> {
  refuseBroken(now);
  const { pending, bytes } = now;
  if (pending.length === 0) return;
  now.pending = [];
  now.bytes = 0;
  const group = groupId(owned.run, now.groups + 1);
  try {
    now.rows += await attempt(now.tables.store.uri, `commit group ${group}`, () =>
      writeGroup(now.tables, { shape: options.shape, owned, group, pending }),
    );
    now.groups++;
    now.bytesWritten += bytes;
    if (now.groups % REOPEN_COMMITS === 0) await reopen(now, owned, options);
  } catch (cause) {
    now.broken = cause;
    throw cause;
  }
}

/** One owner, part 0, also merges the fragments of the two small tables that are searched at each commit. */
async function reopen(now: Progress, owned: OwnedPart, options: LanceSinkOptions): Promise<void> {
  const cleanupOlderThan = new Date(Date.now() - KEEP_VERSIONS_MS);
  if (owned.part === 0)
    for (const table of [now.tables.ledger, now.tables.parts])
      await retryConflicts(async () => (await newest(table)).optimize({ cleanupOlderThan }));
  closeTables(now.tables);
  now.tables = await openTables(options.store, options.shape);
}

async function closeSink(now: Progress, owned: OwnedPart, end: SinkEnd, commit: () => Promise<void>): Promise<void> {
  try {
    if (now.broken === null) await commit();
    if (now.broken instanceof PrepError && now.broken.code === 'part-owned') return;
    await attempt(now.tables.store.uri, 'close the part', () => endPart(now, owned, end));
  } finally {
    runsOpenHere.delete(owned.run);
    closeTables(now.tables);
  }
}

/** After a failure the part's own log says what to finish or undo, exactly as it would tell a later owner. */
async function endPart({ tables, broken }: Progress, owned: OwnedPart, end: SinkEnd): Promise<void> {
  if (broken !== null) {
    const states = partStates(await readLog(tables.parts, owned.dataset));
    const mine = states.find((state) => state.part === owned.part && state.of === owned.of);
    await recoverRuns(tables, mine?.unended ?? []);
  }
  const payload = new TextEncoder().encode(JSON.stringify(end.summary));
  await logEvent(tables.parts, owned, { event: 'end', state: broken === null ? end.state : 'failed', payload });
}
