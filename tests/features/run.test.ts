/** `prep features run` on the bundled episodes: which frames are computed, what is written, what is refused. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { openGraphs } from '../../pipelines/features/graphs.ts';
import { fingerprintOf, readModel } from '../../pipelines/features/model.ts';
import { storedPictures } from '../../pipelines/features/pictures.ts';
import { featureStatus } from '../../pipelines/features/status.ts';
import { openPlanRows } from '../../pipelines/mixed/plan-rows.ts';
import { openPlanReader, type PlanBatch } from '../../pipelines/mixed/reader.ts';
import { featureGarbage } from '../../sinks/feature-gc.ts';
import { readMaps, readParts, readSets } from '../../sinks/features.ts';
import { connectStore, type Store, tableNames } from '../../sinks/store.ts';
import { prep, prepJson } from '../cli/run.ts';
import { freshFolder, KARLP, RELEASE } from '../e2e/demo-set.ts';
import { failure } from '../formats/memory-file.ts';
import { CPU, demoStore, FROZEN, MODEL, maxRel, planOf, runFeatures } from './tiny.ts';

const VALUES = 10 * 64 * 32;

async function withStore<T>(uri: string, work: (store: Store) => Promise<T>): Promise<T> {
  const store = await connectStore(uri);
  return work(store).finally(() => store.connection.close());
}

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

async function batchesOf(store: string, plan: string, words: object = {}): Promise<PlanBatch[]> {
  const reader = await openPlanReader({
    store,
    plan,
    batch: 16,
    images: false,
    features: { set: 'apt-stage1' },
    ...words,
  });
  const all: PlanBatch[] = [];
  for await (const batch of reader.batches()) all.push(batch);
  reader.close();
  return all;
}

/** A model that differs from the tiny one in what is given; its own fingerprint is right. */
function otherModel(change: (model: ReturnType<typeof JSON.parse>) => void): string {
  const folder = freshFolder();
  cpSync(MODEL, folder, { recursive: true });
  const file = join(folder, 'model.json');
  const model = JSON.parse(readFileSync(file, 'utf8'));
  change(model);
  writeFileSync(file, JSON.stringify({ ...model, fingerprint: fingerprintOf(model) }));
  return folder;
}

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

describe('what is refused', () => {
  let store: string;
  let plan: string;
  beforeAll(async () => {
    store = await demoStore();
    plan = await planOf(store, 64);
  });

  it('is a plan that trains the model, when run and when read; a frozen vision tower is enough for its outputs', async () => {
    const trained = await planOf(store, 64, 0, { ...FROZEN, trains_vlm: true });
    expect(await failure(() => runFeatures(store, trained))).toMatchObject({
      code: 'bad-option',
      message: expect.stringContaining('trains_vlm'),
    });
    await runFeatures(store, plan);
    expect(await failure(() => batchesOf(store, trained))).toMatchObject({ code: 'bad-option' });
    const vision = otherModel((model) => Object.assign(model, { languageModel: false, revision: 'v' }));
    expect(await failure(() => runFeatures(store, trained, { model: vision, name: 'vit' }))).toMatchObject({
      message: expect.stringContaining('trains_vision'),
    });
    const tower = await planOf(store, 64, 0, { ...FROZEN, trains_vlm: true, trains_vision: false });
    expect(await failure(() => runFeatures(store, tower))).toMatchObject({ code: 'bad-option' });
  });

  it('is more than the byte budget, before anything is computed', async () => {
    const small = await planOf(store, 64, 9);
    const words = [
      'features',
      'run',
      store,
      '--plan',
      small,
      '--model',
      MODEL,
      '--codec',
      'f16',
      '--name',
      'small',
      '--sample',
      '4',
    ];
    const { code, value } = await prepJson<{ error: { code: string }; message: string }>(
      ...words,
      '--accept-bytes',
      '10KB',
    );
    expect([code, value.error.code]).toEqual([1, 'feature-budget']);
    expect(value.message).toMatch(/--accept-bytes/);
    // Not even the sample of the gate: the set does not exist.
    expect((await withStore(store, readSets)).map(({ name }) => name)).not.toContain('small');
  });

  it('is a file of the model that was changed, is not there, or says what it is not', async () => {
    const folder = otherModel(() => undefined);
    const weights = join(folder, 'weights.bin');
    const sound = readFileSync(weights);
    const changed = Buffer.from(sound);
    changed[1000]! ^= 1;
    writeFileSync(weights, changed);
    expect(await failure(() => runFeatures(store, plan, { model: folder }))).toMatchObject({
      code: 'bad-model',
      at: { file: weights },
    });
    writeFileSync(weights, sound.subarray(1));
    expect(await failure(() => runFeatures(store, plan, { model: folder }))).toMatchObject({ code: 'bad-model' });
    const model = JSON.parse(readFileSync(join(folder, 'model.json'), 'utf8'));
    writeFileSync(join(folder, 'model.json'), JSON.stringify({ ...model, taps: [0, 3, 6, 8, 11, 14, 17, 20, 22, 24] }));
    expect(await failure(() => runFeatures(store, plan, { model: folder }))).toMatchObject({
      code: 'bad-model',
      message: expect.stringContaining('fingerprint'),
    });
    expect(await failure(() => runFeatures(store, plan, { model: '/nowhere' }))).toMatchObject({ code: 'bad-model' });
  });

  it('is a provider whose files are not there, each named with where it comes from', async () => {
    const { code, stderr } = await prep(
      'features',
      'run',
      store,
      '--plan',
      plan,
      '--model',
      MODEL,
      '--provider',
      'cuda',
    );
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /libonnxruntime_providers_cuda\.so \(pip package onnxruntime-gpu==[\d.]+, folder onnxruntime\/capi/,
    );
  });

  it('is a row without features, unless a function computes them', async () => {
    const long = await planOf(store, 128, 3);
    await runFeatures(store, long, { range: [0, 64] });
    const error = await failure(() => batchesOf(store, long));
    expect(error).toMatchObject({
      code: 'stale-features',
      message: expect.stringMatching(/16 of 16 draws without, the first of them draw 64|draws without/),
    });
    const asked: number[] = [];
    const compute = async ({ at }: { at: readonly number[] }) => {
      asked.push(at.length);
      return new Float32Array(at.length * 2 * VALUES).fill(3);
    };
    const found = await batchesOf(store, long, { features: { set: 'apt-stage1', compute } });
    const missing = found.map(({ features }) => features!.missing);
    expect(missing.filter((one) => one > 0)).toEqual(asked);
    expect(found.at(-1)!.features!.values.some((one) => one === 3)).toBe(true);
    // The rest of the plan makes it whole; the map is replaced.
    await runFeatures(store, long);
    const [set] = await withStore(store, readSets);
    const maps = await withStore(store, (opened) => readMaps(opened, set!.set, long));
    expect(maps).toMatchObject([{ segment: 0, revision: 1, missing: 0 }]);
    expect((await batchesOf(store, long)).length).toBe(8);
  });
});

describe('pictures', () => {
  it('that were made again make features stale: said, refused, made anew', async () => {
    const store = await demoStore();
    const plan = await planOf(store, 64);
    await runFeatures(store, plan);
    const words = ['ingest', 'droid', '--root', RELEASE, '--store', store, '--calibration', KARLP, '--third2', 'other'];
    expect((await prep(...words, '--replace', '--jpeg-quality', '80')).code).toBe(0);
    const error = await failure(() => batchesOf(store, plan));
    expect(error).toMatchObject({ code: 'stale-features', at: { camera: 'third', dataset: 'droid' } });
    const [before] = await featureStatus(store, null);
    expect(before!.plans[0]!.stale.join()).toMatch(/other pictures now|made again/);
    expect(await runFeatures(store, plan)).toMatchObject({ made: 1, missing: 0 });
    expect((await batchesOf(store, plan)).length).toBe(4);
    expect((await featureStatus(store, null))[0]!.plans[0]!.stale).toEqual([]);
    expect((await withStore(store, (opened) => featureGarbage(opened))).unused.length).toBe(1);
  });

  it('may be read again from the source, before JPEG, proved by the stored picture', async () => {
    const store = await demoStore();
    const plan = await planOf(store, 32);
    const words = [
      'features',
      'run',
      store,
      '--plan',
      plan,
      '--model',
      MODEL,
      '--codec',
      'f32',
      '--sample',
      '4',
      '--from',
      'source',
    ];
    const { code, value } = await prepJson<{ computed: number; message?: string }>(
      ...words,
      '--root',
      `droid=${RELEASE}`,
      '--calibration',
      `droid=${KARLP}`,
    );
    expect(code, value.message).toBe(0);
    await runFeatures(store, plan, { name: 'stored' });
    const [source, jpegs] = [
      await batchesOf(store, plan),
      await batchesOf(store, plan, { features: { set: 'stored' } }),
    ];
    const difference = maxRel(source[0]!.features!.values, jpegs[0]!.features!.values);
    // JPEG at quality 95 changes a little, and not nothing.
    expect(difference).toBeGreaterThan(1e-5);
    expect(difference).toBeLessThan(0.2);
    const again = words.map((word) => (word === 'f32' ? 'bf16' : word));
    expect((await prep(...again, '--name', 'again', '--root', `droid=${RELEASE}`)).stderr).toMatch(
      /--calibration droid=DIR/,
    );
    expect((await prep(...again, '--name', 'again')).stderr).toMatch(/--root droid=URI/);
  });
});

it('a set that is dropped, and attempts that died, go with gc; what counts stays', async () => {
  const store = await demoStore();
  const plan = await planOf(store, 64);
  await runFeatures(store, plan);
  await runFeatures(store, plan, { codec: 'int8', name: 'small' });
  expect((await prep('features', 'drop', store, 'small')).code).toBe(0);
  expect((await prep('features', 'drop', store, 'small')).code).toBe(1);
  const before = await withStore(store, tableNames);
  expect((await prep('gc', store)).code).toBe(0);
  const after = await withStore(store, tableNames);
  const [set] = await withStore(store, readSets);
  expect(before.length - after.length).toBe(5);
  expect(
    after.filter((name) => name.startsWith('features_')).every((name) => name.startsWith(`features_${set!.set}_`)),
  ).toBe(true);
  expect((await batchesOf(store, plan)).length).toBe(4);
  expect((await prep('plan', 'drop', store, plan)).code).toBe(0);
  expect((await prep('gc', store)).stdout).toMatch(/1 tables of features that no plan uses stay/);
  expect((await prep('gc', store, '--unused-features')).code).toBe(0);
  expect((await withStore(store, tableNames)).filter((name) => /^features_[0-9a-f]+_[0-9a-f]+x/.test(name))).toEqual(
    [],
  );
});
