/** Entry of the comparing process: argv is the store and the shard, stdout `{compared}`; what differs goes to stderr with exit code 1. */
import { createHash } from 'node:crypto';
import { arrow, type RecordBatch, type Table } from '../../schemas/arrow.ts';
import { mixedSchema } from '../../schemas/mixed-row.ts';
import { mixedTable, type ShardEntry, scanShard, updateOrderHash } from '../../sinks/shards.ts';
import { connectStore } from '../../sinks/store.ts';
import { drawSeed } from '../../transforms/order/draws.ts';
import { openPlanRows, type PlanRows } from '../mixed/plan-rows.ts';

/** One row in so many is compared byte for byte. */
const ONE_IN = 100;

const [uri, text] = process.argv.slice(2) as [string, string];
process.stdout.write(JSON.stringify({ compared: await compare(uri, JSON.parse(text)) }));

async function compare(storeUri: string, entry: ShardEntry): Promise<number> {
  const store = await connectStore(storeUri);
  const rows = await openPlanRows(store, entry.plan);
  const hash = createHash('sha256');
  let [count, compared] = [0, 0];
  for await (const batch of scanShard(store, entry)) {
    const keys = batch.getChild('episode_key')!.toArray() as BigInt64Array;
    const steps = batch.getChild('step')!.toArray() as Int32Array;
    const draws = batch.getChild('draw')!.toArray() as BigInt64Array;
    updateOrderHash(hash, keys, steps);
    for (let i = 0; i < batch.numRows; i++) {
      const draw = entry.start + count + i;
      const wanted = rows.place(draw);
      if (Number(draws[i]) !== draw || wanted.episodeKey !== keys[i] || wanted.step !== steps[i])
        throw new Error(
          `row ${count + i} is draw ${draws[i]}, step ${steps[i]} of ${keys[i]}; the plan says ${wanted.step} of ${wanted.episodeKey}`,
        );
    }
    compared += await compareSome(rows, batch, { first: entry.start + count, always: entry.start });
    count += batch.numRows;
  }
  if (count !== entry.draws) throw new Error(`${count} rows, not ${entry.draws}`);
  if (hash.digest('hex') !== entry.orderHash) throw new Error('another order than was written');
  rows.close();
  return compared;
}

/** Rows of a batch chosen by their seed (and the shard's first), every column against rows made again from the source. */
async function compareSome(
  rows: PlanRows,
  batch: RecordBatch,
  { first, always }: { readonly first: number; readonly always: number },
): Promise<number> {
  const { seed } = rows.segments[0]!.segment;
  const chosen = Array.from({ length: batch.numRows }, (_, i) => i).filter(
    (i) => first + i === always || drawSeed(seed, first + i)[0] % ONE_IN === 0,
  );
  if (chosen.length === 0) return 0;
  const made = mixedTable(mixedSchema(rows.shape, {}), rows.shape, await rows.rows(chosen.map((i) => first + i)));
  for (const [j, i] of chosen.entries())
    for (const { name } of made.schema.fields) {
      const [there, wanted] = [bytesOf(batch, name, i), bytesOf(made, name, j)];
      if (!there.equals(wanted)) throw new Error(`draw ${first + i}: column ${name} differs from its source`);
    }
  return chosen.length;
}

function bytesOf(rows: RecordBatch | Table, name: string, at: number): Buffer {
  const value = rows.getChild(name)!.get(at);
  if (value instanceof Uint8Array) return Buffer.from(value);
  if (value instanceof arrow.Vector && value.type instanceof arrow.Utf8) return Buffer.from([...value].join('\0'));
  if (value instanceof arrow.Vector) {
    const numbers = value.toArray() as Float32Array;
    return Buffer.from(numbers.buffer.slice(numbers.byteOffset, numbers.byteOffset + numbers.byteLength));
  }
  return Buffer.from(String(value));
}
