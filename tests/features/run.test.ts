/** `prep features run` on the bundled episodes: which frames are computed, what is written, how readers get it. */
import { beforeAll, describe, expect, it } from 'vitest';
import { openGraphs } from '../../pipelines/features/graphs.ts';
import { readModel } from '../../pipelines/features/model.ts';
import { storedPictures } from '../../pipelines/features/pictures.ts';
import { featureStatus } from '../../pipelines/features/status.ts';
import { openPlanRows } from '../../pipelines/mixed/plan-rows.ts';
import type { PlanBatch } from '../../pipelines/mixed/reader.ts';
import { readParts, readSets } from '../../sinks/features.ts';
import { prep } from '../cli/run.ts';
import { failure } from '../formats/memory-file.ts';
import {
  batchesOf,
  CPU,
  demoStore,
  MODEL,
  maxRel,
  otherModel,
  planOf,
  runFeatures,
  VALUES,
  withStore,
} from './tiny.ts';

/** Distinct (episode, step) of draws, by going through all of them. */
const distinctSteps = (uri: string, plan: string, from = 0, to = Number.POSITIVE_INFINITY): Promise<Set<string>> =>
  withStore(uri, async (store) => {
    const rows = await openPlanRows(store, plan);
    const steps = new Set<string>();
    for (let draw = from; draw < Math.min(to, rows.draws); draw++) {
      const { episodeKey, step } = rows.place(draw);
      steps.add(`${episodeKey}/${step}`);
    }
    rows.close();
    return steps;
  });

/** Hashes of the pictures of each distinct (episode, step), in the order of their first draws. */
const picturesOf = (uri: string, plan: string): Promise<Map<string, string>> =>
  withStore(uri, async (store) => {
    const rows = await openPlanRows(store, plan);
    const draws = Array.from({ length: rows.draws }, (_, draw) => draw);
    const { imageHash } = await rows.pictures(draws, { images: false });
    const [roles, found] = [rows.shape.roles, new Map<string, string>()];
    for (const draw of draws) {
      const { episodeKey, step } = rows.place(draw);
      const hashOf = (role: 'third' | 'wrist') => imageHash[draw * roles.length + roles.indexOf(role)];
      found.set(`${episodeKey}/${step}`, `${hashOf('third')} ${hashOf('wrist')}`);
    }
    rows.close();
    return found;
  });

describe('a plan’s frames', () => {
  let store: string;
  let plan: string;
  let batches: PlanBatch[];
  beforeAll(async () => {
    store = await demoStore();
    plan = await planOf(store, 208);
    const report = await runFeatures(store, plan);
    expect(report).toMatchObject({ state: 'done', name: 'apt-stage1', parts: 4, made: 4, there: 0, missing: 0 });
    expect(report.computed + report.reused).toBe((await distinctSteps(store, plan)).size);
    batches = await batchesOf(store, plan);
  });

  it('have the numbers that the graph gives for the pictures of their rows', async () => {
    await withStore(store, async (opened) => {
      const rows = await openPlanRows(opened, plan);
      const source = storedPictures(rows, 1);
      const graphs = openGraphs(readModel(MODEL), CPU);
      for (const { step, features } of batches.filter((_, i) => i % 4 === 0)) {
        const draws = Array.from({ length: 16 }, (_, i) => 16 * step + i);
        const { images } = await source.read(draws, ['third', 'wrist']);
        const { raw } = await graphs.run({ views: ['third', 'wrist'], images, frames: 16, codec: null });
        for (let i = 0; i < 16; i++)
          for (const [v, role] of (['third', 'wrist'] as const).entries()) {
            const found = features!.values.subarray((2 * i + v) * VALUES, (2 * i + v + 1) * VALUES);
            expect(maxRel(found, raw[role]!.subarray(i * VALUES, (i + 1) * VALUES))).toBeLessThan(1e-5);
          }
        expect([...features!.present]).toEqual(new Array(32).fill(1));
      }
      await Promise.all([source.close(), graphs.close()]);
      rows.close();
    });
  });

  it('lie in the order of their first draws, each once', async () => {
    await withStore(store, async (opened) => {
      const [set] = await readSets(opened);
      const parts = await readParts(opened, set!.set);
      const rows = await openPlanRows(opened, plan);
      const seen = new Set<string>();
      for (const { start, draws, tables } of parts) {
        const wanted: string[] = [];
        for (let draw = start; draw < start + draws; draw++) {
          const { episodeKey, step } = rows.place(draw);
          if (seen.has(`${episodeKey}/${step}`)) continue;
          seen.add(`${episodeKey}/${step}`);
          wanted.push(`${episodeKey}/${step}`);
        }
        const found: string[] = [];
        for (const { table } of tables) {
          const one = await opened.connection.openTable(table);
          for (const row of await one.query().select(['episode_key', 'step']).toArray())
            found.push(`${row.episode_key}/${row.step}`);
        }
        // Frames with equal pictures are one: what is there is a part of what is first drawn, in its order.
        expect(wanted.filter((one) => found.includes(one))).toEqual(found);
      }
      rows.close();
    });
  });

  it('are the same from shards and at random, on any ranks, from any step', async () => {
    expect((await prep('shard', store, '--plan', plan, '--size', '64')).code).toBe(0);
    const shards = await batchesOf(store, plan, { from: 'shards' });
    expect(shards.map(({ features }) => features)).toEqual(batches.map(({ features }) => features));
    const later = await batchesOf(store, plan, { from: 'plan', startStep: 7 });
    expect(later.map(({ step, features }) => [step, features])).toEqual(
      batches.slice(7).map(({ step, features }) => [step, features]),
    );
    const half = await batchesOf(store, plan, { rank: 1, world: 2 });
    expect(half[3]!.features!.values).toEqual(batches[3]!.features!.values.subarray(8 * 2 * VALUES));
  });

  it('are not computed again, by this plan or for another seed', async () => {
    expect(await runFeatures(store, plan)).toMatchObject({ made: 0, there: 4, computed: 0, missing: 0 });
    const other = await planOf(store, 48, 5);
    const [mine, theirs] = [await picturesOf(store, plan), await picturesOf(store, other)];
    const report = await runFeatures(store, other);
    // By hand: a frame is reused where its two pictures were drawn before, by the first plan or earlier by this one.
    const known = new Set(mine.values());
    let hits = 0;
    for (const pictures of theirs.values()) {
      if (known.has(pictures)) hits++;
      known.add(pictures);
    }
    expect(hits).toBeGreaterThan(10);
    expect(report).toMatchObject({ missing: 0, reused: hits, computed: theirs.size - hits });
    expect((await batchesOf(store, other)).every(({ features }) => features!.missing === 0)).toBe(true);
  });

  it('are read by `prep read`, which counts draws without', async () => {
    const words = ['read', store, '--plan', plan, '--batch', '16', '--no-images', '--features'];
    expect((await prep(...words, 'apt-stage1')).stdout).toMatch(/features apt-stage1: 208 of 208 rows have them/);
    expect((await prep(...words, 'other')).stderr).toMatch(/unknown-features .* found apt-stage1/);
  });

  it('are covered as status says', async () => {
    const [one] = await featureStatus(store, null);
    expect(one).toMatchObject({ name: 'apt-stage1', codec: 'f32', stale: [] });
    expect(one!.plans.find((row) => row.plan === plan)).toEqual({
      plan,
      draws: 208,
      covered: 208,
      datasets: { droid: { draws: 208, covered: 208 } },
      stale: [],
    });
  });

  it('of another model cannot be taken for these', async () => {
    const read = (features: object) => failure(() => batchesOf(store, plan, { features }));
    expect(await read({ set: 'apt-stage1', model: 'f'.repeat(64) })).toMatchObject({ code: 'unknown-features' });
    expect(await read({ set: 'apt-stage2' })).toMatchObject({ code: 'unknown-features', at: { field: 'apt-stage2' } });
    const { fingerprint } = readModel(MODEL);
    expect((await batchesOf(store, plan, { features: { set: 'apt-stage1', model: fingerprint } })).length).toBe(13);
  });

  it.each<[string, (model: ReturnType<typeof JSON.parse>) => void, RegExp]>([
    ['prefix', (model) => model.prompt.prefixIds.push(7), /prefix \(\[500,72,98\] there, \[500,72,98,7\] now\)/],
    [
      'order of views',
      (model) => model.views.reverse(),
      /views \(\["third","wrist"\] there, \["wrist","third"\] now\)/,
    ],
    ['revision', (model) => (model.model.revision = 'other'), /revision/],
    [
      'weights',
      (model) => (model.model.sha256['model.safetensors'] = '0'.repeat(64)),
      /weights, processor settings or graphs/,
    ],
  ])('made with another %s need a name of their own', async (_, change, words) => {
    const error = await failure(() => runFeatures(store, plan, { model: otherModel(change) }));
    expect(error).toMatchObject({ code: 'bad-option', at: { field: '--name' } });
    expect(error.message).toMatch(words);
  });
});
