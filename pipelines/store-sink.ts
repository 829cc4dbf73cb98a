/** The Lance sink of an open ingest, with what the lineage of the run records. */

import { openLanceSink } from '../sinks/lance.ts';
import type { Sink } from '../sinks/sink.ts';
import { shown } from '../sources/remote/access.ts';
import { GROUP_BYTES, type OpenIngest } from './ingest-plan.ts';
import { partOfShard } from './records.ts';
import { settleableTwins } from './twins.ts';

export function openStoreSink({ request, table, container, spec }: OpenIngest): Promise<Sink> {
  const { access: _, frozen: __, through: ___, root, ...source } = request.source;
  return openLanceSink({
    store: request.store,
    shape: table.shape,
    part: request.run.part,
    run: {
      command: 'ingest',
      options: {
        dataset: spec.name,
        root: shown(root),
        ...source,
        ...request.run,
        pixels: table.pixels,
        labels: table.labels,
      },
      versions: {
        spec: spec.version,
        container: `${container.name} ${container.version}`,
        node: process.versions.node,
      },
    },
    groupBytes: GROUP_BYTES,
    takeOver: request.run.takeOver,
  });
}

/**
 * Rejects episodes that are copies of earlier ones in another part's shards, as far as this part may; returns how many.
 * A run of its own, because within one run an episode is recorded once.
 */
export async function settleTwins(open: OpenIngest): Promise<number> {
  const { request, table, container } = open;
  const { index: own, of } = request.run.part;
  if (of === 1) return 0;
  const where = { splits: container.splits, own, partOf: partOfShard(container, of) };
  const twins = await settleableTwins(request.store, table.name, where);
  if (twins.length === 0) return 0;
  const sink = await openStoreSink(open);
  for (const ledger of twins) await sink.add({ ledger });
  await sink.close({ state: 'done', summary: { twins: twins.length } });
  return twins.length;
}
