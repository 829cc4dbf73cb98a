/** The pictures behind features: made again, read from the source; and what goes when nothing names it. */
import { describe, expect, it } from 'vitest';
import { featureStatus } from '../../pipelines/features/status.ts';
import { featureGarbage } from '../../sinks/feature-gc.ts';
import { readSets } from '../../sinks/features.ts';
import { tableNames } from '../../sinks/store.ts';
import { prep, prepJson } from '../cli/run.ts';
import { KARLP, RELEASE } from '../e2e/demo-set.ts';
import { failure } from '../formats/memory-file.ts';
import { batchesOf, demoStore, MODEL, maxRel, planOf, runFeatures, withStore } from './tiny.ts';

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
