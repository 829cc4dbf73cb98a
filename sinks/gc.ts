/** Removing what nothing refers to: rows of groups that never committed, and of attempts that were replaced. */
import { endParts, type Fenced, ownership } from './fence.ts';
import { listDatasets } from './read.ts';
import { deleteRows } from './recover.ts';
import { lastRunNumber, runOfGroup } from './runs.ts';
import { scan } from './scan.ts';
import { attempt, type LanceTable, newest, openIfThere, type Store, tableNames } from './store.ts';
import { closeTables, openTablesThere } from './tables.ts';

export interface GcReport {
  readonly dataset: string;
  /** Rows that were (dry run: would be) deleted. */
  readonly stepRows: number;
  readonly trackRows: number;
  readonly groups: number;
  /** Parts of dead owners that were recovered and ended. */
  readonly partsRecovered: number;
  /** Parts being written: their open groups were left alone. */
  readonly partsLive: number;
  /** Rows of replaced attempts that stay because a plan draws them. */
  readonly replacedKept: number;
}

export interface GcOptions {
  readonly dryRun: boolean;
}

/**
 * Deletes step and track rows whose (episode_key, group) is not the latest attempt's in the ledger. Groups that a live
 * owner may still commit, and all of runs that begin meanwhile, stay. Dead owners are fenced first: a process that only
 * seemed dead can then no longer commit a group whose rows are gone. A dry run changes nothing.
 */
export async function gcDataset(uri: string, dataset: string, { dryRun }: GcOptions): Promise<GcReport> {
  const { store, steps, ledger, tracks, parts, runs } = await openTablesThere(uri, dataset);
  try {
    if (!steps || !ledger || !tracks || !parts || !runs)
      return { dataset, stepRows: 0, trackRows: 0, groups: 0, partsRecovered: 0, partsLive: 0, replacedKept: 0 };
    return await attempt(store.uri, `collect garbage of ${dataset}`, async () => {
      const planned = await plannedKeys(store);
      return collect({ steps, ledger, tracks, parts, runs }, { dataset, dryRun, planned });
    });
  } finally {
    closeTables({ store, steps, ledger, tracks, parts, runs });
  }
}

/** Keys of all episodes in the domains of the plans that the store has. */
async function plannedKeys(store: Store): Promise<ReadonlySet<bigint>> {
  const keys = new Set<bigint>();
  for (const name of await tableNames(store)) {
    if (!/^plan_.+_domain$/.test(name)) continue;
    const table = await openIfThere(store, name);
    if (!table) continue;
    for await (const batch of scan(table.query().select(['episode_key'])))
      for (const key of batch.getChild('episode_key')!.toArray() as BigInt64Array) keys.add(key);
    table.close();
  }
  return keys;
}

interface Collecting extends GcOptions {
  readonly dataset: string;
  /** Episodes that plans draw: of these replaced attempts stay, for old draws keep meaning what they meant. */
  readonly planned: ReadonlySet<bigint>;
}

async function collect(tables: Fenced, options: Collecting): Promise<GcReport> {
  const { dataset, dryRun } = options;
  // In this order: what is protected is known before what is valid, and that before what is there.
  const newestRun = BigInt(await lastRunNumber(tables.runs));
  const { live, dead } = await ownership(tables.parts, dataset);
  if (!dryRun) await endParts(tables, dead, { dataset, command: 'gc', state: 'interrupted', takeOver: false });
  const liveRuns = new Set(live.map((state) => BigInt(state.owner.run.slice(1))));
  // Of a dead owner's commits the last may lack its ledger rows; a dry run has not recovered it.
  const events = dead.flatMap((state) => state.unended).filter((entry) => entry.event === 'commit');
  const committed = new Set(events.map((entry) => entry.group));
  const attempts = await ledgerAttempts(tables.ledger);
  let replacedKept = 0;
  const verdict = (key: bigint, group: bigint, rows: number): boolean => {
    const standing = attempts.get(rowKey(key, group));
    const run = runOfGroup(group);
    if (standing === 'latest') return false;
    if (run > newestRun || liveRuns.has(run)) return false;
    if (standing === undefined && dryRun && committed.has(group)) return false;
    const needed = standing === 'replaced' && options.planned.has(key);
    if (needed) replacedKept += rows;
    return !needed;
  };
  const stepVoid = await voidRows(tables.steps, verdict);
  const trackVoid = await voidRows(tables.tracks, verdict);
  const all = [...stepVoid.values(), ...trackVoid.values()];
  if (!dryRun) for (const filter of filters(all)) await deleteRows(tables, filter);
  const count = (rows: Iterable<VoidRows>) => [...rows].reduce((sum, one) => sum + one.rows, 0);
  return {
    dataset,
    stepRows: count(stepVoid.values()),
    trackRows: count(trackVoid.values()),
    groups: new Set(all.map((one) => one.group)).size,
    partsRecovered: dryRun ? 0 : dead.length,
    partsLive: live.length,
    replacedKept,
  };
}

const rowKey = (key: bigint, group: bigint): string => `${key}/${group}`;

/** (episode_key, group) of every attempt: the latest of its episode, or replaced by a later one. */
async function ledgerAttempts(ledger: LanceTable): Promise<Map<string, 'latest' | 'replaced'>> {
  const standing = new Map<string, 'latest' | 'replaced'>();
  const latest = new Map<string, { attempt: number; at: string }>();
  const columns = ['episode', 'episode_key', 'group', 'attempt'];
  for await (const batch of (await newest(ledger)).query().select(columns))
    for (const row of batch) {
      const at = rowKey(row.episode_key, row.group);
      const before = latest.get(row.episode);
      const wins = !before || before.attempt < row.attempt;
      standing.set(at, wins ? 'latest' : 'replaced');
      if (!wins) continue;
      if (before) standing.set(before.at, 'replaced');
      latest.set(row.episode, { attempt: row.attempt, at });
    }
  return standing;
}

interface VoidRows {
  readonly key: bigint;
  readonly group: bigint;
  rows: number;
}

/** Streams two columns of the table; remembers only what is void. */
async function voidRows(
  table: LanceTable,
  isVoid: (key: bigint, group: bigint, rows: number) => boolean,
): Promise<Map<string, VoidRows>> {
  const found = new Map<string, VoidRows>();
  for await (const batch of (await newest(table)).query().select(['episode_key', 'group'])) {
    const keys: BigInt64Array = batch.getChild('episode_key')!.toArray();
    const groups: BigInt64Array = batch.getChild('group')!.toArray();
    for (let from = 0, to = 0; from < keys.length; from = to) {
      while (to < keys.length && keys[to] === keys[from] && groups[to] === groups[from]) to++;
      const [key, group] = [keys[from]!, groups[from]!];
      if (!isVoid(key, group, to - from)) continue;
      const before = found.get(rowKey(key, group));
      if (before) before.rows += to - from;
      else found.set(rowKey(key, group), { key, group, rows: to - from });
    }
  }
  return found;
}

/** Episodes named in one delete: each delete scans two columns once. */
const EPISODES_PER_DELETE = 500;

function filters(all: readonly VoidRows[]): string[] {
  const pairs = [...new Map(all.map((one) => [rowKey(one.key, one.group), one])).values()];
  const texts: string[] = [];
  for (let from = 0; from < pairs.length; from += EPISODES_PER_DELETE) {
    const some = pairs.slice(from, from + EPISODES_PER_DELETE);
    texts.push(some.map(({ key, group }) => `(\`group\` = ${group} AND episode_key = ${key})`).join(' OR '));
  }
  return texts;
}

/** `gcDataset` over every dataset of a store, one after another. */
export async function gcStore(uri: string, options: GcOptions): Promise<GcReport[]> {
  const reports: GcReport[] = [];
  for (const dataset of await listDatasets(uri)) reports.push(await gcDataset(uri, dataset, options));
  return reports;
}
