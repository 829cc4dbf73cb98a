/** Nights on which something is amiss: recordings come back, folders are empty, the config changes while a night is unfinished. */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { freezeIntent } from '../../sinks/generations.ts';
import { readLedger } from '../../sinks/read.ts';
import { readShards } from '../../sinks/shards.ts';
import { connectStore } from '../../sinks/store.ts';
import { prep } from '../cli/run.ts';
import { freshFolder } from '../e2e/demo-set.ts';
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

const MIXTURE = { entries: [{ dataset: 'bayesvla', weight: 1 }] };

function configure(more: object = {}): void {
  const source = { dataset: 'bayesvla', root, max_quarantine: 1 };
  const common = {
    sources: [source],
    mixture: MIXTURE,
    segment_draws: 32,
    shard_draws: 16,
    vanished: 'exclude',
    workers: 1,
  };
  writeFileSync(config, JSON.stringify({ ...common, stats: false, ...more }));
}

const night = (...words: string[]) => prep('reshard', store, '--config', config, '--if-stale', ...words);

async function fine(...words: string[]) {
  const { code, stdout, stderr } = await night(...words);
  expect([code, stderr]).toEqual([0, '']);
  return JSON.parse(stdout);
}

const kept = async () =>
  (await readLedger(store, 'bayesvla')).filter(({ entry }) => entry.state === 'kept').map(({ entry }) => entry.episode);

it('draws a recording that came back', { timeout: 120_000 }, async () => {
  configure();
  lab.record(0, 0);
  lab.record(1, 0);
  await fine();
  lab.vanish(1);
  await fine();
  expect(await kept()).toHaveLength(1);
  lab.record(1, 0);
  await fine();
  expect(await kept()).toHaveLength(2);
});

it('goes on when the first recordings come after the first night', { timeout: 120_000 }, async () => {
  configure();
  expect((await night()).stderr).toMatch(/source-missing/);
  lab.record(0, 0);
  expect(await fine()).toMatchObject({ state: 'done', generation: 1 });
});

it('does not take an empty folder for news', { timeout: 120_000 }, async () => {
  configure();
  lab.record(0, 0);
  lab.record(1, 0);
  await fine();
  renameSync(root, `${root}-away`);
  expect((await night()).stderr).toMatch(/source-missing/);
  mkdirSync(root);
  expect((await night()).stderr).toMatch(/source-missing/);
  renameSync(root, `${root}-empty`);
  renameSync(`${root}-away`, root);
  expect(await fine()).toMatchObject({ state: 'nothing-new' });
  expect(await kept()).toHaveLength(2);
});

it('finishes a night that began before a source was there, with the config as it is now', {
  timeout: 120_000,
}, async () => {
  configure();
  lab.record(0, 0);
  const open = await connectStore(store);
  await freezeIntent(open, { generation: 1, config: 'before', listing: {}, segments: 0, plan: null });
  expect(await fine()).toMatchObject({ state: 'done', generation: 1, published: [1] });
  open.connection.close();
  expect(await fine()).toMatchObject({ state: 'nothing-new' });
});

it('makes a shard again that an earlier segment left short', { timeout: 120_000 }, async () => {
  configure({ segment_draws: 48 });
  lab.record(0, 0);
  const { plan } = await fine();
  // A plan whose shards are of another size from now on.
  expect((await prep('shard', store, '--plan', plan, '--size', '32', '--replace')).code).toBe(0);
  configure({ segment_draws: 32, shard_draws: 32, shards: false });
  lab.record(1, 0);
  await fine();
  // A call that does not make it again leaves it: its draws are still right.
  expect((await prep('shard', store, '--plan', plan, '--size', '32', '--range', '0:32')).code).toBe(0);
  expect(await shardsOf(plan)).toEqual([
    [0, 32],
    [32, 16],
  ]);
  configure({ segment_draws: 32, shard_draws: 32 });
  await fine();
  const shards = await shardsOf(plan);
  expect(shards).toEqual([
    [0, 32],
    [32, 32],
    [64, 32],
    [96, 16],
  ]);
});

it('makes shards of the newest plan under its own name', { timeout: 120_000 }, async () => {
  configure({ shards: false });
  lab.record(0, 0);
  const { plan } = await fine();
  expect((await prep('shard', store, '--plan', 'latest', '--size', '16')).stderr).not.toMatch(/prep:/);
  expect(await shardsOf(plan)).toEqual([
    [0, 16],
    [16, 16],
  ]);
});

it('takes a changed list of exclusions for news, and makes a new plan where the old one was dropped', {
  timeout: 120_000,
}, async () => {
  const excluded = join(freshFolder(), 'excluded.txt');
  writeFileSync(excluded, '');
  configure({ sources: [{ dataset: 'bayesvla', root, max_quarantine: 1, exclude: excluded }] });
  lab.record(0, 0);
  lab.record(1, 0);
  const { plan } = await fine();
  expect(await fine()).toMatchObject({ state: 'nothing-new' });
  writeFileSync(excluded, 'episode_000001\n');
  expect((await prep('plan', 'drop', store, plan)).code).toBe(0);
  expect(await fine()).toMatchObject({ state: 'done', changed: 1, generation: 2, draws: 32 });
  expect(await kept()).toEqual(['episode_000000']);
});

it('refuses two sources of one name', async () => {
  const source = { dataset: 'bayesvla', root, max_quarantine: 1 };
  configure({ sources: [source, { ...source, root: `${root}-2` }] });
  expect((await night()).stderr).toMatch(/bad-mixture .*sources: two sources of one name/);
});

async function shardsOf(plan: string): Promise<number[][]> {
  const open = await connectStore(store);
  const shards = (await readShards(open, plan)).map(({ start, draws }) => [start, draws]);
  open.connection.close();
  return shards;
}

it('keeps the rows of an old revision as long as a plan draws them', { timeout: 300_000 }, async () => {
  configure({ vanished: 'keep' });
  lab.record(0, 0);
  lab.record(1, 0);
  const { plan } = await fine();
  lab.record(1, 1);
  await fine();
  const gc = async (...words: string[]) => JSON.parse((await prep('gc', store, '--json', ...words)).stdout).datasets[0];
  expect(await gc()).toMatchObject({ stepRows: 0, replacedKept: 6 });
  expect((await prep('read', store, '--plan', plan, '--batch', '16', '--from', 'plan')).code).toBe(0);
  expect((await prep('plan', 'drop', store, plan)).code).toBe(0);
  // The revision that nobody draws any more.
  expect(await gc('--dry-run')).toMatchObject({ stepRows: 6, replacedKept: 0 });
  expect(await gc()).toMatchObject({ stepRows: 6, replacedKept: 0 });
});
