/** Ending the parts of a dataset from outside, so that none of their former processes can write a valid row again. */
import { type PartState, partStates, readLog } from './part-log.ts';
import { hasLiveOwner, logEvent, openPart } from './parts.ts';
import { recoverRuns } from './recover.ts';
import { openRun } from './runs.ts';
import type { LanceTable } from './store.ts';

export interface Fenced {
  readonly steps: LanceTable;
  readonly tracks: LanceTable;
  readonly ledger: LanceTable;
  readonly parts: LanceTable;
  readonly runs: LanceTable;
}

export interface FenceOptions {
  readonly dataset: string;
  /** The command on whose behalf; goes into `runs`. */
  readonly command: string;
  /** State in which the parts end. */
  readonly state: 'interrupted' | 'dropped';
  /** Parts whose owner lives, too. Without it a live owner is an error, `part-owned`. */
  readonly takeOver: boolean;
}

/** Takes, recovers and ends each given part, each under a run of its own. */
export async function endParts(tables: Fenced, states: readonly PartState[], options: FenceOptions): Promise<void> {
  const { dataset, command, state, takeOver } = options;
  for (const { part, of } of states) {
    const { run } = await openRun(tables.runs, { dataset, part, of, command, options: {}, versions: {} });
    const owned = await openPart(tables.parts, { dataset, part, of, run, takeOver, anyCount: true });
    await recoverRuns(tables, owned.unended);
    await logEvent(tables.parts, owned, { event: 'end', state });
  }
}

export interface Ownership {
  readonly live: readonly PartState[];
  /** Gone without an `end`. */
  readonly dead: readonly PartState[];
  readonly ended: readonly PartState[];
}

export async function ownership(parts: LanceTable, dataset: string): Promise<Ownership> {
  const states = partStates(await readLog(parts, dataset));
  const unended = states.filter((state) => state.last.event !== 'end');
  return {
    live: unended.filter(hasLiveOwner),
    dead: unended.filter((state) => !hasLiveOwner(state)),
    ended: states.filter((state) => state.last.event === 'end'),
  };
}
