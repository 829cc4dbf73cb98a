/** Which datasets can be ingested. One line each; a dataset's file is loaded only when it is asked for. */
import { existsSync } from 'node:fs';
import { PrepError } from '../schemas/errors.ts';
import type { AnySpec } from '../schemas/spec.ts';

type Load = () => Promise<{ default: AnySpec }>;

/** A dataset that is published in several layouts has one file for each; which it is shows when the root is opened. */
const DATASETS: Readonly<Record<string, readonly Load[]>> = {
  agibot: [() => import('./datasets/agibot.ts')],
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

export const datasetNames = (): string[] => Object.keys(DATASETS).sort();

/**
 * The layouts of a dataset by name, or a user's own from a `.ts`/`.js` file whose default export is a `DatasetSpec`.
 * @throws PrepError `unknown-dataset` with the names that exist.
 */
export async function openDataset(name: string): Promise<AnySpec[]> {
  const known = Object.hasOwn(DATASETS, name) ? DATASETS[name] : undefined;
  if (known) return Promise.all(known.map(async (load) => (await load()).default));
  if (/\.[cm]?[jt]s$/.test(name) && existsSync(name))
    return [await (await import('./own-dataset.ts')).importSpec(name)];
  throw new PrepError({
    code: 'unknown-dataset',
    at: { dataset: name },
    expected: `one of ${datasetNames().join(', ')}, or a file that exports a DatasetSpec`,
    found: name,
    remedy: 'see `prep datasets`',
  });
}

/** The layout of a dataset whose container has this format. */
export async function openLayout(name: string, format: AnySpec['format']): Promise<AnySpec> {
  const specs = await openDataset(name);
  return specs.find((spec) => spec.format === format) ?? specs[0]!;
}
