/** What no live plan or generation needs goes: tables of shards that are named nowhere, and shards of old segments if asked. */
import type { ReshardConfig } from '../../schemas/reshard.ts';
import { readSegments } from '../../sinks/plans.ts';
import { dropTable, orphanShards, readShards, unpublishShards } from '../../sinks/shards.ts';
import type { Store } from '../../sinks/store.ts';

/** @returns tables dropped */
export async function prune(store: Store, { retention }: ReshardConfig, plan: string): Promise<string[]> {
  const dropped: string[] = [];
  if (retention.shard_segments !== undefined) {
    const segments = await readSegments(store, plan);
    const first = segments.slice(-retention.shard_segments)[0]!.segment.start;
    const old = (await readShards(store, plan)).filter(({ start, draws }) => start + draws <= first);
    await unpublishShards(store, plan, old);
    for (const { table } of old) {
      await dropTable(store, table);
      dropped.push(table);
    }
  }
  for (const table of await orphanShards(store)) {
    await dropTable(store, table);
    dropped.push(table);
  }
  return dropped;
}
