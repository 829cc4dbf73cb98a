/** The map of a plan's segment: for each draw where its features lie, or that it has none. Assembled from the parts that count. */
import { createHash } from 'node:crypto';
import { mapTable } from '../../schemas/feature-tables.ts';
import type { FeatureSet } from '../../schemas/features.ts';
import { attemptName } from '../../sinks/attempt-name.ts';
import { readKeys, writeMap } from '../../sinks/feature-maps.ts';
import {
  type FeatureMap,
  type FeaturePart,
  type FeatureTable,
  newestParts,
  publishMap,
  readMaps,
} from '../../sinks/features.ts';
import { dropTable } from '../../sinks/shards.ts';
import { type Store, tableNames } from '../../sinks/store.ts';
import { NO_FRAME } from '../../transforms/features/frame-key.ts';
import type { PlanRows } from '../mixed/plan-rows.ts';
import type { Published } from './published.ts';

/** Where a draw has no features. */
export const NOWHERE = -1;

/** What the parts of a segment must have been made of: its draws, and the pictures that its datasets have now. */
export function basisOf({ pixels }: PlanRows, { segment }: PlanRows['segments'][number]): string {
  return createHash('sha256')
    .update(JSON.stringify([pixels, segment]))
    .digest('hex')
    .slice(0, 32);
}

/** Parts of a plan's segments as they are now: the newest revisions, of the same basis. */
export function partsNow(parts: readonly FeaturePart[], rows: PlanRows): FeaturePart[] {
  const bases = new Set(rows.segments.map((segment) => basisOf(rows, segment)));
  return newestParts(parts.filter(({ plan }) => plan === rows.plan)).filter(({ basis }) => bases.has(basis));
}

/** Maps of a plan's segments as they are now. */
export function mapsNow(maps: readonly FeatureMap[], rows: PlanRows): FeatureMap[] {
  return rows.segments.flatMap((one) => {
    const basis = basisOf(rows, one);
    return maps.filter((map) => map.segment === one.segment.segment && map.basis === basis);
  });
}

export interface MadeMaps {
  /** One per segment that has any part. */
  readonly maps: readonly FeatureMap[];
  /** Parts with frames that no table holds any more: they have to be made again. */
  readonly holed: readonly FeaturePart[];
}

/** Attempts of a map that another process published another one of meanwhile. */
const ROUNDS = 10;

/** Makes the maps of segments that lack one, or whose parts have changed since. */
export async function makeMaps(store: Store, set: FeatureSet, rows: PlanRows, published: Published): Promise<MadeMaps> {
  const holed: FeaturePart[] = [];
  const now = partsNow(published.parts, rows);
  let known = await knownMaps(store, set, rows);
  for (const one of rows.segments) {
    const basis = basisOf(rows, one);
    const parts = now.filter((part) => part.basis === basis);
    if (parts.length === 0) continue;
    for (let round = 0; round < ROUNDS; round++) {
      const made = await makeMap(store, set, { rows, one, parts, published, known });
      holed.push(...made.holed);
      if (made.done) break;
      known = await knownMaps(store, set, rows);
    }
  }
  return { maps: mapsNow(await readMaps(store, set.set, rows.plan), rows), holed };
}

interface KnownMaps {
  readonly maps: readonly FeatureMap[];
  /** Tables of the store. */
  readonly names: ReadonlySet<string>;
}

const knownMaps = async (store: Store, set: FeatureSet, { plan }: PlanRows): Promise<KnownMaps> => ({
  maps: await readMaps(store, set.set, plan),
  names: new Set(await tableNames(store)),
});

interface Making {
  readonly known: KnownMaps;
  readonly rows: PlanRows;
  readonly one: PlanRows['segments'][number];
  readonly parts: readonly FeaturePart[];
  readonly published: Published;
}

/** `done`: false where another process published that revision first, perhaps of fewer parts. */
async function makeMap(store: Store, set: FeatureSet, { rows, one, parts, published, known }: Making) {
  const { segment, start, draws } = one.segment;
  const before = known.maps.find((map) => map.segment === segment);
  const basis = basisOf(rows, one);
  const digest = digestOf(parts);
  const there = before !== undefined && [before, ...before.tables].every(({ table }) => known.names.has(table));
  if (there && before.basis === basis && (before.missing === 0 || before.parts === digest))
    return { done: true, holed: [] };
  const made = await assemble(store, { start, draws }, { ...published, parts });
  if (there && before.basis === basis && before.missing <= made.missing) return { done: true, holed: made.holed };
  const table = mapTable(set.set, rows.plan, attemptName());
  await writeMap(store, table, made.parts, made.rows);
  const done = await publishMap(store, set.set, {
    ...{ plan: rows.plan, segment, start, draws, basis, table },
    revision: (before?.revision ?? -1) + 1,
    parts: digest,
    tables: made.tables.map(({ table: name, views }) => ({ table: name, views })),
    missing: made.missing,
  });
  if (!done) await dropTable(store, table);
  return { done, holed: made.holed };
}

const digestOf = (parts: readonly FeaturePart[]): string =>
  createHash('sha256')
    .update(JSON.stringify(parts.map(({ start, revision }) => [start, revision])))
    .digest('hex')
    .slice(0, 16);

/** Two numbers per draw; tables numbered by their first use. */
async function assemble(
  store: Store,
  { start, draws }: { readonly start: number; readonly draws: number },
  { parts, tables, index }: Published,
) {
  const map = { parts: new Int32Array(draws).fill(NOWHERE), rows: new Int32Array(draws).fill(NOWHERE) };
  const numbers = new Map<number, number>();
  const used: FeatureTable[] = [];
  const holed: FeaturePart[] = [];
  let found = 0;
  for (const part of parts) {
    let at = part.start - start;
    let lost = 0;
    for await (const keys of readKeys(store, part.keys))
      for (const key of keys) {
        const place = key === NO_FRAME ? null : index.get(key);
        if (place) {
          const number = numbers.get(place.table) ?? used.push(tables[place.table]!) - 1;
          numbers.set(place.table, number);
          map.parts[at] = number;
          map.rows[at] = place.row;
          found++;
        } else if (key !== NO_FRAME) lost++;
        at++;
      }
    if (lost > 0) holed.push(part);
  }
  return { ...map, tables: used, missing: draws - found, holed };
}
