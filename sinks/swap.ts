/**
 * Replacing a dataset's tables by new ones made beside them, on a file system: the new tables live in a store of their
 * own, `<store>/.relabel-<dataset>`. A marker file, written in one rename, is the decision; after it the renames are
 * repeatable, so whoever meets the marker finishes them. Readers that have old tables open must open them again.
 */
import { existsSync } from 'node:fs';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PrepError } from '../schemas/errors.ts';
import type { TableShape } from '../schemas/row.ts';
import { openDataset } from './read.ts';
import { lastRunNumber, openRun } from './runs.ts';
import { attempt, datasetTables, storeUri } from './store.ts';
import { closeTables, openTablesThere } from './tables.ts';

const PREFIX = '.relabel-';
const MARKER = 'swap.json';
const beside = (store: string, dataset: string): string => join(storeUri(store), `${PREFIX}${dataset}`);
const tableFolders = (dataset: string): string[] =>
  Object.values(datasetTables(dataset)).map((name) => `${name}.lance`);

/**
 * The store for the new tables, empty or with what an interrupted attempt under the same options has filled.
 * @throws PrepError `store` for a store that is no folder: an object store cannot rename
 */
export async function swapStore(store: string, dataset: string, shape: TableShape): Promise<string> {
  const folder = beside(store, dataset);
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(store))
    throw new PrepError({
      code: 'store',
      at: { store, dataset },
      expected: 'a store on a file system, because an object store cannot rename tables',
      found: store,
      remedy: 'ingest again with the new options under another name (--as NAME)',
    });
  if (existsSync(folder) && !(await sameOptions(folder, dataset, shape))) await rm(folder, { recursive: true });
  await mkdir(folder, { recursive: true });
  return folder;
}

async function sameOptions(folder: string, dataset: string, shape: TableShape): Promise<boolean> {
  if (!tableFolders(dataset).every((name) => existsSync(join(folder, name)))) return false;
  const reader = await openDataset(folder, dataset).catch((error: unknown) => {
    // A folder without a manifest: the attempt was killed while it made that table.
    if (error instanceof PrepError && error.code === 'unknown-dataset') return null;
    throw error;
  });
  if (!reader) return false;
  reader.close();
  return JSON.stringify(reader.metadata) === JSON.stringify(shape.metadata);
}

/** The decision. Before it everything beside may be thrown away, after it the old tables are gone. */
export async function beginSwap(store: string, dataset: string): Promise<void> {
  await attempt(store, `replace the tables of ${dataset}`, async () => {
    await passRunNumbers(store, dataset);
    const path = join(beside(store, dataset), MARKER);
    const file = await open(`${path}.part`, 'w');
    await file.writeFile(JSON.stringify({ dataset }));
    await file.sync();
    await file.close();
    await rename(`${path}.part`, path);
  });
}

/** Group ids are made of run numbers: the store's next run must have a higher one than any run of the new tables. */
async function passRunNumbers(store: string, dataset: string): Promise<void> {
  const [here, there] = [await openTablesThere(store, dataset), await openTablesThere(beside(store, dataset), dataset)];
  try {
    const highest = await lastRunNumber(there.runs!);
    const label = { command: 'relabel', options: { dataset }, versions: {}, dataset, part: 0, of: 1 };
    while ((await lastRunNumber(here.runs!)) < highest) await openRun(here.runs!, label);
  } finally {
    closeTables(here);
    closeTables(there);
  }
}

/** Finishes the replacement that was decided for a dataset (for all of them, without one); otherwise does nothing. */
export async function finishSwap(store: string, dataset?: string): Promise<void> {
  const root = storeUri(store);
  if (!existsSync(root)) return;
  const pending = (await readdir(root))
    .filter((name) => name.startsWith(PREFIX))
    .map((name) => name.slice(PREFIX.length));
  for (const name of pending)
    if ((dataset === undefined || dataset === name) && existsSync(join(beside(store, name), MARKER)))
      await attempt(store, `replace the tables of ${name}`, () => replace(root, name));
}

async function replace(root: string, dataset: string): Promise<void> {
  const folder = beside(root, dataset);
  const old = join(folder, 'old');
  await mkdir(old, { recursive: true });
  for (const name of tableFolders(dataset)) {
    const [current, next] = [join(root, name), join(folder, name)];
    // Already moved by an earlier try.
    if (!existsSync(next)) continue;
    if (existsSync(current)) await rename(current, join(old, name));
    await rename(next, current);
  }
  await rm(folder, { recursive: true });
}
