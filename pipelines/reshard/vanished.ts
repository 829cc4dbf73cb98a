/** Episodes whose files are gone, where the config says so: set aside, so that later segments leave them out. Their rows stay. */
import { openDataset } from '../../sinks/read.ts';
import type { FileStamps } from '../../sources/frozen.ts';
import { type IngestRequest, openIngest } from '../ingest-plan.ts';
import { STALE } from '../relabel.ts';
import { openStoreSink } from '../store-sink.ts';

export async function excludeVanished(request: IngestRequest, files: FileStamps): Promise<number> {
  const open = await openIngest({ ...request, source: { ...request.source, frozen: { files, changed: () => false } } });
  try {
    const reader = await openDataset(request.store, open.table.name);
    const ledger = await reader.ledger();
    reader.close();
    const there = new Set(open.container.shards.map(({ split, file }) => `${split}/${file}`));
    const gone = ledger.filter(
      ({ entry }) => entry.state === 'kept' && !there.has(`${entry.record.split}/${entry.record.shard}`),
    );
    if (gone.length === 0) return 0;
    const sink = await openStoreSink(open);
    for (const { entry } of gone)
      await sink.add({
        ledger: {
          ...entry,
          state: 'rejected',
          reason: 'excluded',
          detail: `the file ${entry.record.shard} is no longer at the source`,
          // A file that comes back is read again, though it holds what it held.
          fingerprint: STALE,
        },
      });
    await sink.close({ state: 'done', summary: { vanished: gone.length } });
    return gone.length;
  } finally {
    open.table.sideFiles?.close();
  }
}
