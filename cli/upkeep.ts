/** `prep compact` and `prep gc`. */
import { EXIT, PrepError } from '../schemas/errors.ts';
import { compactDataset } from '../sinks/compact.ts';
import { featureGarbage, forgetMapsOfGonePlans, forgetUnused } from '../sinks/feature-gc.ts';
import { gcDataset } from '../sinks/gc.ts';
import { listDatasets } from '../sinks/read.ts';
import { dropTable, orphanShards } from '../sinks/shards.ts';
import { connectStore, storeToOpen } from '../sinks/store.ts';
import { bytes, openOutput } from './print.ts';

interface UpkeepWords {
  readonly dataset?: string;
  readonly dryRun?: boolean;
  readonly unusedFeatures?: boolean;
  readonly json?: boolean;
}

async function chosen(store: string, { dataset }: UpkeepWords): Promise<string[]> {
  const names = await listDatasets(store);
  if (dataset === undefined) return names;
  if (names.includes(dataset)) return [dataset];
  throw new PrepError({
    code: 'unknown-dataset',
    at: { store, dataset },
    expected: names.length > 0 ? `one of ${names.join(', ')}` : 'a store with a dataset',
    found: names.length > 0 ? dataset : 'an empty one',
  });
}

export async function compact(store: string, words: UpkeepWords): Promise<number> {
  const uri = storeToOpen(store);
  const out = openOutput(words.json ?? false);
  const names = await chosen(uri, words);
  if (words.dryRun) {
    out.result({ store: uri, datasets: names }, `would compact ${names.join(', ') || 'nothing'}`);
    return EXIT.done;
  }
  const done = [];
  for (const name of names) done.push(...(await compactDataset(uri, name)));
  const lines = done.map(
    (one) =>
      `${one.table}: ${one.fragmentsRemoved} fragments → ${one.fragmentsAdded}, ${one.versionsRemoved} old versions (${bytes(one.bytesRemoved)}) removed`,
  );
  out.result({ store: uri, tables: done }, lines.join('\n') || 'nothing to compact');
  return EXIT.done;
}

export async function gc(store: string, words: UpkeepWords): Promise<number> {
  const uri = storeToOpen(store);
  const done = [];
  for (const name of await chosen(uri, words)) done.push(await gcDataset(uri, name, { dryRun: words.dryRun ?? false }));
  const verb = words.dryRun ? 'would be removed' : 'removed';
  const dryRun = words.dryRun ?? false;
  const shards = words.dataset === undefined ? await gcShards(uri, dryRun) : [];
  const features =
    words.dataset === undefined ? await gcFeatures(uri, { dryRun, unused: words.unusedFeatures ?? false }) : NONE;
  const lines = done.map(
    (one) =>
      `${one.dataset}: ${one.stepRows} step rows and ${one.trackRows} tracks of ${one.groups} groups ${verb}; ${one.partsLive} parts are being written, ${one.partsRecovered} dead ones recovered${one.replacedKept > 0 ? `; ${one.replacedKept} replaced rows stay for plans` : ''}`,
  );
  if (shards.length > 0) lines.push(`${shards.length} tables of training shards that no plan names ${verb}`);
  if (features.dropped.length > 0)
    lines.push(`${features.dropped.length} tables of features that nothing names ${verb}`);
  if (features.unused.length > 0)
    lines.push(`${features.unused.length} tables of features that no plan uses stay: --unused-features removes them`);
  openOutput(words.json ?? false).result(
    { store: uri, datasets: done, shards, features },
    lines.join('\n') || 'nothing to remove',
  );
  return EXIT.done;
}

const NONE = { dropped: [], unused: [] } as const;

/** Features that nothing names, and if asked those that no plan uses. */
async function gcFeatures(uri: string, { dryRun, unused }: { readonly dryRun: boolean; readonly unused: boolean }) {
  const store = await connectStore(uri);
  try {
    if (!dryRun) await forgetMapsOfGonePlans(store);
    const garbage = await featureGarbage(store);
    const dropped = [...garbage.orphans];
    if (unused) dropped.push(...(dryRun ? garbage.unused : await forgetUnused(store, garbage.unused)));
    if (!dryRun) for (const table of dropped) await dropTable(store, table);
    return { dropped, unused: unused ? [] : garbage.unused };
  } finally {
    store.connection.close();
  }
}

/** Shards of dropped plans, and those that a killed process never published. */
async function gcShards(uri: string, dryRun: boolean): Promise<string[]> {
  const store = await connectStore(uri);
  try {
    const orphans = await orphanShards(store);
    if (!dryRun) for (const table of orphans) await dropTable(store, table);
    return orphans;
  } finally {
    store.connection.close();
  }
}
