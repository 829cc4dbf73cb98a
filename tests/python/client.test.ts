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

/** One arm and two, three robots, other tools and rates. */
async function mixed(store: string): Promise<string> {
  await ingestDemo(store);
  for (const name of ['agibot', 'interndata_a1'])
    expect(
      (
        await prepJson(
          'ingest',
          name,
          '--root',
          join(SETS, name),
          '--store',
          store,
          '--workers',
          '1',
          '--max-quarantine',
          '1',
        )
      ).code,
    ).toBe(0);
  const file = join(freshFolder(), 'mixture.json');
  const entries = Object.entries({ droid: 5, agibot: 4, interndata_a1: 2 });
  writeFileSync(
    file,
    JSON.stringify({ preset: 'apt-stage2', entries: entries.map(([dataset, weight]) => ({ dataset, weight })) }),
  );
  const { code, value } = await prepJson<{ plan: string }>(
    'plan',
    store,
    '--mixture',
    file,
    '--draws',
    '352',
    '--seed',
    '3',
  );
  expect(code, JSON.stringify(value)).toBe(0);
  return value.plan;
}

it.skipIf(!python)(`the Python client${python ? '' : ` (skipped: ${ABSENT})`}`, { timeout: 300_000 }, async () => {
  const store = freshFolder();
  const plan = await mixed(store);
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
  const run = promisify(execFile)(python!, words, {
    env: { ...process.env, PREP_TEST_STORE: store, PREP_TEST_PLAN: plan, PYTHONPATH: CLIENT },
    maxBuffer: 64 << 20,
  });
  const { stderr } = await run.catch((error: { stderr: string }) => error);
  expect(stderr).toMatch(/Ran (?:[3-9]\d|\d{3,}) tests[\s\S]*\nOK/);
});
