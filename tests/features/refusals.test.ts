/** What `prep features run` and its readers refuse, each with what is wrong and what to do. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readMaps, readSets } from '../../sinks/features.ts';
import { prep, prepJson } from '../cli/run.ts';
import { failure } from '../formats/memory-file.ts';
import { batchesOf, demoStore, FROZEN, MODEL, otherModel, planOf, runFeatures, VALUES, withStore } from './tiny.ts';

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
