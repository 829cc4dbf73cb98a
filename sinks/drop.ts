/** `--replace`: a dataset's tables go, its part log and runs stay. */
import { endParts, ownership } from './fence.ts';
import { attempt, datasetTables, type LanceTable, tableNames } from './store.ts';
import { closeTables, openTablesThere } from './tables.ts';

/**
 * Drops a dataset: ends all its parts (so no former process can commit into the tables made next), then the ledger, whose
 * absence makes every row invalid, then tracks and steps. Interrupted anywhere, doing it again finishes it. Throws
 * `part-owned` when a part is being written, unless `takeOver`.
 */
export async function dropDataset(uri: string, dataset: string, { takeOver = false } = {}): Promise<void> {
  const tables = await openTablesThere(uri, dataset);
  const { store, steps, ledger, tracks, parts, runs } = tables;
  try {
    await attempt(store.uri, `drop ${dataset}`, async () => {
      if (steps && ledger && tracks && parts && runs)
        await endAll({ steps, ledger, tracks, parts, runs }, dataset, takeOver);
      const there = await tableNames(store);
      const names = datasetTables(dataset);
      for (const name of [names.ledger, names.tracks, names.steps])
        if (there.includes(name)) await store.connection.dropTable(name);
    });
  } finally {
    closeTables(tables);
  }
}

type All = { readonly [name in 'steps' | 'ledger' | 'tracks' | 'parts' | 'runs']: LanceTable };

async function endAll(tables: All, dataset: string, takeOver: boolean): Promise<void> {
  const { live, dead, ended } = await ownership(tables.parts, dataset);
  const unfinished = ended.filter((state) => ['interrupted', 'failed'].includes(state.last.state));
  const states = [...live, ...dead, ...unfinished];
  await endParts(tables, states, { dataset, command: 'drop', state: 'dropped', takeOver });
}
