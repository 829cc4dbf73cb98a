/** Which datasets can be ingested. One line each; a dataset's file is loaded only when it is asked for. */
import { existsSync } from 'node:fs';
import { PrepError } from '../schemas/errors.ts';
import type { AnySpec } from '../schemas/spec.ts';
import { POSED_ROWS } from './datasets/oxe/rows-posed.ts';
import { UNPOSED_ROWS } from './datasets/oxe/rows-unposed.ts';

type Load = () => Promise<{ default: AnySpec }>;

/** One line of a table each: data alone, so that their names cost nothing. */
const TABLE: readonly (readonly [string, Load])[] = [...POSED_ROWS, ...UNPOSED_ROWS].map((row) => [
  row.name,
  async () => ({ default: (await import('./datasets/oxe/spec.ts')).oxeSpec(row) }),
]);

/** A dataset that is published in several layouts has one file for each; which it is shows when the root is opened. */
const FILES: Readonly<Record<string, readonly Load[]>> = {
  agibot: [() => import('./datasets/agibot.ts'), () => import('./datasets/agibot_lerobot.ts')],
  aloha: [() => import('./datasets/aloha.ts')],
  bayesvla: [() => import('./datasets/bayesvla.ts')],
  bridge: [() => import('./datasets/bridge.ts')],
  droid: [() => import('./datasets/droid.ts')],
  droid_lerobot: [() => import('./datasets/droid_lerobot.ts')],
  droid_raw: [() => import('./datasets/droid_raw.ts')],
  interndata_a1: [() => import('./datasets/interndata_a1.ts')],
  interndata_m1: [() => import('./datasets/interndata_m1.ts')],
  libero: [() => import('./datasets/libero.ts')],
  maniskill: [() => import('./datasets/maniskill.ts')],
  robomimic: [() => import('./datasets/robomimic.ts')],
  robomind: [() => import('./datasets/robomind.ts')],
  robotwin: [() => import('./datasets/robotwin.ts')],
};

const DATASETS = new Map<string, readonly Load[]>(Object.entries(FILES));
for (const [name, load] of TABLE) DATASETS.set(name, [...(DATASETS.get(name) ?? []), load]);

export const datasetNames = (): string[] => [...DATASETS.keys()].sort();

/**
 * The layouts of a dataset by name, or a user's own from a `.ts`/`.js` file whose default export is a `DatasetSpec`.
 * @throws PrepError `unknown-dataset` with the names that exist.
 */
export async function openDataset(name: string): Promise<AnySpec[]> {
  if (/\.json$/.test(name) && existsSync(name)) return [await (await import('./mapping/spec.ts')).openMapping(name)];
  const known = DATASETS.get(name);
  if (known) return Promise.all(known.map(async (load) => (await load()).default));
  if (/\.[cm]?[jt]s$/.test(name) && existsSync(name))
    return [await (await import('./own-dataset.ts')).importSpec(name)];
  throw new PrepError({
    code: 'unknown-dataset',
    at: { dataset: name },
    expected: 'a name of `prep datasets`, a file that exports a DatasetSpec, or a mapping (.json)',
    found: name,
    remedy: 'see `prep datasets`',
  });
}

/** The layout of a dataset whose container has this format. */
export async function openLayout(name: string, format: AnySpec['format']): Promise<AnySpec> {
  const specs = await openDataset(name);
  return specs.find((spec) => spec.format === format) ?? specs[0]!;
}
