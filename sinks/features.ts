/** What counts of feature sets: the registry, the parts of each set, the maps of plans. Every row is inserted once. */
import type { Schema, Table } from '../schemas/arrow.ts';
import type { Role } from '../schemas/episode.ts';
import { mapsSchema, mapsTable, partsSchema, partsTable, REGISTRY, registrySchema } from '../schemas/feature-tables.ts';
import type { FeatureSet } from '../schemas/features.ts';
import * as column from './columns.ts';
import {
  attempt,
  insertAbsent,
  isConflict,
  type LanceTable,
  openIfThere,
  openOrCreate,
  quoted,
  type Store,
} from './store.ts';

/** Rows of one signature of a part. */
export interface FeatureTable {
  readonly table: string;
  readonly views: readonly Role[];
  readonly rows: number;
  readonly checksum: string;
}

/** Draws `start` … `start + draws − 1` of a plan: the keys of their frames, and tables with the frames that no part before held. */
export interface FeaturePart {
  readonly plan: string;
  readonly start: number;
  readonly draws: number;
  /** Grows where the part was made again. */
  readonly revision: number;
  /** Digest of the plan's segment and of what its pictures were made with: a part of another basis does not count. */
  readonly basis: string;
  readonly keys: string;
  readonly tables: readonly FeatureTable[];
  /** Tables of other parts in which frames of this one lie. */
  readonly uses: readonly string[];
  readonly runtime: object;
  readonly createdMs: number;
}

export interface FeatureMap {
  readonly plan: string;
  readonly segment: number;
  readonly revision: number;
  readonly start: number;
  readonly draws: number;
  /** As its parts have it. */
  readonly basis: string;
  /** Digest of the parts that it was assembled of. */
  readonly parts: string;
  readonly table: string;
  readonly tables: readonly Pick<FeatureTable, 'table' | 'views'>[];
  /** Draws without features. */
  readonly missing: number;
}

export async function readSets(store: Store): Promise<FeatureSet[]> {
  const rows = await allRows(store, REGISTRY);
  return rows.map((row) => JSON.parse(row.spec_json) as FeatureSet).sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The set that has the name now: this one, or what another process registered under it before. */
export async function registerSet(store: Store, set: FeatureSet): Promise<FeatureSet> {
  await insertRow(store, { table: REGISTRY, schema: registrySchema(), key: 'name' }, [
    column.texts([set.name]),
    column.texts([set.set]),
    column.texts([JSON.stringify(set)]),
    column.float64s([Date.now()]),
  ]);
  return (await readSets(store)).find(({ name }) => name === set.name)!;
}

export const forgetSet = (store: Store, set: string): Promise<void> =>
  forget(store, REGISTRY, `\`set\` = ${quoted(set)}`);

const twelve = (n: number): string => String(n).padStart(12, '0');
const five = (n: number): string => String(n).padStart(5, '0');
const partKey = ({ plan, start, revision }: FeaturePart): string => `${plan}/${twelve(start)}/${five(revision)}`;

/** Published parts of all plans and revisions, in the order of their keys: the same for whoever reads them. */
export async function readParts(store: Store, set: string): Promise<FeaturePart[]> {
  const rows = await allRows(store, partsTable(set));
  return rows
    .sort((a, b) => (a.key < b.key ? -1 : 1))
    .map((row) => ({
      plan: row.plan,
      start: Number(row.start),
      draws: Number(row.draws),
      revision: row.revision,
      basis: row.basis,
      ...(JSON.parse(row.tables_json) as Pick<FeaturePart, 'keys' | 'tables' | 'uses'>),
      runtime: JSON.parse(row.runtime_json) as object,
      createdMs: row.created_ms,
    }));
}

/** Of each part the newest revision. */
export function newestParts(parts: readonly FeaturePart[]): FeaturePart[] {
  return [...new Map(parts.map((part) => [`${part.plan}/${part.start}`, part])).values()];
}

/** Parts are published one by one; so many rows in fragments of their own are merged into one. */
const COMPACT_EVERY = 64;

/** False where somebody else has published that revision of the part before. */
export async function publishPart(store: Store, set: string, part: FeaturePart): Promise<boolean> {
  const keyed = { table: partsTable(set), schema: partsSchema(), key: 'key' };
  return insertRow(store, keyed, [
    column.texts([partKey(part)]),
    column.texts([part.plan]),
    column.int64s([BigInt(part.start)]),
    column.int64s([BigInt(part.draws)]),
    column.int32s([part.revision]),
    column.texts([part.basis]),
    column.texts([JSON.stringify({ keys: part.keys, tables: part.tables, uses: part.uses })]),
    column.texts([JSON.stringify(part.runtime)]),
    column.float64s([part.createdMs]),
  ]);
}

export const unpublishPart = (store: Store, set: string, part: FeaturePart): Promise<void> =>
  forget(store, partsTable(set), `key = ${quoted(partKey(part))}`);

/** Maps of a set's plans, each segment's newest revision. */
export async function readMaps(store: Store, set: string, plan?: string): Promise<FeatureMap[]> {
  const newest = new Map<string, FeatureMap>();
  for (const row of await allRows(store, mapsTable(set))) {
    if (plan !== undefined && row.plan !== plan) continue;
    const key = `${row.plan}/${row.segment}`;
    if ((newest.get(key)?.revision ?? -1) > row.revision) continue;
    newest.set(key, {
      plan: row.plan,
      segment: row.segment,
      revision: row.revision,
      start: Number(row.start),
      draws: Number(row.draws),
      basis: row.basis,
      parts: row.parts,
      table: row.table,
      tables: JSON.parse(row.tables_json),
      missing: Number(row.missing),
    });
  }
  return [...newest.values()].sort((a, b) => (a.plan === b.plan ? a.segment - b.segment : a.plan < b.plan ? -1 : 1));
}

/** False where somebody else has published that revision before. */
export const publishMap = (store: Store, set: string, map: FeatureMap): Promise<boolean> =>
  insertRow(store, { table: mapsTable(set), schema: mapsSchema(), key: 'key' }, [
    column.texts([mapKey(map)]),
    column.texts([map.plan]),
    column.int32s([map.segment]),
    column.int32s([map.revision]),
    column.int64s([BigInt(map.start)]),
    column.int64s([BigInt(map.draws)]),
    column.texts([map.basis]),
    column.texts([map.parts]),
    column.texts([map.table]),
    column.texts([JSON.stringify(map.tables)]),
    column.int64s([BigInt(map.missing)]),
    column.float64s([Date.now()]),
  ]);

/** Before the tables of a dropped plan's maps go. */
export const forgetMaps = (store: Store, set: string, plan: string): Promise<void> =>
  forget(store, mapsTable(set), `plan = ${quoted(plan)}`);

const mapKey = ({ plan, segment, revision }: FeatureMap): string => `${plan}/${five(segment)}/${five(revision)}`;

interface Keyed {
  readonly table: string;
  readonly schema: Schema;
  readonly key: string;
}

async function insertRow(
  store: Store,
  { table: name, schema, key }: Keyed,
  columns: column.Column[],
): Promise<boolean> {
  const table = await openOrCreate(store, name, schema);
  const row: Table = column.tableOf(schema, [columns]);
  try {
    const inserted = await attempt(store.uri, `write ${name}`, () => insertAbsent(table, key, row));
    if (inserted === 1 && (await table.countRows()) % COMPACT_EVERY === 0) await merge(store, name, table);
    return inserted === 1;
  } finally {
    table.close();
  }
}

/** Fragments of a row each become one. Where others write at the same time it is left to the next. */
async function merge(store: Store, name: string, table: LanceTable): Promise<void> {
  await attempt(store.uri, `compact ${name}`, async () => {
    try {
      await table.optimize();
    } catch (cause) {
      if (!isConflict(cause)) throw cause;
    }
  });
}

async function forget(store: Store, name: string, where: string): Promise<void> {
  const table = await openIfThere(store, name);
  try {
    await attempt(store.uri, `write ${name}`, async () => table?.delete(where));
  } finally {
    table?.close();
  }
}

async function allRows(store: Store, name: string) {
  const table = await openIfThere(store, name);
  try {
    return await attempt(store.uri, `read ${name}`, async () => {
      await table?.checkoutLatest();
      return (await table?.query().toArray()) ?? [];
    });
  } finally {
    table?.close();
  }
}
