/** Nights that also keep features: made before the generation counts, only what is new, killed or not. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { openPlanReader } from '../../pipelines/mixed/reader.ts';
import { readGenerations } from '../../sinks/generations.ts';
import { connectStore } from '../../sinks/store.ts';
import { prep } from '../cli/run.ts';
import { freshFolder } from '../e2e/demo-set.ts';
import { MODEL } from '../features/tiny.ts';
import { type Recordings, recordings } from './recordings.ts';

let store: string;
let root: string;
let config: string;
let lab: Recordings;
beforeEach(async () => {
  [store, root, config] = [freshFolder(), freshFolder(), join(freshFolder(), 'nightly.json')];
  mkdirSync(root, { recursive: true });
  lab = await recordings(root);
});

function configure(features: object, mixture: object = {}): void {
  const value = {
    sources: [{ dataset: 'bayesvla', root, max_quarantine: 1 }],
    mixture: { entries: [{ dataset: 'bayesvla', weight: 1 }], trains_vlm: false, ...mixture },
    ...{ segment_draws: 32, shard_draws: 16, workers: 1, stats: false },
    features: { model: MODEL, codec: 'f16', part_draws: 16, ...features },
  };
  writeFileSync(config, JSON.stringify(value));
}

const night = () => prep('reshard', store, '--config', config, '--if-stale');

async function latest(): Promise<number> {
  const reader = await openPlanReader({
    store,
    plan: 'latest',
    batch: 16,
    images: false,
    features: { set: 'apt-stage1' },
  });
  let missing = 0;
  for await (const { features } of reader.batches()) missing += features!.missing;
  reader.close();
  return missing;
}

it('computes what a night adds and publishes it with the rest', { timeout: 180_000 }, async () => {
  configure({});
  lab.record(0, 0);
  const first = JSON.parse((await night()).stdout);
  expect(first).toMatchObject({ state: 'done', features: { missing: 0 } });
  expect(first.features.computed).toBeGreaterThan(0);
  expect(await latest()).toBe(0);
  // Another recording with the same pictures: they have their features already.
  lab.record(1, 0);
  const second = JSON.parse((await night()).stdout);
  expect(second).toMatchObject({ state: 'done', draws: 64, features: { set: first.features.set, missing: 0 } });
  expect(second.features.computed).toBeLessThan(first.features.computed);
  expect(await latest()).toBe(0);
  const opened = await connectStore(store);
  expect((await readGenerations(opened)).map(({ features }) => features)).toEqual([
    first.features.set,
    first.features.set,
  ]);
  opened.connection.close();
});

it('says what is wrong before anything is frozen, and publishes nothing over the budget', {
  timeout: 180_000,
}, async () => {
  lab.record(0, 0);
  configure({ model: './nowhere' });
  expect((await night()).stderr).toMatch(/bad-model \(file .*nowhere\/model\.json\)/);
  configure({ provider: 'cuda' });
  expect((await night()).stderr).toMatch(/libonnxruntime_providers_cuda\.so/);
  configure({ accept_bytes: 1000 });
  expect((await night()).stderr).toMatch(/feature-budget/);
  configure({}, { trains_vlm: true });
  expect((await night()).stderr).toMatch(/trains it/);
  const opened = await connectStore(store);
  expect(await readGenerations(opened)).toEqual([]);
  opened.connection.close();
  configure({});
  expect(JSON.parse((await night()).stdout)).toMatchObject({ state: 'done', generation: 1 });
});
