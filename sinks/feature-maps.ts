/** Where features lie: the keys of a part's draws, and the maps of plans. Tables of one or two narrow columns, written whole. */
import type { Schema, Table } from '../schemas/arrow.ts';
import { PrepError } from '../schemas/errors.ts';
import { keysSchema, mapSchema } from '../schemas/feature-tables.ts';
import * as column from './columns.ts';
import { needTable } from './feature-rows.ts';
import { scan } from './scan.ts';
import { attempt, type LanceTable, openOrCreate, type Store } from './store.ts';

/** Rows of one `add`. */
const NARROW_ROWS = 1_000_000;

async function writeNarrow(
  store: Store,
  name: string,
  schema: Schema,
  rows: number,
  part: (from: number, to: number) => column.Column[],
) {
  const table = await openOrCreate(store, name, schema);
  try {
    for (let from = 0; from < rows; from += NARROW_ROWS) {
      const batch: Table = column.tableOf(schema, [part(from, Math.min(rows, from + NARROW_ROWS))]);
      await attempt(store.uri, `write ${name}`, () => table.add(batch));
    }
  } finally {
    table.close();
  }
}

export const writeKeys = (store: Store, name: string, frames: BigInt64Array): Promise<void> =>
  writeNarrow(store, name, keysSchema(), frames.length, (from, to) => [column.int64s(frames.subarray(from, to))]);

export async function* readKeys(store: Store, name: string): AsyncGenerator<BigInt64Array> {
  const table = await needTable(store, name);
  try {
    for await (const batch of scan(table.query())) yield batch.getChild('frame')!.toArray() as BigInt64Array;
  } finally {
    table.close();
  }
}

export const writeMap = (store: Store, name: string, parts: Int32Array, rows: Int32Array): Promise<void> =>
  writeNarrow(store, name, mapSchema(), rows.length, (from, to) => [
    column.int32s(parts.subarray(from, to)),
    column.int32s(rows.subarray(from, to)),
  ]);

/** Entries `from` … `from + count − 1` of a map. */
export async function readMap(
  table: LanceTable,
  from: number,
  count: number,
): Promise<{ parts: Int32Array; rows: Int32Array }> {
  const [parts, rows] = [new Int32Array(count), new Int32Array(count)];
  let at = 0;
  for await (const batch of table.query().select(['part', 'row']).limit(count).offset(from)) {
    parts.set(batch.getChild('part')!.toArray() as Int32Array, at);
    rows.set(batch.getChild('row')!.toArray() as Int32Array, at);
    at += batch.numRows;
  }
  if (at === count) return { parts, rows };
  throw new PrepError({
    code: 'stale-features',
    at: { field: table.name },
    expected: `entries up to ${from + count}`,
    found: String(from + at),
    remedy: '`prep features run` makes the map again',
  });
}
