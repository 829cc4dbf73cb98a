/** What nothing refers to any more among the tables of feature sets. */
import { attemptOf } from '../schemas/feature-tables.ts';
import { attemptTime } from './attempt-name.ts';
import { forgetMaps, newestParts, readMaps, readParts, readSets, unpublishPart } from './features.ts';
import { attempt, openIfThere, type Store, tableNames } from './store.ts';

/** An attempt that wrote nothing for longer than this is dead, milliseconds. */
const SILENT = 24 * 3_600_000;

export interface FeatureGarbage {
  /** Tables of forgotten sets, dead attempts, replaced maps, maps of dropped plans. */
  readonly orphans: readonly string[];
  /** Published tables in which no frame of a plan that the store has lies: they stay unless asked for, for they may be GPU-days. */
  readonly unused: readonly string[];
}

export async function featureGarbage(store: Store, now = Date.now()): Promise<FeatureGarbage> {
  const all = await tableNames(store);
  const names = all.filter((name) => name.startsWith('features_'));
  const plans = new Set(all.flatMap((name) => /^plan_(.+)_domain$/.exec(name)?.[1] ?? []));
  const sets = (await readSets(store)).map(({ set }) => set);
  const orphans = names.filter((name) => !sets.some((set) => name.startsWith(`features_${set}_`)));
  const unused: string[] = [];
  for (const set of sets) {
    const maps = (await readMaps(store, set)).filter(({ plan }) => plans.has(plan));
    const parts = await readParts(store, set);
    const live = newestParts(parts).filter(({ plan }) => plans.has(plan));
    const used = new Set([
      ...maps.flatMap(({ tables }) => tables.map(({ table }) => table)),
      ...live.flatMap(({ keys, tables, uses }) => [keys, ...tables.map(({ table }) => table), ...uses]),
    ]);
    const published = parts.flatMap(({ keys, tables }) => [keys, ...tables.map(({ table }) => table)]);
    unused.push(...parts.flatMap(({ tables }) => tables.map(({ table }) => table)).filter((table) => !used.has(table)));
    const named = new Set([...published, ...maps.map(({ table }) => table)]);
    const loose = names.filter((name) => attemptOf(name)?.set === set && !named.has(name));
    orphans.push(...(await silent(store, loose, now)));
  }
  return { orphans, unused };
}

/** Tables of attempts none of whose tables was written for long: one may be done while the next is filled. */
async function silent(store: Store, names: readonly string[], now: number): Promise<string[]> {
  const last = new Map<string, number>();
  const of = (name: string): string => attemptOf(name)!.attempt;
  for (const name of names) last.set(of(name), Math.max(last.get(of(name)) ?? 0, await lastCommit(store, name)));
  return names.filter((name) => now - last.get(of(name))! > SILENT);
}

/** Milliseconds since the epoch; of a table that is being created the time in its name. */
async function lastCommit(store: Store, name: string): Promise<number> {
  const began = attemptTime(attemptOf(name)!.attempt);
  const table = await openIfThere(store, name);
  if (!table) return began;
  try {
    const versions = await attempt(store.uri, `look at ${name}`, () => table.listVersions());
    return Math.max(began, ...versions.map(({ timestamp }) => timestamp.getTime()));
  } finally {
    table.close();
  }
}

/** Takes parts that no plan uses out of the ledger. @returns their tables, which may then be dropped */
export async function forgetUnused(store: Store, unused: readonly string[]): Promise<string[]> {
  const gone: string[] = [];
  const asked = new Set(unused);
  for (const { set } of await readSets(store))
    for (const part of await readParts(store, set)) {
      // A part counts as a whole: while one of its tables is used, it stays.
      if (part.tables.length === 0 || !part.tables.every(({ table }) => asked.has(table))) continue;
      await unpublishPart(store, set, part);
      gone.push(part.keys, ...part.tables.map(({ table }) => table));
    }
  return gone;
}

/** Rows of maps whose plans are gone: the tables that they name go as orphans. */
export async function forgetMapsOfGonePlans(store: Store): Promise<void> {
  const plans = new Set((await tableNames(store)).flatMap((name) => /^plan_(.+)_domain$/.exec(name)?.[1] ?? []));
  for (const { set } of await readSets(store))
    for (const plan of new Set((await readMaps(store, set)).map((map) => map.plan)))
      if (!plans.has(plan)) await forgetMaps(store, set, plan);
}
