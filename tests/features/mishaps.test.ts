/** What happens to a store around its features: sets dropped and made again, plans gone, tables lost, pictures exchanged. Nothing is ever silently wrong or lost for good. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { makeFeatures } from '../../pipelines/features/run.ts';
import { openPlanReader } from '../../pipelines/mixed/reader.ts';
import { featureGarbage } from '../../sinks/feature-gc.ts';
import { readMaps, readParts, readSets } from '../../sinks/features.ts';
import { prep } from '../cli/run.ts';
import { freshFolder, KARLP, RELEASE } from '../e2e/demo-set.ts';
import { failure } from '../formats/memory-file.ts';
import { demoStore, planOf, requestOf, runFeatures, withStore } from './tiny.ts';

/** Present views of every row, by reading the whole plan. */
async function read(store: string, plan: string, set = 'apt-stage1') {
  const reader = await openPlanReader({ store, plan, batch: 16, images: false, features: { set } });
  const found = { rows: 0, views: 0, missing: 0, largest: 0 };
  try {
    for await (const { features } of reader.batches()) {
      found.rows += features!.present.length / 2;
      found.views += features!.present.reduce((sum, one) => sum + one, 0);
      found.missing += features!.missing;
      for (const x of features!.values) found.largest = Math.max(found.largest, Math.abs(x));
    }
    return found;
  } finally {
    // Also after an error that was caught: closing must not end the process.
    reader.close();
  }
}

/** A run that is interrupted when it has computed so many frames. */
async function interrupted(store: string, plan: string, frames: number, wish: Parameters<typeof requestOf>[2] = {}) {
  const stop = new AbortController();
  const progress = (seen: number): void => void (seen >= frames && stop.abort());
  const report = await makeFeatures(requestOf(store, plan, { batch: 4, ...wish }), { signal: stop.signal, progress });
  expect(report.state).toBe('interrupted');
  return report;
}

it('a set that was dropped and made again has nothing of the old one', async () => {
  const store = await demoStore();
  const [one, two] = [await planOf(store, 32), await planOf(store, 32, 7)];
  await runFeatures(store, one, { codec: 'int8' });
  const before = await read(store, one);
  expect((await prep('features', 'drop', store, 'apt-stage1')).code).toBe(0);
  // Calibrated on other frames: with the old tables it would decode to nonsense.
  expect(await runFeatures(store, two, { codec: 'int8' })).toMatchObject({
    reused: expect.any(Number),
    made: 1,
  });
  expect(await failure(() => read(store, one))).toMatchObject({
    code: 'stale-features',
    message: expect.stringContaining('no map'),
  });
  await runFeatures(store, one, { codec: 'int8' });
  expect((await read(store, one)).largest).toBeCloseTo(before.largest, 0);
});

it('frames that a plan took over from another one are made again when that one’s are gone', async () => {
  const store = await demoStore();
  const [one, two] = [await planOf(store, 32), await planOf(store, 128, 5)];
  await runFeatures(store, one, { partDraws: 32 });
  const { reused } = await interrupted(store, two, 12, { partDraws: 32 });
  expect(reused).toBeGreaterThan(0);
  expect((await prep('plan', 'drop', store, one)).code).toBe(0);
  // They are in use by the unfinished plan: not unused.
  expect(await withStore(store, featureGarbage)).toMatchObject({ unused: [] });
  const [set] = await withStore(store, readSets);
  const [first] = await withStore(store, (opened) => readParts(opened, set!.set));
  rmSync(join(store, `${first!.tables[0]!.table}.lance`), { recursive: true });
  expect(await runFeatures(store, two, { partDraws: 32 })).toMatchObject({ state: 'done', missing: 0 });
  expect(await read(store, two)).toMatchObject({ rows: 128, missing: 0 });
});

it('a lost table is said, and its part made again; other plans go on', async () => {
  const store = await demoStore();
  const [one, two] = [await planOf(store, 64), await planOf(store, 32, 5)];
  await runFeatures(store, one);
  const [set] = await withStore(store, readSets);
  const [part] = await withStore(store, (opened) => readParts(opened, set!.set));
  rmSync(join(store, `${part!.tables[0]!.table}.lance`), { recursive: true });
  expect(await failure(() => read(store, one))).toMatchObject({ code: 'stale-features' });
  expect((await prep('features', 'status', store)).stdout).toMatch(/is gone: `prep features run` makes its part again/);
  expect(await runFeatures(store, two)).toMatchObject({ missing: 0, computed: expect.any(Number) });
  expect(await runFeatures(store, one)).toMatchObject({ made: 1, missing: 0 });
  expect(await read(store, one)).toMatchObject({ missing: 0 });
  expect((await prep('features', 'status', store)).stdout).not.toMatch(/stale:/);
});

it('a plan that was dropped and made again finds its frames, not its old map', async () => {
  const store = await demoStore();
  const plan = await planOf(store, 64);
  await runFeatures(store, plan);
  expect((await prep('plan', 'drop', store, plan)).code).toBe(0);
  const [set] = await withStore(store, readSets);
  const [map] = await withStore(store, (opened) => readMaps(opened, set!.set));
  rmSync(join(store, `${map!.table}.lance`), { recursive: true });
  expect(await planOf(store, 64)).toBe(plan);
  expect(await runFeatures(store, plan)).toMatchObject({ computed: 0, missing: 0 });
  expect(await read(store, plan)).toMatchObject({ missing: 0 });
});

it('gc leaves what a run on new pictures has made so far', async () => {
  const store = await demoStore();
  const plan = await planOf(store, 128);
  await runFeatures(store, plan, { partDraws: 32 });
  const words = ['ingest', 'droid', '--root', RELEASE, '--store', store, '--calibration', KARLP, '--third2', 'other'];
  expect((await prep(...words, '--replace', '--jpeg-quality', '80')).code).toBe(0);
  await interrupted(store, plan, 36, { partDraws: 32 });
  expect((await prep('gc', store, '--unused-features')).code).toBe(0);
  expect(await runFeatures(store, plan, { partDraws: 32 })).toMatchObject({ there: 1, made: 3, missing: 0 });
  expect(await read(store, plan)).toMatchObject({ rows: 128, missing: 0 });
});

it('of two runs that begin a set of one name, one says that the name is taken', async () => {
  const store = await demoStore();
  const plan = await planOf(store, 32);
  const runs = (['f32', 'f16'] as const).map((codec) =>
    runFeatures(store, plan, { codec }).catch((error: Error) => error),
  );
  const ended = await Promise.all(runs);
  const [lost] = ended.filter((one) => one instanceof Error);
  expect(ended.filter((one) => !(one instanceof Error))).toHaveLength(1);
  expect(lost).toMatchObject({ code: 'bad-option', at: { field: '--name' } });
  expect(await withStore(store, readSets)).toHaveLength(1);
  expect(await read(store, plan)).toMatchObject({ missing: 0 });
});

const LEROBOT = fileURLToPath(new URL('../../fixtures/mapping/lerobot', import.meta.url));

/** The bundled LeRobot runs through a mapping that `change` was made to. */
async function mapped(store: string, change: (mapping: { cameras: { frames: string }[] }) => void, ...words: string[]) {
  const mapping = JSON.parse(readFileSync(`${LEROBOT}.json`, 'utf8'));
  change(mapping);
  const file = join(freshFolder(), 'runs.json');
  writeFileSync(file, JSON.stringify(mapping));
  const common = ['ingest', 'lerobot', '--as', 'runs', '--mapping', file, '--root', LEROBOT, '--store', store];
  const { code, stderr } = await prep(...common, '--workers', '1', ...words);
  expect([code, stderr]).toEqual([0, '']);
}

const RUNS = {
  entries: [{ dataset: 'runs', weight: 1 }],
  trains_vlm: false,
  allow: ['wrist-reference', 'no-intrinsics', 'unlike-ee'],
};

it('a plan with one view has features of the graph for it; a view that rows gain later is not passed over', async () => {
  const store = await demoStore();
  await mapped(store, (mapping) => void mapping.cameras.splice(1));
  const alone = await planOf(store, 32, 0, RUNS);
  expect(await runFeatures(store, alone)).toMatchObject({ missing: 0, made: 1 });
  expect(await read(store, alone)).toMatchObject({ rows: 32, views: 32 });
  const plan = await planOf(store, 64, 0, { ...RUNS, entries: [...RUNS.entries, { dataset: 'droid', weight: 1 }] });
  expect(await runFeatures(store, plan)).toMatchObject({ missing: 0, made: 1 });
  expect(await read(store, plan)).toMatchObject({ rows: 64, views: 96 });
  await mapped(store, () => undefined, '--replace');
  const error = await failure(() => read(store, plan));
  expect(error).toMatchObject({
    code: 'stale-features',
    message: expect.stringContaining('those of a row without it'),
  });
  expect((await prep('features', 'status', store)).stdout).toMatch(/run it again/);
  expect(await runFeatures(store, plan)).toMatchObject({ missing: 0, made: 1 });
  expect(await read(store, plan)).toMatchObject({ rows: 64, views: 128 });
});

it('cameras that were exchanged under the same names are noticed', async () => {
  const store = freshFolder();
  await mapped(store, () => undefined);
  const plan = await planOf(store, 32, 0, RUNS);
  await runFeatures(store, plan);
  await mapped(
    store,
    ({ cameras: [head, hand] }) => {
      [head!.frames, hand!.frames] = [hand!.frames, head!.frames];
    },
    '--replace',
  );
  expect(await failure(() => read(store, plan))).toMatchObject({ code: 'stale-features' });
  expect(await runFeatures(store, plan)).toMatchObject({ made: 1, missing: 0 });
  expect(await read(store, plan)).toMatchObject({ rows: 32, missing: 0 });
});

it('a range without a whole part, and an interrupt before the start, do nothing', async () => {
  const store = await demoStore();
  const plan = await planOf(store, 64);
  expect(await failure(() => runFeatures(store, plan, { range: [0, 40] }))).toMatchObject({
    code: 'bad-option',
    at: { field: '--range' },
  });
  const stopped = AbortSignal.abort();
  const report = await makeFeatures(requestOf(store, plan), { signal: stopped, progress: () => undefined });
  expect(report).toMatchObject({ state: 'interrupted', made: 0 });
  expect(await withStore(store, readSets)).toEqual([]);
});
