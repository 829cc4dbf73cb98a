/** A table of features, opened again by a connection that has nothing of the writer's memory, before it counts. */
import { createHash } from 'node:crypto';
import { PrepError } from '../../schemas/errors.ts';
import type { FeatureShape } from '../../schemas/feature-tables.ts';
import { needTable, takeFeatures } from '../../sinks/feature-rows.ts';
import type { FeatureTable } from '../../sinks/features.ts';
import { scan } from '../../sinks/scan.ts';
import { connectStore } from '../../sinks/store.ts';
import { rowChecksum } from '../../transforms/features/row-checksum.ts';

/** Of so many rows one is read back whole. */
const ONE_IN = 100;
/** Rows read back at a time: 2.6 MB each. */
const AT_ONCE = 16;

interface Comparing {
  readonly table: FeatureTable;
  readonly shape: FeatureShape;
  /** xxh3-64 */
  readonly hash: (bytes: Uint8Array) => bigint;
}

/** @throws PrepError `store` where it is not what was written */
export async function compareFeatures(uri: string, { table, shape, hash }: Comparing): Promise<void> {
  const store = await connectStore(uri);
  const opened = await needTable(store, table.table);
  try {
    const digest = createHash('sha256');
    let rows = 0;
    const order: [BigInt64Array, BigInt64Array][] = [];
    for await (const batch of scan(opened.query().select(['frame', 'checksum']))) {
      order.push([
        batch.getChild('frame')!.toArray() as BigInt64Array,
        batch.getChild('checksum')!.toArray() as BigInt64Array,
      ]);
      rows += batch.numRows;
    }
    if (rows !== table.rows) throw differs(table, `${rows} rows`);
    for (const [frames, checksums] of order)
      for (let i = 0; i < frames.length; i++) digest.update(pair(frames[i]!, checksums[i]!));
    if (digest.digest('hex') !== table.checksum) throw differs(table, 'other frames or another order');
    for (let from = 0; from < rows; from += ONE_IN * AT_ONCE) {
      const some = Array.from({ length: AT_ONCE }, (_, i) => from + i * ONE_IN).filter((row) => row < rows);
      const found = await takeFeatures(opened, some, shape);
      for (const [i, row] of some.entries()) {
        const views = shape.views.map((role) => found.views[role]!);
        if (rowChecksum(views, { row: i, rows: some.length, hash }) !== found.checksum[i])
          throw differs(table, `other numbers in row ${row}`);
      }
    }
  } finally {
    opened.close();
    store.connection.close();
  }
}

function pair(frame: bigint, checksum: bigint): Uint8Array {
  return new Uint8Array(BigInt64Array.of(frame, checksum).buffer);
}

const differs = ({ table, rows }: FeatureTable, found: string): PrepError =>
  new PrepError({
    code: 'store',
    at: { field: table },
    expected: `to read back the ${rows} rows that were written`,
    found,
    remedy: 'run the same command again: the part was not published',
  });
