/** What counts of feature sets: the registry, the parts of each set, the maps of plans. Every row is inserted once. */

import type { Schema, Table } from '../schemas/arrow.ts';
import type { Role } from '../schemas/episode.ts';
import { mapsSchema, mapsTable, partsSchema, partsTable, REGISTRY, registrySchema } from '../schemas/feature-tables.ts';
import type { FeatureSet } from '../schemas/features.ts';
import * as column from './columns.ts';
import { attempt, insertAbsent, openIfThere, openOrCreate, quoted, type Store } from './store.ts';

/** Rows of one signature of a part. */
export interface FeatureTable {
  readonly table: string;
  readonly views: readonly Role[];
  readonly rows: number;
  readonly checksum: string;
}

/** Draws `start` … `start + draws − 1` of a plan, of which the frames that no part before held were computed. */
export interface FeaturePart {
  readonly plan: string;
  readonly start: number;
  readonly draws: number;
  /** Digest of what the datasets' pictures were made with: after another ingest the part no longer counts. */
  readonly pixels: string;
  readonly keys: string;
  readonly tables: readonly FeatureTable[];
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
  readonly pixels: string;
  readonly table: string;
  readonly tables: readonly Pick<FeatureTable, 'table' | 'views'>[];
  /** Draws without features. */
  readonly missing: number;
}

export async function readSets(store: Store): Promise<FeatureSet[]> {
  const rows = await allRows(store, REGISTRY);
  return rows.map((row) => JSON.parse(row.spec_json) as FeatureSet).sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The set as it is registered: this one, or what another process registered under the same identity before. */
export async function registerSet(store: Store, set: FeatureSet): Promise<FeatureSet> {
  await insertRow(store, { table: REGISTRY, schema: registrySchema(), key: 'set' }, [
    column.texts([set.set]),
    column.texts([set.name]),
    column.texts([JSON.stringify(set)]),
    column.float64s([Date.now()]),
  ]);
  return (await readSets(store)).find((one) => one.set === set.set)!;
}

export async function forgetSet(store: Store, set: string): Promise<void> {
  const table = await openIfThere(store, REGISTRY);
  if (!table) return;
  await attempt(store.uri, 'forget a feature set', () => table.delete(`\`set\` = ${quoted(set)}`));
  table.close();
}

const partKey = ({ plan, start, pixels }: Pick<FeaturePart, 'plan' | 'start' | 'pixels'>): string =>
  `${plan}/${String(start).padStart(12, '0')}/${pixels}`;

/** Parts that count, in the order of their keys: the same for whoever reads them. */
export async function readParts(store: Store, set: string): Promise<FeaturePart[]> {
  const rows = await allRows(store, partsTable(set));
  return rows
    .sort((a, b) => (a.key < b.key ? -1 : 1))
    .map((row) => {
      const { keys, tables } = JSON.parse(row.tables_json) as Pick<FeaturePart, 'keys' | 'tables'>;
      return {
        plan: row.plan,
        start: Number(row.start),
        draws: Number(row.draws),
        pixels: row.pixels,
        keys,
        tables,
        runtime: JSON.parse(row.runtime_json) as object,
        createdMs: row.created_ms,
      };
    });
}

/** False where somebody else has published that part before. */
export const publishPart = (store: Store, set: string, part: FeaturePart): Promise<boolean> =>
  insertRow(store, { table: partsTable(set), schema: partsSchema(), key: 'key' }, [
    column.texts([partKey(part)]),
    column.texts([part.plan]),
    column.int64s([BigInt(part.start)]),
    column.int64s([BigInt(part.draws)]),
    column.texts([part.pixels]),
    column.texts([JSON.stringify({ keys: part.keys, tables: part.tables })]),
    column.texts([JSON.stringify(part.runtime)]),
    column.float64s([part.createdMs]),
  ]);

export async function unpublishPart(store: Store, set: string, part: FeaturePart): Promise<void> {
  const table = await openIfThere(store, partsTable(set));
  if (!table) return;
  await attempt(store.uri, 'forget a part of features', () => table.delete(`key = ${quoted(partKey(part))}`));
  table.close();
}

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
      pixels: row.pixels,
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
    column.texts([map.pixels]),
    column.texts([map.table]),
    column.texts([JSON.stringify(map.tables)]),
    column.int64s([BigInt(map.missing)]),
    column.float64s([Date.now()]),
  ]);

const five = (n: number): string => String(n).padStart(5, '0');
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
    return (await attempt(store.uri, `write ${name}`, () => insertAbsent(table, key, row))) === 1;
  } finally {
    table.close();
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
