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
  rh20t: [() => import('./datasets/rh20t.ts')],
  robomimic: [() => import('./datasets/robomimic.ts')],
  robomind: [() => import('./datasets/robomind.ts')],
  robotwin: [() => import('./datasets/robotwin.ts')],
};

const DATASETS = new Map<string, readonly Load[]>(Object.entries(FILES));
for (const [name, load] of TABLE) DATASETS.set(name, [...(DATASETS.get(name) ?? []), load]);

/** Datasets of any robot in a plain format: what their fields mean, a mapping file says. */
export const MAPPED = {
  hdf5: { title: 'any HDF5 files; a mapping file says what the fields mean', format: 'hdf5' },
  lerobot: {
    title: 'any LeRobot dataset (v2.0, v2.1, v3.0); a mapping file says what the fields mean',
    format: 'lerobot',
  },
} as const;
const isMapped = (name: string): name is keyof typeof MAPPED => Object.hasOwn(MAPPED, name);

export const datasetNames = (): string[] => [...DATASETS.keys()].sort();

/**
 * The layouts of a dataset by name, or a user's own from a `.ts`/`.js` file whose default export is a `DatasetSpec`.
 * @param mapping the file that says what the fields of `lerobot` and `hdf5` mean
 * @throws PrepError `unknown-dataset` with the names that exist, `usage` where a mapping is due or out of place
 */
export async function openDataset(name: string, mapping?: string): Promise<AnySpec[]> {
  if (isMapped(name)) return [await openMapped(name, mapping)];
  if (mapping !== undefined)
    throw new PrepError({
      code: 'usage',
      at: { dataset: name, field: '--mapping' },
      expected: `a mapping only for ${Object.keys(MAPPED).join(', ')}`,
      found: mapping,
      remedy: `give the mapping alone: prep ingest ${mapping} …`,
    });
  if (/\.json$/.test(name) && existsSync(name)) return [await ownMapping(name)];
  const known = DATASETS.get(name);
  if (known) return Promise.all(known.map(async (load) => (await load()).default));
  if (/\.[cm]?[jt]s$/.test(name) && existsSync(name))
    return [await (await import('./own-dataset.ts')).importSpec(name)];
  const file = /\.([cm]?[jt]s|json)$/.test(name);
  throw new PrepError({
    code: 'unknown-dataset',
    at: { dataset: name },
    expected: 'a name of `prep datasets`, a file that exports a DatasetSpec, or a mapping (.json)',
    found: file ? `${name}, which does not exist` : name,
    remedy: file ? 'check the path' : similarTo(name),
  });
}

/** Names that begin alike, as far as any name does. */
function similarTo(name: string): string {
  for (let length = name.length; length > 1; length--) {
    const alike = datasetNames().filter((known) => known.startsWith(name.slice(0, length)));
    if (alike.length > 0) return `see \`prep datasets\`; did you mean ${alike.slice(0, 5).join(', ')}?`;
  }
  return 'see `prep datasets`';
}

async function openMapped(name: keyof typeof MAPPED, mapping: string | undefined): Promise<AnySpec> {
  if (mapping === undefined)
    throw new PrepError({
      code: 'usage',
      at: { dataset: name },
      expected: '--mapping FILE, which says what the fields mean',
      found: 'none',
      remedy: '`prep inspect PATH --propose --out mapping.json` writes one to start from',
    });
  const { openMapping } = await import('./mapping/spec.ts');
  return openMapping(mapping, { name, format: MAPPED[name].format });
}

/** A mapping by itself: its name is the dataset's, so it must not be one that means something else. */
async function ownMapping(file: string): Promise<AnySpec> {
  const spec = await (await import('./mapping/spec.ts')).openMapping(file);
  if (!DATASETS.has(spec.name)) return spec;
  throw new PrepError({
    code: 'bad-metadata',
    at: { file, field: 'name' },
    expected: 'a name that no dataset of `prep datasets` has',
    found: spec.name,
  });
}

/** True where `openDataset` finds the dataset by its name alone. */
export const isBuiltIn = (name: string): boolean => DATASETS.has(name);

/** The layout of a dataset whose container has this format. */
export async function openLayout(name: string, format: AnySpec['format']): Promise<AnySpec> {
  const specs = await openDataset(name);
  return specs.find((spec) => spec.format === format) ?? specs[0]!;
}
