/** `prep features status`: what a store has of features, how much of which plan and dataset they cover, and what is stale about them. */
import { PrepError } from '../../schemas/errors.ts';
import { featureShape } from '../../schemas/feature-tables.ts';
import { type FeatureSet, storedBytes } from '../../schemas/features.ts';
import { readMap } from '../../sinks/feature-maps.ts';
import { needTable, takeFeatures } from '../../sinks/feature-rows.ts';
import { type FeatureMap, newestParts, readMaps, readParts, readSets } from '../../sinks/features.ts';
import { readSegments } from '../../sinks/plans.ts';
import { connectStore, type Store, tableNames } from '../../sinks/store.ts';
import { openPlanRows, type PlanRows } from '../mixed/plan-rows.ts';
import { basisOf } from './maps.ts';
import type { FeatureModel } from './model.ts';
import { hashOf } from './reader.ts';
import { unlike } from './set.ts';

export interface Coverage {
  readonly draws: number;
  readonly covered: number;
}

export interface PlanCoverage extends Coverage {
  readonly plan: string;
  readonly datasets: Readonly<Record<string, Coverage>>;
  /** Why draws lack features or may not be read; empty where all is well. */
  readonly stale: readonly string[];
}

export interface SetStatus {
  readonly set: string;
  readonly name: string;
  readonly model: string;
  readonly precision: string;
  readonly tapPoint: string;
  readonly taps: readonly (number | string)[];
  readonly views: readonly string[];
  readonly codec: string;
  readonly images: string;
  readonly parts: number;
  readonly frames: number;
  readonly bytes: number;
  readonly plans: readonly PlanCoverage[];
  readonly stale: readonly string[];
}

/** @param model whose features are expected; null: any */
export async function featureStatus(uri: string, model: FeatureModel | null): Promise<SetStatus[]> {
  const store = await connectStore(uri);
  try {
    const names = new Set(await tableNames(store));
    const plans = [...new Set((await readSegments(store)).map(({ segment }) => segment.plan))];
    const all: SetStatus[] = [];
    for (const set of await readSets(store)) all.push(await setStatus(store, set, { names, plans, model }));
    return all;
  } finally {
    store.connection.close();
  }
}

interface Known {
  readonly names: ReadonlySet<string>;
  readonly plans: readonly string[];
  readonly model: FeatureModel | null;
}

async function setStatus(store: Store, set: FeatureSet, { names, plans, model }: Known): Promise<SetStatus> {
  const parts = newestParts(await readParts(store, set.set));
  const tables = parts.flatMap((part) => part.tables).filter(({ table }) => names.has(table));
  const maps = await readMaps(store, set.set);
  const covered: PlanCoverage[] = [];
  for (const plan of plans) {
    const own = maps.filter((map) => map.plan === plan);
    if (own.length > 0 || parts.some((part) => part.plan === plan))
      covered.push(await planCoverage(store, set, { plan, maps: own, names }));
  }
  const gone = parts
    .flatMap((part) => [part.keys, ...part.tables.map(({ table }) => table)])
    .filter((one) => !names.has(one));
  return {
    ...{
      set: set.set,
      name: set.name,
      model: `${set.model.name} ${set.model.revision}`.trim(),
      precision: set.model.precision,
    },
    ...{
      tapPoint: set.model.tapPoint,
      taps: set.model.taps,
      views: set.views,
      codec: set.codec.name,
      images: set.images,
    },
    parts: parts.length,
    frames: tables.reduce((sum, { rows }) => sum + rows, 0),
    bytes: tables.reduce((sum, { rows, views }) => sum + rows * views.length, 0) * storedBytes(set),
    plans: covered,
    stale: [
      ...gone.map((table) => `the table ${table} is gone: \`prep features run\` makes its part again`),
      ...(model && model.fingerprint !== set.model.fingerprint
        ? [`made with another model: ${unlike(set, { model, codec: set.codec.name, images: set.images }).join('; ')}`]
        : []),
    ],
  };
}

/** Draws of a plan that are compared with the pictures that the store holds now. */
const COMPARED = 64;

async function planCoverage(
  store: Store,
  set: FeatureSet,
  {
    plan,
    maps,
    names,
  }: { readonly plan: string; readonly maps: readonly FeatureMap[]; readonly names: ReadonlySet<string> },
): Promise<PlanCoverage> {
  const rows = await openPlanRows(store, plan).catch((error: unknown) => error);
  if (rows instanceof PrepError) return { plan, draws: 0, covered: 0, datasets: {}, stale: [rows.message] };
  if (rows instanceof Error) throw rows;
  const open = rows as PlanRows;
  try {
    const datasets: Record<string, { draws: number; covered: number }> = {};
    const stale: string[] = [];
    for (const one of open.segments) {
      const { segment } = one;
      const found = maps.find((map) => map.segment === segment.segment);
      const map = found && names.has(found.table) ? found : undefined;
      if (!map) stale.push(`segment ${segment.segment} has no map: \`prep features run\` makes it`);
      else if (map.basis !== basisOf(open, one))
        stale.push(
          `segment ${segment.segment}: its draws or the pictures of its datasets are others now: run it again`,
        );
      else if (map.missing > 0) stale.push(`${map.missing} draws of segment ${segment.segment} have no features`);
      const places = map ? await wholeMap(store, map) : null;
      const there = map?.tables.map(({ table }) => names.has(table)) ?? [];
      for (let i = 0; i < segment.draws; i++) {
        const { dataset } = open.place(segment.start + i);
        const own = datasets[dataset] ?? { draws: 0, covered: 0 };
        datasets[dataset] = own;
        own.draws++;
        if (places && there[places.parts[i]!]) own.covered++;
      }
      if (map && places) stale.push(...(await otherPictures(store, set, { open, map, places, there })));
    }
    const sum = (key: keyof Coverage): number => Object.values(datasets).reduce((total, one) => total + one[key], 0);
    return { plan, draws: sum('draws'), covered: sum('covered'), datasets, stale };
  } finally {
    open.close();
  }
}

type Places = Awaited<ReturnType<typeof readMap>>;

async function wholeMap(store: Store, { table, draws }: FeatureMap): Promise<Places> {
  const map = await needTable(store, table);
  try {
    return await readMap(map, 0, draws);
  } finally {
    map.close();
  }
}

/** Some draws' pictures against those that their features were made of. */
async function otherPictures(
  store: Store,
  set: FeatureSet,
  {
    open,
    map,
    places,
    there,
  }: { readonly open: PlanRows; readonly map: FeatureMap; readonly places: Places; readonly there: readonly boolean[] },
): Promise<string[]> {
  const step = Math.max(1, Math.floor(map.draws / COMPARED));
  const offsets: number[] = [];
  for (let i = 0; i < map.draws; i += step) if (there[places.parts[i]!]) offsets.push(i);
  const { imageHash } = await open.pictures(
    offsets.map((i) => map.start + i),
    { images: false },
  );
  const roles = open.shape.roles;
  const other = new Map<string, number>();
  for (const [part, { table, views }] of map.tables.entries()) {
    const mine = offsets.flatMap((offset, i) => (places.parts[offset] === part ? [{ offset, i }] : []));
    if (mine.length === 0) continue;
    const opened = await needTable(store, table);
    const found = await takeFeatures(
      opened,
      mine.map(({ offset }) => places.rows[offset]!),
      featureShape(set, views),
    ).finally(() => opened.close());
    for (const [j, { offset, i }] of mine.entries()) {
      const same = set.views.every(
        (role) => hashOf(imageHash, i, { roles, role }) === hashOf(found.imageHash, j, { roles: views, role }),
      );
      if (same) continue;
      const { dataset } = open.place(map.start + offset);
      other.set(dataset, (other.get(dataset) ?? 0) + 1);
    }
  }
  return [...other].map(
    ([dataset, count]) =>
      `${count} of ${offsets.length} compared frames of ${dataset} have other pictures now: run it again`,
  );
}
