/** The two tiny sets of `fixtures/mapping`, their mapping files, and the rows that scipy says they have. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import type { IngestSummary } from '../../schemas/report.ts';
import { prepJson } from '../cli/run.ts';
import { freshFolder } from '../e2e/demo-set.ts';

export const MADE = fileURLToPath(new URL('../../fixtures/mapping', import.meta.url));
export const mappingFile = (name: string): string => join(MADE, `${name}.json`);
export type Json = Record<string, unknown>;
export const mappingOf = (name: string): Json => JSON.parse(readFileSync(mappingFile(name), 'utf8'));

interface ExpectedRow {
  readonly step: number;
  readonly time: number;
  readonly action: readonly number[];
  readonly action_valid: number;
  readonly history: readonly number[];
  readonly history_valid: boolean;
  readonly proprio: readonly number[];
  readonly camera: readonly number[];
}
export interface ExpectedEpisode {
  readonly id: string;
  readonly steps: number;
  readonly hz: number;
  readonly instruction: string;
  readonly rows: readonly ExpectedRow[];
}
export const expected: Readonly<Record<'hdf5' | 'lerobot', readonly ExpectedEpisode[]>> = JSON.parse(
  readFileSync(join(MADE, 'expected.json'), 'utf8'),
);

/** The mapping with parts replaced, in a file of its own. */
export function changed(name: string, change: Json): string {
  const file = join(freshFolder(), 'mapping.json');
  writeFileSync(file, JSON.stringify({ ...mappingOf(name), ...change }));
  return file;
}

/** Words that ingest one of the sets with one pixel thread. */
export const wordsOf = (set: 'hdf5' | 'lerobot', store: string, ...words: string[]): string[] => [
  '--root',
  join(MADE, set),
  '--store',
  store,
  '--workers',
  '1',
  ...words,
];

export async function ingested(...words: string[]): Promise<IngestSummary> {
  const { code, value } = await prepJson<IngestSummary>('ingest', ...words);
  expect(code, JSON.stringify(value)).toBe(0);
  return value;
}
