/**
 * The same content in shards of two parts: each part sees only its own records while it runs, so equal episodes are found
 * at its end, in the ledger. The first in source order stays, as in one process.
 */
import type { LedgerEntry } from '../schemas/episode.ts';
import { openDataset, readParts } from '../sinks/read.ts';
import { sourceOrder } from './registry.ts';

/** Kept episodes that are copies of an earlier kept one, as the rejections they become. */
export function laterTwins(entries: Iterable<LedgerEntry>, splits: readonly string[]): LedgerEntry[] {
  const before = sourceOrder(splits);
  const kept = [...entries].filter(({ state }) => state === 'kept').sort((a, b) => before(a.record, b.record));
  const first = new Map<string, string>();
  const twins: LedgerEntry[] = [];
  for (const entry of kept) {
    const original = first.get(entry.sourceDigest);
    if (original === undefined) first.set(entry.sourceDigest, entry.episode);
    else
      twins.push({
        ...entry,
        state: 'rejected',
        reason: 'duplicate',
        detail: `the same bytes as ${original}`,
        flagRuns: [],
        calibration: {},
      });
  }
  return twins;
}

/**
 * Twins that part `own` may settle: those of its shards, and those of parts that nobody is writing any more. A part that is
 * still being written settles its own at its end.
 */
export async function settleableTwins(
  store: string,
  dataset: string,
  { splits, own, partOf }: { splits: readonly string[]; own: number; partOf: (shard: string) => number },
): Promise<LedgerEntry[]> {
  const reader = await openDataset(store, dataset);
  try {
    const rows = await reader.ledger();
    const twins = laterTwins(
      rows.map(({ entry }) => entry),
      splits,
    );
    if (twins.length === 0) return [];
    const live = new Set(
      (await readParts(store, dataset)).filter(({ status }) => status === 'live').map(({ part }) => part),
    );
    return twins.filter(({ shard }) => partOf(shard) === own || !live.has(partOf(shard)));
  } finally {
    reader.close();
  }
}
