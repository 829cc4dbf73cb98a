/**
 * Random datasets written and read by `lerobot` itself, read by us. Needs a Python with lerobot (0.4 for v3.0, 0.3 with
 * `datasets` below 4 for v2.1): PREP_LEROBOT_PYTHON=/path/to/python, several with `:` between them.
 * PREP_LEROBOT_SEED and PREP_LEROBOT_SETS choose where the seeds begin and how many sets there are.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, it } from 'vitest';
import { compareWithTruth } from './truth.ts';

const pythons = (process.env.PREP_LEROBOT_PYTHON ?? '').split(':').filter((path) => path !== '');
const first = Number(process.env.PREP_LEROBOT_SEED ?? 1);
const sets = Number(process.env.PREP_LEROBOT_SETS ?? 4);
const script = fileURLToPath(new URL('write.py', import.meta.url));
/** The script's own code: lerobot could not write or read the set itself. */
const UNREADABLE = 3;

describe.skipIf(pythons.length === 0)(
  pythons.length === 0 ? 'lerobot (skipped: no PREP_LEROBOT_PYTHON)' : 'lerobot',
  () => {
    const cases = pythons.flatMap((python) => Array.from({ length: sets }, (_, i) => ({ python, seed: first + i })));
    it.for(cases)('$python, seed $seed', { timeout: 600_000 }, async ({ python, seed }, { skip }) => {
      const folder = mkdtempSync(join(tmpdir(), 'prep-lerobot-'));
      try {
        const run = spawnSync(python, [script, '--out', folder, '--seed', `${seed}`], { encoding: 'utf8' });
        const [plan = '', said = ''] = run.stdout.trim().split('\n');
        if (run.status === UNREADABLE) skip(`seed ${seed} ${plan} ${said}`);
        if (run.status !== 0) throw new Error(`${run.stdout}${run.stderr}`);
        const compared = await compareWithTruth(folder);
        process.stdout.write(`seed ${seed} ${plan}\n  ${JSON.stringify(compared)}\n`);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    });
  },
);
