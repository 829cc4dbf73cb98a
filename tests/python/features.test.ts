/** The Python client and the TypeScript reader hand out the same features of one store, for every codec and signature. */
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { prep } from '../cli/run.ts';
import { freshFolder } from '../e2e/demo-set.ts';
import { batchesOf, demoStore, maxRel, planOf, runFeatures } from '../features/tiny.ts';
import { ABSENT, pythonWith } from './python.ts';

const python = pythonWith('lance', 'numpy', 'pyarrow', 'PIL', 'xxhash');
const skipped = python ? '' : ` (skipped: ${ABSENT})`;
const CLIENT = fileURLToPath(new URL('../../clients/python', import.meta.url));
const LEROBOT = fileURLToPath(new URL('../../fixtures/mapping/lerobot', import.meta.url));

/** Features and mask of all batches into files; draws without are filled by a function. */
const READ = `
import sys
import numpy as np
from robot_prep import PrepDataset

store, plan, name, out, source = sys.argv[1:]
data = PrepDataset(store, plan, 16, source=source, features=name, columns=["features", "feature_mask", "draw"], verify_features=True)
batches = list(data)
np.concatenate([b["features"] for b in batches]).astype("<f4").tofile(out)
np.concatenate([b["feature_mask"] for b in batches]).astype("u1").tofile(out + ".mask")
print(len(batches))
`;

it.skipIf(!python)(`both clients read the same features${skipped}`, { timeout: 300_000 }, async () => {
  const store = await demoStore();
  // One camera alone, so that the plan has rows without a wrist view.
  const mapping = JSON.parse(readFileSync(`${LEROBOT}.json`, 'utf8'));
  const file = join(freshFolder(), 'runs.json');
  writeFileSync(file, JSON.stringify({ ...mapping, cameras: mapping.cameras.slice(0, 1) }));
  const words = ['ingest', 'lerobot', '--as', 'runs', '--mapping', file, '--root', LEROBOT, '--store', store];
  expect((await prep(...words, '--workers', '1')).code).toBe(0);
  const plan = await planOf(store, 64, 3, {
    entries: [
      { dataset: 'droid', weight: 1 },
      { dataset: 'runs', weight: 1 },
    ],
    trains_vlm: false,
    allow: ['wrist-reference', 'no-intrinsics', 'unlike-ee'],
  });
  expect((await prep('shard', store, '--plan', plan, '--size', '32')).code).toBe(0);
  for (const codec of ['f32', 'f16', 'bf16', 'int8'] as const) {
    expect(await runFeatures(store, plan, { codec, name: codec })).toMatchObject({ missing: 0 });
    const mine = await batchesOf(store, plan, { features: { set: codec } });
    for (const source of ['plan', 'shards']) {
      const out = join(freshFolder(), 'features');
      const env = { ...process.env, PYTHONPATH: CLIENT };
      const { stdout } = await promisify(execFile)(python!, ['-c', READ, store, plan, codec, out, source], { env });
      expect(stdout).toBe('4\n');
      const theirs = new Float32Array(new Uint8Array(readFileSync(out)).buffer);
      const values = Float32Array.from(mine.flatMap(({ features }) => [...features!.values]));
      // int8 is decoded with the same operations in the same order; only the sums of its turn may be taken otherwise.
      expect(maxRel(theirs, values), codec).toBeLessThan(codec === 'int8' ? 1e-6 : 1e-12);
      expect([...readFileSync(`${out}.mask`)]).toEqual(mine.flatMap(({ features }) => [...features!.present]));
    }
  }
});
