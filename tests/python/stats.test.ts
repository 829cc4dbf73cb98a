/** `prep stats` against numpy and scipy, which make the same numbers again from the raw tables. Skipped where there is no such Python. */
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { prep, prepJson } from '../cli/run.ts';
import { freshFolder, ingestDemo } from '../e2e/demo-set.ts';
import { ABSENT, pythonWith } from './python.ts';

const python = pythonWith('lance', 'numpy', 'scipy');
const fixture = (name: string): string => fileURLToPath(new URL(`../../fixtures/${name}`, import.meta.url));

/** One arm and two, another tool point, a dataset in two entries, steps left out. */
const ENTRIES = [
  { name: 'far', dataset: 'droid', weight: 3, filter: { without_flags: ['idle'] } },
  { name: 'whole', dataset: 'droid', weight: 2, filter: { min_valid: 5 } },
  { dataset: 'agibot', weight: 4 },
  { dataset: 'interndata_a1', weight: 1, filter: { success: 'any', min_valid: 0 } },
];
const MIXTURES = {
  canonical: { tool: 'canonical', entries: ENTRIES },
  wrist: { tool: 'canonical', reference: 'wrist', rot6d: 'columns', entries: ENTRIES },
} as const;

describe.skipIf(!python)(`prep stats and numpy${python ? '' : ` (skipped: ${ABSENT})`}`, () => {
  const store = freshFolder();
  const file = join(freshFolder(), 'stats.json');
  const numpy = async (): Promise<string> => {
    const words = [fixture('../tests/python/test_stats.py'), store, file];
    const { stdout, stderr } = await promisify(execFile)(python!, words).catch((error) => error);
    return `${stdout}${stderr}`;
  };

  beforeAll(async () => {
    await ingestDemo(store);
    for (const name of ['agibot', 'interndata_a1']) {
      const words = [
        '--root',
        fixture(`datasets/${name}`),
        '--store',
        store,
        '--workers',
        '1',
        '--max-quarantine',
        '1',
      ];
      expect((await prep('ingest', name, ...words)).code).toBe(0);
    }
  }, 300_000);

  it('agree on datasets as they are', { timeout: 300_000 }, async () => {
    expect((await prep('stats', store, '--out', file)).stderr).toBe('');
    expect(await numpy()).toMatch(/^0 problems, \d{5} numbers of \d+ episodes\n$/);
  });

  it.each(Object.entries(MIXTURES))('agree on a plan: %s', { timeout: 300_000 }, async (_, mixture) => {
    const description = join(freshFolder(), 'mixture.json');
    writeFileSync(description, JSON.stringify(mixture));
    const words = ['--mixture', description, '--draws', '160', '--seed', '5'];
    const { code, value } = await prepJson<{ plan: string }>('plan', store, ...words);
    expect(code, JSON.stringify(value)).toBe(0);
    expect((await prep('stats', store, '--plan', value.plan, '--out', file)).stderr).toBe('');
    expect(await numpy()).toMatch(/^0 problems, \d{5} numbers of \d+ episodes\n$/);
  });

  it('take a plan or a mixture', async () => {
    const { code, stderr } = await prep('stats', store, '--plan', 'x', '--mixture', 'y');
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/bad-option .*--plan or --mixture, or neither, found both/),
    ]);
  });
});
