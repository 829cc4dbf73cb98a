/** Parts i/n of a dataset's shards: taking one, and being the only one to write as its owner. */
import { PrepError } from '../schemas/errors.ts';
import {
  appendEntry,
  type LogEntry,
  type PartEvent,
  type PartState,
  partName,
  partStates,
  readLog,
} from './part-log.ts';
import { isAlive, isOwnProcess, ownProcess, type ProcessMark } from './process.ts';
import type { LanceTable } from './store.ts';

export interface PartRequest {
  readonly dataset: string;
  readonly part: number;
  readonly of: number;
  readonly run: string;
  /** Take the part from an owner that looks alive, and end the parts of another n. */
  readonly takeOver: boolean;
  /** Do not mind parts of another n: for those who end parts, not for those who write. */
  readonly anyCount?: boolean;
}

/** A part that this process owns. */
export interface OwnedPart {
  readonly dataset: string;
  readonly part: number;
  readonly of: number;
  readonly run: string;
  readonly mark: ProcessMark;
  /** Number of the last event that this process wrote. */
  seq: number;
  /** What predecessors may have left unfinished. */
  readonly unended: readonly LogEntry[];
}

/** Runs whose sink is open in this very process: its own pid being alive says nothing of a sink that failed to close. */
export const runsOpenHere = new Set<string>();

/** Rounds of reading the log and appending to it; one is lost for each rival that appends at the same moment. */
const ATTEMPTS = 20;

/**
 * Takes a part. Throws `part-owned` when its owner lives and `part-count` when parts of another n are not done; with
 * `takeOver` neither. A dead owner's part is taken without asking. The predecessor is fenced from here on; the caller
 * recovers what `unended` names before it reads the ledger.
 */
export async function openPart(table: LanceTable, request: PartRequest): Promise<OwnedPart> {
  for (let round = 0; round < ATTEMPTS; round++) {
    const states = partStates(await readLog(table, request.dataset));
    refuseOtherCount(states, request);
    const mine = states.find((state) => state.part === request.part && state.of === request.of);
    if (mine && !request.takeOver) refuseLive(mine, request);
    const owned = ownedPart(request, mine);
    if (!(await appendEvent(table, owned, { event: 'own' }))) continue;
    runsOpenHere.add(request.run);
    await refuseRival(table, request, owned);
    return owned;
  }
  throw new PrepError({
    code: 'part-owned',
    at: { dataset: request.dataset },
    found: `part ${partName(request)} changed hands ${ATTEMPTS} times while it was being opened`,
    remedy: 'let only one scheduler start it',
  });
}

function ownedPart(request: PartRequest, before: PartState | undefined): OwnedPart {
  const { dataset, part, of, run } = request;
  return { dataset, part, of, run, mark: ownProcess(), seq: before?.last.seq ?? 0, unended: before?.unended ?? [] };
}

interface NewEvent {
  readonly event: PartEvent;
  readonly group?: bigint;
  readonly state?: string;
  readonly payload?: Uint8Array;
}

/** Appends the owner's next event; false when this process was overtaken. */
async function appendEvent(table: LanceTable, owned: OwnedPart, event: NewEvent): Promise<boolean> {
  const { dataset, part, of, run, mark } = owned;
  const { group = 0n, state = '', payload = new Uint8Array(0) } = event;
  const seq = owned.seq + 1;
  const entry = { dataset, part, of, run, ...mark, seq, event: event.event, group, state, timeMs: Date.now() };
  if (!(await appendEntry(table, entry, payload))) return false;
  owned.seq = seq;
  return true;
}

/** As `appendEvent`; throws `part-owned` naming who took over. */
export async function logEvent(table: LanceTable, owned: OwnedPart, event: NewEvent): Promise<void> {
  if (await appendEvent(table, owned, event)) return;
  const state = partStates(await readLog(table, owned.dataset)).find((s) => s.part === owned.part && s.of === owned.of);
  throw new PrepError({
    code: 'part-owned',
    at: { dataset: owned.dataset },
    expected: `to own part ${partName(owned)} still (run ${owned.run})`,
    found: `that ${ownerText(state?.owner)} took it over`,
    remedy: 'nothing is lost: the new owner does what was not committed; end this process',
  });
}

const ownerText = (owner: LogEntry | undefined): string =>
  owner ? `run ${owner.run}, process ${owner.pid} on ${owner.host},` : 'another process';

/** Not done: someone may still write it, or come back to finish it. */
const isOpen = ({ last }: PartState): boolean =>
  last.event !== 'end' || last.state === 'interrupted' || last.state === 'failed';

/** Whether a process is writing this part now. */
export function hasLiveOwner(state: Pick<PartState, 'last' | 'owner'>): boolean {
  if (state.last.event === 'end') return false;
  if (isOwnProcess(state.owner)) return runsOpenHere.has(state.owner.run);
  return isAlive(state.owner, Date.now() - state.last.timeMs);
}

function refuseLive(state: PartState, request: PartRequest): void {
  if (!hasLiveOwner(state)) return;
  const age = Math.round((Date.now() - state.last.timeMs) / 1000);
  throw new PrepError({
    code: 'part-owned',
    at: { dataset: request.dataset },
    expected: `part ${partName(request)} to have no live owner`,
    found: `${ownerText(state.owner)} whose last sign of life is ${age} s old`,
    remedy: 'wait for it, end it, or, if you know that it is gone, run prep ingest with --take-over',
  });
}

function refuseOtherCount(states: readonly PartState[], request: PartRequest): void {
  if (request.takeOver || request.anyCount) return;
  const other = states.find((state) => state.of !== request.of && isOpen(state));
  if (!other) return;
  const doing = hasLiveOwner(other) ? `is being written by ${ownerText(other.owner)}` : 'was not finished';
  throw new PrepError({
    code: 'part-count',
    at: { dataset: request.dataset },
    expected: `all parts to be of ${request.of}`,
    found: `part ${partName(other)}, which ${doing}`,
    remedy: `finish with --shard i/${other.of}, or end it by prep ingest with --take-over and n = ${request.of}`,
  });
}

/** Two processes with unlike n that opened at the same moment both see the other here, and both step back. */
async function refuseRival(table: LanceTable, request: PartRequest, owned: OwnedPart): Promise<void> {
  try {
    refuseOtherCount(partStates(await readLog(table, request.dataset)), request);
  } catch (cause) {
    if (owned.unended.length === 0) await logEvent(table, owned, { event: 'end', state: 'superseded' });
    throw cause;
  }
}

/**
 * With `takeOver`: fences the open parts of another n and hands them to the caller for recovery and `end`. Each claim has a
 * run of its own: with the caller's, a later recovery would take a group that the caller committed for an open one.
 */
export async function claimOtherCounts(
  table: LanceTable,
  request: PartRequest,
  newRun: (part: { part: number; of: number }) => Promise<string>,
): Promise<OwnedPart[]> {
  if (!request.takeOver) return [];
  const states = partStates(await readLog(table, request.dataset));
  const claimed: OwnedPart[] = [];
  for (const { part, of } of states.filter((state) => state.of !== request.of && isOpen(state)))
    claimed.push(await openPart(table, { ...request, part, of, run: await newRun({ part, of }) }));
  return claimed;
}
