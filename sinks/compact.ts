/** Merging fragments and pruning old versions. */
import { KEEP_VERSIONS_MS } from './lance.ts';
import { attempt, newest, retryConflicts } from './store.ts';
import { closeTables, openTablesThere } from './tables.ts';

export interface CompactedTable {
  readonly table: string;
  readonly fragmentsRemoved: number;
  readonly fragmentsAdded: number;
  readonly versionsRemoved: number;
  readonly bytesRemoved: number;
}

/**
 * Compacts a dataset's tables and the store's logs. May run beside live writers: appends are rebased over it by Lance, row
 * ids are stable, and versions younger than `keepMs` stay. Two compactions at once conflict; the loser tries again.
 */
export async function compactDataset(
  uri: string,
  dataset: string,
  { keepMs = KEEP_VERSIONS_MS }: { keepMs?: number } = {},
): Promise<CompactedTable[]> {
  const tables = await openTablesThere(uri, dataset);
  const done: CompactedTable[] = [];
  try {
    for (const table of [tables.steps, tables.ledger, tables.tracks, tables.parts, tables.runs]) {
      if (!table) continue;
      const { compaction, prune } = await attempt(tables.store.uri, `compact ${table.name}`, () =>
        retryConflicts(async () => (await newest(table)).optimize({ cleanupOlderThan: new Date(Date.now() - keepMs) })),
      );
      const { fragmentsRemoved, fragmentsAdded } = compaction;
      const { oldVersionsRemoved: versionsRemoved, bytesRemoved } = prune;
      done.push({ table: table.name, fragmentsRemoved, fragmentsAdded, versionsRemoved, bytesRemoved });
    }
    return done;
  } finally {
    closeTables(tables);
  }
}
