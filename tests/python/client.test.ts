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

it.skipIf(!python)(`its example learns${skipped}`, { timeout: 120_000 }, async () => {
  const store = freshFolder();
  await ingestDemo(store);
  const lab = '^RAD/';
  const train = await plan(store, 640, [{ dataset: 'droid', weight: 1, filter: { not_episode: lab, success: 'any' } }]);
  const held = await plan(store, 320, [{ dataset: 'droid', weight: 1, filter: { episode: lab } }]);
  const { stdout } = await run(python!, [join(CLIENT, 'examples/train_tiny.py'), store, train, held], { env });
  const report = JSON.parse(stdout);
  expect(report.held_out_loss).toBeLessThan(report.mean_action_baseline);
});
