/** What nothing refers to any more among the tables of feature sets. */
import { attemptOf } from '../schemas/feature-tables.ts';
import { type FeatureMap, type FeaturePart, readMaps, readParts, readSets, unpublishPart } from './features.ts';
import { attempt, openIfThere, type Store, tableNames } from './store.ts';

/** An attempt that wrote nothing for longer than this is dead, milliseconds. */
const SILENT = 24 * 3_600_000;

export interface FeatureGarbage {
  /** Tables of forgotten sets, dead attempts, replaced maps, maps of dropped plans. */
  readonly orphans: readonly string[];
  /** Published tables that no map of a plan names: they stay unless asked for, because they may be GPU-days. */
  readonly unused: readonly string[];
}

export async function featureGarbage(store: Store, now = Date.now()): Promise<FeatureGarbage> {
  const names = (await tableNames(store)).filter((name) => name.startsWith('features_'));
  const plans = new Set((await tableNames(store)).flatMap((name) => /^plan_(.+)_domain$/.exec(name)?.[1] ?? []));
  const sets = (await readSets(store)).map(({ set }) => set);
  const orphans = names.filter((name) => !sets.some((set) => name.startsWith(`features_${set}_`)));
  const unused: string[] = [];
  for (const set of sets) {
    const maps = (await readMaps(store, set)).filter(({ plan }) => plans.has(plan));
    const parts = await readParts(store, set);
    const used = new Set(maps.flatMap(({ tables }) => tables.map(({ table }) => table)));
    const published = new Set(parts.flatMap(({ keys, tables }) => [keys, ...tables.map(({ table }) => table)]));
    const named = new Set([...published, ...maps.map(({ table }) => table)]);
    for (const part of parts)
      if (!plans.has(part.plan) || maps.some((map) => isNewer(map, part)))
        unused.push(...part.tables.map(({ table }) => table).filter((table) => !used.has(table)));
    for (const name of names) {
      if (attemptOf(name)?.set !== set || named.has(name)) continue;
      if (now - (await lastCommit(store, name)) > SILENT) orphans.push(name);
    }
  }
  return { orphans, unused };
}

/** Whether a map of the same draws was made of other pictures than the part. */
const isNewer = (map: FeatureMap, { plan, start, pixels }: FeaturePart): boolean =>
  map.plan === plan && start >= map.start && start < map.start + map.draws && map.pixels !== pixels;

/** Takes parts that no plan uses out of the ledger. @returns their tables, which may then be dropped */
export async function forgetUnused(store: Store, unused: readonly string[]): Promise<string[]> {
  const gone: string[] = [];
  for (const { set } of await readSets(store))
    for (const part of await readParts(store, set)) {
      // A part counts as a whole: while one of its tables is used, it stays.
      if (part.tables.length === 0 || !part.tables.every(({ table }) => unused.includes(table))) continue;
      await unpublishPart(store, set, part);
      gone.push(part.keys, ...part.tables.map(({ table }) => table));
    }
  return gone;
}

/** Milliseconds since the epoch; of a table that was never written to the time in its name. */
async function lastCommit(store: Store, name: string): Promise<number> {
  const table = await openIfThere(store, name);
  if (!table) return 0;
  try {
    const versions = await attempt(store.uri, `look at ${name}`, () => table.listVersions());
    return Math.max(...versions.map(({ timestamp }) => timestamp.getTime()));
  } finally {
    table.close();
  }
}
