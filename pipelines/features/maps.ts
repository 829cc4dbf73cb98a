/** The map of a plan's segment: for each draw where its features lie, or that it has none. Assembled from the parts that count. */
import { mapTable } from '../../schemas/feature-tables.ts';
import type { FeatureSet } from '../../schemas/features.ts';
import { attemptName } from '../../sinks/attempt-name.ts';
import { readKeys, writeMap } from '../../sinks/feature-rows.ts';
import { type FeatureMap, type FeaturePart, type FeatureTable, publishMap, readMaps } from '../../sinks/features.ts';
import { dropTable } from '../../sinks/shards.ts';
import type { Store } from '../../sinks/store.ts';
import { NO_FRAME } from '../../transforms/features/frame-key.ts';
import type { PlanRows } from '../mixed/plan-rows.ts';
import type { Published } from './published.ts';

/** Where a draw has no features. */
export const NOWHERE = -1;

/** Parts of a plan that were made of the pictures that its datasets have now. */
export const partsNow = (parts: Published['parts'], { plan, pixels }: PlanRows): FeaturePart[] =>
  parts.filter((part) => part.plan === plan && part.pixels === pixels);

/** Makes the maps of segments that lack one, or whose newest covers fewer draws. @returns all of the plan's maps as they are then */
export async function makeMaps(
  store: Store,
  set: FeatureSet,
  rows: PlanRows,
  published: Published,
): Promise<FeatureMap[]> {
  const there = new Map((await readMaps(store, set.set, rows.plan)).map((map) => [map.segment, map]));
  const parts = partsNow(published.parts, rows);
  for (const { segment } of rows.segments) {
    const before = there.get(segment.segment);
    const current = before?.pixels === rows.pixels ? before : undefined;
    if (current?.missing === 0) continue;
    const made = await assemble(store, { start: segment.start, draws: segment.draws }, { ...published, parts });
    if (made.covered === 0 || (current && current.missing <= made.missing)) continue;
    const table = mapTable(set.set, rows.plan, attemptName());
    const map: FeatureMap = {
      plan: rows.plan,
      segment: segment.segment,
      revision: (before?.revision ?? -1) + 1,
      start: segment.start,
      draws: segment.draws,
      pixels: rows.pixels,
      table,
      tables: made.tables.map(({ table: name, views }) => ({ table: name, views })),
      missing: made.missing,
    };
    await writeMap(store, table, made.parts, made.rows);
    if (!(await publishMap(store, set.set, map))) await dropTable(store, table);
  }
  return readMaps(store, set.set, rows.plan);
}

/** Two numbers per draw; tables numbered by their first use. */
async function assemble(
  store: Store,
  { start, draws }: { readonly start: number; readonly draws: number },
  { parts, tables, index }: Published,
) {
  const map = { parts: new Int32Array(draws).fill(NOWHERE), rows: new Int32Array(draws).fill(NOWHERE) };
  const numbers = new Map<number, number>();
  const used: FeatureTable[] = [];
  let [found, covered] = [0, 0];
  for (const part of parts) {
    if (part.start < start || part.start >= start + draws) continue;
    let at = part.start - start;
    covered += part.draws;
    for await (const keys of readKeys(store, part.keys))
      for (const key of keys) {
        const place = key === NO_FRAME ? null : index.get(key);
        if (place) {
          let number = numbers.get(place.table);
          if (number === undefined) {
            number = used.length;
            numbers.set(place.table, number);
            used.push(tables[place.table]!);
          }
          map.parts[at] = number;
          map.rows[at] = place.row;
          found++;
        }
        at++;
      }
  }
  return { ...map, tables: used, missing: draws - found, covered };
}
