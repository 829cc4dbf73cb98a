/** The bundled DROID episodes, where they lie, what the reference libraries say of them, and stores made of them. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect } from 'vitest';
import type { StepColumns } from '../../schemas/episode.ts';
import type { IngestSummary } from '../../schemas/report.ts';
import type { PrepMetadata } from '../../schemas/row.ts';
import type { LedgerRow } from '../../sinks/arrow-rows.ts';
import { openDataset } from '../../sinks/read.ts';
import { prepJson } from '../cli/run.ts';
import { inventory } from '../sinks/inventory.ts';

const DEMO = fileURLToPath(new URL('../../fixtures/droid_demo', import.meta.url));
export const RELEASE = join(DEMO, 'droid_101/1.0.1');
export const KARLP = join(DEMO, 'karlp');

export type ShortCamera = 'ext1' | 'ext2' | 'wrist';
export const CAMERAS: Readonly<Record<ShortCamera, string>> = {
  ext1: 'exterior_image_1_left',
  ext2: 'exterior_image_2_left',
  wrist: 'wrist_image_left',
};

type Numbers = readonly (readonly number[])[];
export type Truth = {
  readonly id: string;
  readonly steps: number;
  readonly success: boolean;
  readonly instructions: readonly string[];
  readonly state: string;
  /** fx fy cx cy of the 256 picture, where the side files give this camera's own. */
  readonly k256?: Readonly<Record<ShortCamera, readonly number[]>>;
  readonly base_from_cam_last?: Readonly<Record<ShortCamera, readonly number[]>>;
  readonly tip_pixel_ext1?: Numbers;
} & { readonly [camera in ShortCamera]?: { readonly [part in 'action_step2' | 'history' | 'proprio']: Numbers } };

export const truth: readonly Truth[] = JSON.parse(readFileSync(join(DEMO, 'expected.json'), 'utf8'));
export const [SOUND, UNCALIBRATED, ZEROS, NAN] = truth.map(({ id }) => id) as [string, string, string, string];

const folders: string[] = [];
// One hook for the file: a hook that a running test adds is never called.
afterAll(() => {
  for (const path of folders) rmSync(path, { recursive: true, force: true });
});

/** A folder that goes when the test file ends. */
export function freshFolder(): string {
  const path = mkdtempSync(join(tmpdir(), 'prep-e2e-'));
  folders.push(path);
  return path;
}

export const ingestWords = (store: string, ...words: string[]): string[] => [
  'ingest',
  'droid',
  '--root',
  RELEASE,
  '--store',
  store,
  '--workers',
  '1',
  ...words,
];

/** Ingests the bundled set with its side files; the exit code must be 0. */
export async function ingestDemo(store: string, ...words: string[]): Promise<IngestSummary> {
  const { code, value } = await prepJson<IngestSummary>(...ingestWords(store, '--calibration', KARLP, ...words));
  expect(code, JSON.stringify(value)).toBe(0);
  return value;
}

export interface Stored {
  readonly metadata: PrepMetadata;
  readonly ledger: ReadonlyMap<string, LedgerRow>;
  /** Rows of the kept episodes. */
  readonly rows: ReadonlyMap<string, StepColumns>;
}

export async function stored(store: string, dataset = 'droid'): Promise<Stored> {
  const reader = await openDataset(store, dataset);
  try {
    const ledger = new Map((await reader.ledger()).map((row) => [row.entry.episode, row]));
    const rows = new Map<string, StepColumns>();
    for (const [id, row] of ledger) if (row.entry.state === 'kept') rows.set(id, await reader.episodeRows(row));
    return { metadata: reader.metadata, ledger, rows };
  } finally {
    reader.close();
  }
}

/** Everything that two equal stores share: rows to the byte, tracks, ledger, metadata. */
export async function contents(store: string, dataset = 'droid') {
  const { rows, tracks, ledger, ledgerDoubles, voidRows, wrongIds } = await inventory(store, dataset);
  const reader = await openDataset(store, dataset);
  reader.close();
  return {
    same: { metadata: reader.metadata, rows, tracks, ledger, ledgerDoubles, wrongIds },
    voidRows,
  };
}
