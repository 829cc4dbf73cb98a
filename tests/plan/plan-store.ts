/** Small stores with several datasets, from the fixtures, and plans over them. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import type { PlanReport } from '../../pipelines/plan/report.ts';
import { prep, prepJson } from '../cli/run.ts';
import { freshFolder, ingestWords, KARLP } from '../e2e/demo-set.ts';

const SETS = fileURLToPath(new URL('../../fixtures/datasets', import.meta.url));

/** droid (3 kept episodes), agibot (two arms), interndata_m1 and maniskill, each as the paper's datasets are. */
export async function mixedStore(): Promise<string> {
  const store = freshFolder();
  const ingests = [
    ingestWords(store, '--calibration', KARLP, '--third2', 'other'),
    ...['agibot', 'interndata_m1', 'maniskill'].map((name) => [
      'ingest',
      name,
      '--root',
      join(SETS, name),
      '--store',
      store,
      '--workers',
      '1',
    ]),
  ];
  for (const words of ingests) {
    const { code, stderr } = await prep(...words);
    expect([code, stderr]).toEqual([0, '']);
  }
  return store;
}

export const PAPER = {
  preset: 'apt-stage2',
  entries: [
    { dataset: 'droid', weight: 5 },
    { dataset: 'agibot', weight: 5 },
    { dataset: 'maniskill', weight: 4 },
    { dataset: 'interndata_m1', weight: 1 },
  ],
};

export interface PlanValue {
  readonly plan: string;
  readonly made: boolean;
  readonly draws: number;
  readonly report: PlanReport;
  readonly changes: readonly string[];
}

export function mixtureFile(mixture: object): string {
  const path = join(freshFolder(), 'mixture.json');
  writeFileSync(path, JSON.stringify(mixture));
  return path;
}

export async function plan(store: string, mixture: object, ...words: string[]) {
  return prepJson<PlanValue & { error?: { code: string }; message?: string }>(
    'plan',
    store,
    '--mixture',
    mixtureFile(mixture),
    ...words,
  );
}
