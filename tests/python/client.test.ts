/** The Python client's own tests, on a store and a plan that the command line makes of the bundled sets. */
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { prepJson } from '../cli/run.ts';
import { freshFolder, ingestDemo } from '../e2e/demo-set.ts';
import { ABSENT, pythonWith } from './python.ts';

const python = pythonWith('lance', 'numpy', 'pyarrow', 'PIL', 'scipy');
const CLIENT = fileURLToPath(new URL('../../clients/python', import.meta.url));
const SETS = fileURLToPath(new URL('../../fixtures/datasets', import.meta.url));

const run = promisify(execFile);
const env = { ...process.env, PYTHONPATH: CLIENT };

async function plan(store: string, draws: number, entries: readonly object[]): Promise<string> {
  const file = join(freshFolder(), 'mixture.json');
  writeFileSync(file, JSON.stringify({ preset: 'apt-stage2', entries }));
  const words = ['plan', store, '--mixture', file, '--draws', `${draws}`, '--seed', '3'];
  const { code, value } = await prepJson<{ plan: string }>(...words);
  expect(code, JSON.stringify(value)).toBe(0);
  return value.plan;
}

/** A store of sets with one arm and two, of unlike tools and rates. */
async function mixed(): Promise<string> {
  const store = freshFolder();
  await ingestDemo(store);
  for (const name of ['agibot', 'interndata_a1']) {
    const words = ['--root', join(SETS, name), '--store', store, '--workers', '1', '--max-quarantine', '1'];
    expect((await prepJson('ingest', name, ...words)).code).toBe(0);
  }
  return store;
}

const skipped = python ? '' : ` (skipped: ${ABSENT})`;

it.skipIf(!python)(`the Python client${skipped}`, { timeout: 300_000 }, async () => {
  const store = await mixed();
  const weights = Object.entries({ droid: 5, agibot: 4, interndata_a1: 2 });
  const id = await plan(
    store,
    352,
    weights.map(([dataset, weight]) => ({ dataset, weight })),
  );
  const words = [
    '-W',
    'error::RuntimeWarning',
    '-m',
    'unittest',
    'discover',
    '-s',
    join(CLIENT, 'tests'),
    '-t',
    CLIENT,
  ];
  const { stderr } = await run(python!, words, {
    env: { ...env, PREP_TEST_STORE: store, PREP_TEST_PLAN: id },
    maxBuffer: 64 << 20,
  }).catch((error: { stderr: string }) => error);
  expect(stderr).toMatch(/Ran (?:[3-9]\d|\d{3,}) tests[\s\S]*\nOK/);
});

/** Batches read at random by the client against training shards that `prep shard` made alike: every array, every byte. */
const SAME_BATCHES = `
import sys
import numpy as np
from robot_prep import PrepDataset

store, plan = sys.argv[1:]
shards, rows = (PrepDataset(store, plan, 32, source=source, decode=False) for source in ("shards", "plan"))
assert (shards.source, rows.source, shards.steps) == ("shards", "plan", rows.steps)
for a, b in zip(shards, rows):
    assert a.keys() == b.keys()
    for name, wanted in a.items():
        if isinstance(wanted, np.ndarray):
            assert wanted.dtype == b[name].dtype and wanted.tobytes() == b[name].tobytes(), name
        else:
            assert wanted == b[name], name
print(shards.steps)
`;

it.skipIf(!python)(`shards and rows are the same batches to the bit${skipped}`, { timeout: 300_000 }, async () => {
  const store = await mixed();
  const entries = ['droid', 'agibot', 'interndata_a1'].map((dataset, i) => ({ dataset, weight: 5 - i }));
  const variants = [
    { tool: 'canonical' },
    { tool: 'canonical', rot6d: 'columns', reference: 'wrist' },
    { tool: 'native', allow: ['unlike-ee'], rot6d: 'columns' },
  ];
  for (const variant of variants) {
    const file = join(freshFolder(), 'mixture.json');
    writeFileSync(file, JSON.stringify({ entries, ...variant }));
    const made = await prepJson<{ plan: string }>('plan', store, '--mixture', file, '--draws', '192', '--seed', '8');
    expect(made.code, JSON.stringify(made.value)).toBe(0);
    expect((await prepJson('shard', store, '--plan', made.value.plan, '--size', '96')).code).toBe(0);
    const { stdout } = await run(python!, ['-c', SAME_BATCHES, store, made.value.plan], { env });
    expect(stdout).toBe('6\n');
  }
});

it.skipIf(!python)(`its example learns${skipped}`, { timeout: 300_000 }, async () => {
  const store = freshFolder();
  await ingestDemo(store);
  const lab = '^RAD/';
  const train = await plan(store, 640, [{ dataset: 'droid', weight: 1, filter: { not_episode: lab, success: 'any' } }]);
  const held = await plan(store, 320, [{ dataset: 'droid', weight: 1, filter: { episode: lab } }]);
  const { stdout } = await run(python!, [join(CLIENT, 'examples/train_tiny.py'), store, train, held], { env });
  const report = JSON.parse(stdout);
  expect(report.held_out_loss).toBeLessThan(report.mean_action_baseline);
});
