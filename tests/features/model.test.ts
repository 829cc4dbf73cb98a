/** The model folder's own words: the same digest in both languages, and every missing or odd entry named. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { canonical, fingerprintOf, readModel } from '../../pipelines/features/model.ts';
import { freshFolder } from '../e2e/demo-set.ts';
import { failure } from '../formats/memory-file.ts';
import { MODEL, MODEL_BLOCK_INPUT } from './tiny.ts';

it('writes numbers as Python’s f"{x:.16e}" does, whatever their size', () => {
  // By Python 3.11: f"{x:.16e}", the exponent without leading zeros.
  expect(canonical({ b: [0.5, 1.0, 1e-6, 0.00392156862745098, 5000000.0], a: 'é"' })).toBe(
    '{"a":"é\\"","b":[5.0000000000000000e-1,1,9.9999999999999995e-7,3.9215686274509803e-3,5000000]}',
  );
});

it.each([MODEL, MODEL_BLOCK_INPUT])('gives the fingerprint that the exporter wrote: %s', (folder) => {
  const model = readModel(folder);
  expect(fingerprintOf(model)).toBe(model.fingerprint);
});

it.each<[string, object]>([
  ['format', { format: 'other' }],
  ['taps', { taps: [] }],
  ['signatures', { signatures: [['front']] }],
  ['codec', { codec: { block: 16, signs: [1, -1] } }],
  ['image', { image: { width: 224, height: 224 } }],
])('says what is wrong with %s', async (name, change) => {
  const folder = freshFolder();
  const { folder: _, ...model } = readModel(MODEL);
  writeFileSync(join(folder, 'model.json'), JSON.stringify({ ...model, ...change }));
  const error = await failure(() => readModel(folder));
  expect(error).toMatchObject({ code: 'bad-model', at: { file: join(folder, 'model.json') } });
  expect(error.message).toMatch(name === 'codec' ? /signs and blocks/ : new RegExp(name));
});
