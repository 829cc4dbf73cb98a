/** What the second pass over a source will read: drawn steps without rows, and the bytes of their episodes, from the ledger alone. */
import type { PrepMetadata } from '../../schemas/row.ts';
import { type DrawnSteps, hasLacking, lackingEpisodes } from '../../sinks/lacking.ts';
import { datasetTables, openIfThere, type Store } from '../../sinks/store.ts';

export interface PlannedReading {
  readonly dataset: string;
  readonly episodes: number;
  /** Drawn steps without a row. */
  readonly steps: number;
  /** Of records, data files, videos and what lies beside them; metadata files, read at every start, are not among them. */
  readonly bytes: number;
  /** True for records in one piece; else videos and files may be read in part. */
  readonly exact: boolean;
  /** Episodes whose ledger row does not say what reading them takes: made by an older version. */
  readonly unknown: number;
}

/** Of these datasets those with an episode that has fewer rows than steps. */
export async function lackingDatasets(store: Store, datasets: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const dataset of datasets) {
    const ledger = await openIfThere(store, datasetTables(dataset).ledger);
    if (ledger && (await hasLacking(ledger))) found.push(dataset);
    ledger?.close();
  }
  return found;
}

export async function plannedReading(
  store: Store,
  { dataset, format }: { readonly dataset: string; readonly format: PrepMetadata['format'] },
  drawn: DrawnSteps,
): Promise<PlannedReading> {
  const exact = format === 'rlds';
  // A file that holds several episodes is read once for all.
  const shards = new Map<string, number>();
  const sums = { episodes: 0, steps: 0, bytes: 0, unknown: 0 };
  for await (const { place, lacking } of lackingEpisodes(store, dataset, drawn)) {
    sums.episodes++;
    sums.steps += lacking;
    if (exact) sums.bytes += place.length;
    else if (place.reading) {
      sums.bytes += place.reading.beside;
      shards.set(`${place.split}/${place.shard}`, place.reading.shard);
    } else sums.unknown++;
  }
  for (const size of shards.values()) sums.bytes += size;
  return { dataset, ...sums, exact };
}
