/** Scans in batches of a size of our own: the library's 1024 rows cost several times what reading them does. */
import type { Query } from '@lancedb/lancedb';
import type { RecordBatch } from '../schemas/arrow.ts';

interface Executes {
  execute(options: { readonly maxBatchLength: number }): AsyncIterable<RecordBatch>;
}

/** Rows of a batch where columns are narrow. */
export const MANY_ROWS = 2 ** 16;

/** Batches of at most `rows` rows. `execute` is what iterating a query calls too, but only here it can be told a length. */
export const scan = (query: Query, rows = MANY_ROWS): AsyncIterable<RecordBatch> =>
  (query as unknown as Executes).execute({ maxBatchLength: rows });
