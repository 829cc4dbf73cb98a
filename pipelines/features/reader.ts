/** Features of drawn rows: found by the plan's map, compared with the rows' own pictures, decoded. */
import type { Role } from '../../schemas/episode.ts';
import { PrepError } from '../../schemas/errors.ts';
import { featureShape } from '../../schemas/feature-tables.ts';
import { FEATURE_TOKENS, type FeatureSet, featureValues } from '../../schemas/features.ts';
import type { MixedRows } from '../../schemas/mixed-row.ts';
import { readMap } from '../../sinks/feature-maps.ts';
import { type FeatureRows, needTable, takeFeatures } from '../../sinks/feature-rows.ts';
import { type FeatureMap, readMaps, readSets } from '../../sinks/features.ts';
import type { LanceTable, Store } from '../../sinks/store.ts';
import { codecOf } from '../../transforms/features/codec.ts';
import type { PlanRows } from '../mixed/plan-rows.ts';
import { mapConcurrent } from '../stream.ts';
import { NOWHERE } from './maps.ts';
import { refuseTrained } from './refuse.ts';

/** Rows that have no features, for whoever computes them. */
export interface MissingFeatures {
  readonly set: FeatureSet;
  readonly rows: MixedRows;
  /** Indices of the rows that are asked for. */
  readonly at: readonly number[];
}

export interface FeatureOptions {
  /** Name or id of a set. */
  readonly set: string;
  /** Revision or fingerprint that the set's model must have. */
  readonly model?: string;
  /** Values [asked row][view][tap][token][channel] for rows without features. Absent: such rows are an error. */
  readonly compute?: (missing: MissingFeatures) => Promise<Float32Array>;
}

export interface DrawnFeatures {
  /** [row][view][tap][token][channel], zeros where `present` is 0 */
  readonly values: Float32Array;
  /** [row][view] */
  readonly present: Uint8Array;
  /** Rows without stored features. */
  readonly missing: number;
}

export interface FeatureReader {
  readonly set: FeatureSet;
  /** @throws PrepError `stale-features` */
  read(draws: readonly number[], rows: MixedRows): Promise<DrawnFeatures>;
  close(): void;
}

/** @throws PrepError `unknown-features`, `stale-features`, `bad-option` where the plan trains the model */
export async function openFeatureReader(store: Store, rows: PlanRows, options: FeatureOptions): Promise<FeatureReader> {
  const set = await findSet(store, options);
  refuseTrained(rows.segments[0]!.mixture, set.model.languageModel ? 'language' : 'vision', set.name);
  const maps = await mapsOf(store, set, rows);
  const tables = openTables(store);
  return {
    set,
    async read(draws, mixed) {
      const found = await readDraws({ set, maps, open: tables.open, rows, compute: options.compute }, draws, mixed);
      tables.tidy();
      return found;
    },
    close: () => tables.closeAll(),
  };
}

/** Tables that stay open from batch to batch. In the order of training one or two are in use; at random there may be thousands. */
const MOST_OPEN = 256;

function openTables(store: Store) {
  const tables = new Map<string, Promise<LanceTable>>();
  const closeAll = (): void => {
    for (const table of tables.values())
      table.then(
        (one) => one.close(),
        () => undefined,
      );
    tables.clear();
  };
  return {
    open(name: string): Promise<LanceTable> {
      const table = tables.get(name) ?? needTable(store, name);
      tables.set(name, table);
      return table;
    },
    /** Between batches, when nothing is read. */
    tidy: () => void (tables.size > MOST_OPEN && closeAll()),
    closeAll,
  };
}

/** @throws PrepError `unknown-features` */
export async function findSet(store: Store, { set: name, model }: FeatureOptions): Promise<FeatureSet> {
  const sets = await readSets(store);
  const found = sets.find((one) => one.set === name || one.name === name);
  const unknown = (expected: string, is: string): PrepError =>
    new PrepError({
      code: 'unknown-features',
      at: { store: store.uri, field: name },
      expected,
      found: is,
      remedy: '`prep features run` makes them',
    });
  if (!found) throw unknown('a feature set of the store', sets.map((one) => one.name).join(', ') || 'none');
  if (model !== undefined && model !== found.model.revision && model !== found.model.fingerprint)
    throw unknown(`features of the model ${model}`, `those of ${found.model.revision} (${found.model.fingerprint})`);
  return found;
}

async function mapsOf(store: Store, set: FeatureSet, { plan, segments }: PlanRows): Promise<FeatureMap[]> {
  const maps = await readMaps(store, set.set, plan);
  const lacking = segments.find(({ segment }) => !maps.some((map) => map.segment === segment.segment));
  if (lacking)
    throw new PrepError({
      code: 'stale-features',
      at: { store: store.uri, field: set.name },
      expected: `features of segment ${lacking.segment.segment} of plan ${plan}`,
      found: 'no map of it',
      remedy: '`prep features run` makes it',
    });
  return maps;
}

interface Reading {
  readonly set: FeatureSet;
  readonly maps: readonly FeatureMap[];
  readonly rows: PlanRows;
  readonly compute: FeatureOptions['compute'];
  open(table: string): Promise<LanceTable>;
}

/** Where the features of each draw lie. */
interface Place {
  readonly table: string;
  readonly views: readonly Role[];
  readonly row: number;
}

async function readDraws(reading: Reading, draws: readonly number[], mixed: MixedRows): Promise<DrawnFeatures> {
  const { set } = reading;
  const places = await placesOf(reading, draws);
  const per = featureValues(set);
  const out = new Float32Array(draws.length * set.views.length * per);
  const present = new Uint8Array(draws.length * set.views.length);
  const wanted = new Map<string, number[]>();
  for (const [i, place] of places.entries())
    if (place) {
      const mine = wanted.get(place.table);
      if (mine) mine.push(i);
      else wanted.set(place.table, [i]);
    }
  const codec = codecOf(set.codec, { taps: set.model.taps.length, tokens: FEATURE_TOKENS, hidden: set.model.hidden });
  const take = async ([table, mine]: [string, number[]]) => {
    const { views } = places[mine[0]!]!;
    const opened = await reading.open(table);
    return {
      mine,
      views,
      found: await takeFeatures(
        opened,
        mine.map((i) => places[i]!.row),
        featureShape(set, views),
      ),
    };
  };
  for await (const { mine, views, found } of mapConcurrent(each(wanted), AT_ONCE, take)) {
    checkPictures(reading, { found, views, draws, mine }, mixed);
    for (const role of views) {
      const slot = set.views.indexOf(role);
      const values = codec.decode(found.views[role]!);
      for (const [j, i] of mine.entries()) {
        out.set(values.subarray(j * per, (j + 1) * per), (i * set.views.length + slot) * per);
        present[i * set.views.length + slot] = 1;
      }
    }
  }
  const missing = places.flatMap((place, i) => (place ? [] : [i]));
  if (missing.length > 0) await fillMissing(reading, { missing, draws, out, present }, mixed);
  return { values: out, present, missing: missing.length };
}

/** Tables that are read at the same time. */
const AT_ONCE = 8;

async function* each<T>(items: Iterable<T>): AsyncGenerator<T> {
  yield* items;
}

async function placesOf({ maps, open }: Reading, draws: readonly number[]): Promise<(Place | null)[]> {
  const places: (Place | null)[] = new Array(draws.length).fill(null);
  for (const map of maps) {
    const mine = draws.flatMap((draw, i) => (draw >= map.start && draw < map.start + map.draws ? [i] : []));
    if (mine.length === 0) continue;
    const offsets = mine.map((i) => draws[i]! - map.start);
    const first = Math.min(...offsets);
    const { parts, rows } = await readMap(await open(map.table), first, Math.max(...offsets) - first + 1);
    for (const [j, i] of mine.entries()) {
      const at = offsets[j]! - first;
      if (parts[at] !== NOWHERE) places[i] = { ...map.tables[parts[at]!]!, row: rows[at]! };
    }
  }
  return places;
}

interface Checked {
  readonly found: FeatureRows;
  readonly views: readonly Role[];
  readonly draws: readonly number[];
  readonly mine: readonly number[];
}

/** @throws PrepError `stale-features` where a row's pictures are not those that the features were made of */
function checkPictures({ set, rows }: Reading, { found, views, draws, mine }: Checked, mixed: MixedRows): void {
  const { roles } = rows.shape;
  for (const [j, i] of mine.entries())
    for (const role of set.views) {
      // Also of a view that the features lack: a row may have gained it since.
      const now = hashOf(mixed.imageHash, i, { roles, role });
      const then = hashOf(found.imageHash, j, { roles: views, role });
      if (now === then) continue;
      const { dataset, episodeKey, step } = rows.place(draws[i]!);
      throw new PrepError({
        code: 'stale-features',
        at: { dataset, episode: `with key ${episodeKey}`, camera: role, step, field: set.name },
        expected: now === 0n ? 'features without this view' : `features of the picture ${now}`,
        found: then === 0n ? 'those of a row without it' : `those of ${then}`,
        remedy: 'the pictures were made again since: `prep features run` makes the features of the new ones',
      });
    }
}

/** Hash of a role's picture, 0 where there is none or where rows of these roles have no such column. */
export function hashOf(
  hashes: BigInt64Array,
  row: number,
  { roles, role }: { readonly roles: readonly Role[]; readonly role: Role },
): bigint {
  const slot = roles.indexOf(role);
  return slot < 0 ? 0n : hashes[row * roles.length + slot]!;
}

interface Missing {
  readonly missing: readonly number[];
  readonly draws: readonly number[];
  readonly out: Float32Array;
  readonly present: Uint8Array;
}

async function fillMissing(
  { set, rows, compute }: Reading,
  { missing, draws, out, present }: Missing,
  mixed: MixedRows,
): Promise<void> {
  if (!compute)
    throw new PrepError({
      code: 'stale-features',
      at: { field: set.name },
      expected: 'features of every draw',
      found: `${missing.length} of ${draws.length} draws without, the first of them draw ${draws[missing[0]!]}`,
      remedy:
        '`prep features run` makes them where the model has a graph for their views; or give a function that computes them',
    });
  const per = featureValues(set);
  const values = await compute({ set, rows: mixed, at: missing });
  if (values.length !== missing.length * per * set.views.length)
    throw new PrepError({
      code: 'bad-value',
      at: { field: 'compute' },
      expected: `${missing.length * per * set.views.length} numbers`,
      found: String(values.length),
    });
  for (const [j, i] of missing.entries())
    for (const [v, role] of set.views.entries()) {
      if (hashOf(mixed.imageHash, i, { roles: rows.shape.roles, role }) === 0n) continue;
      const [from, to] = [j * set.views.length + v, i * set.views.length + v];
      out.set(values.subarray(from * per, (from + 1) * per), to * per);
      present[to] = 1;
    }
}
