/** Which datasets can be ingested. One line each; a dataset's file is loaded only when it is asked for. */
import { existsSync } from 'node:fs';
import { PrepError } from '../schemas/errors.ts';
import type { DatasetSpec } from '../schemas/spec.ts';
import type { RldsRecord } from './formats/rlds.ts';

export type AnySpec = DatasetSpec<RldsRecord>;

const DATASETS: Readonly<Record<string, () => Promise<{ default: AnySpec }>>> = {
  bridge: () => import('./datasets/bridge.ts'),
  droid: () => import('./datasets/droid.ts'),
};

export const datasetNames = (): string[] => Object.keys(DATASETS).sort();

/**
 * A dataset by name, or a user's own from a `.ts`/`.js` file whose default export is a `DatasetSpec`.
 * @throws PrepError `unknown-dataset` with the names that exist.
 */
export async function openDataset(name: string): Promise<AnySpec> {
  const known = DATASETS[name];
  if (known) return (await known()).default;
  if (/\.[cm]?[jt]s$/.test(name) && existsSync(name)) return (await import('./own-dataset.ts')).importSpec(name);
  throw new PrepError({
    code: 'unknown-dataset',
    at: { dataset: name },
    expected: `one of ${datasetNames().join(', ')}, or a file that exports a DatasetSpec`,
    found: name,
    remedy: 'see `prep datasets`',
  });
}
