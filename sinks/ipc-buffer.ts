/**
 * Rows for LanceDB in memory that is used again. Its `add` joins a table into fresh memory and then copies that into fresh memory once more;
 * for gigabytes the pages of both cost several times what copying does.
 */
import type { AddResult, Table as LanceTable } from '@lancedb/lancedb';
import { arrow, type Schema } from '../schemas/arrow.ts';
import type { Column } from './columns.ts';
import * as column from './columns.ts';

export interface IpcBuffer {
  /** Copies a batch in: its arrays may be used again when this returns. */
  write(columns: readonly Column[]): void;
  /** Bytes of the batches so far. */
  readonly bytes: number;
  /** The batches as an Arrow file: a view that is valid until the next `write`. */
  finish(): Buffer;
}

export function openIpcBuffer(schema: Schema, expected: number): IpcBuffer {
  let memory = Buffer.allocUnsafeSlow(expected);
  let used = 0;
  let writer: InstanceType<typeof arrow.RecordBatchFileWriter> | null = null;
  const put = (chunk: Uint8Array): void => {
    if (used + chunk.byteLength > memory.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(2 * memory.length, used + chunk.byteLength));
      memory.copy(larger, 0, 0, used);
      memory = larger;
    }
    memory.set(chunk, used);
    used += chunk.byteLength;
  };
  const begin = () => {
    const queue = new arrow.AsyncByteQueue();
    // The writer hands its pieces to a queue that would keep them; here they go where they belong at once.
    queue.write = (chunk) => put(chunk instanceof Uint8Array ? chunk : new Uint8Array(chunk as ArrayBuffer));
    const made = new arrow.RecordBatchFileWriter();
    used = 0;
    made.reset(queue, schema);
    return made;
  };
  return {
    get bytes() {
      return writer === null ? 0 : used;
    },
    write(columns) {
      writer ??= begin();
      for (const batch of column.tableOf(schema, [columns]).batches) writer.write(batch);
    },
    finish() {
      (writer ?? begin()).finish();
      writer = null;
      return memory.subarray(0, used);
    },
  };
}

/** What `add` calls in the end; not in LanceDB's types, but there in the pinned version, and a test says so. */
interface Native {
  readonly inner: { add(file: Buffer, mode: 'append'): Promise<AddResult> };
}

/** @param file an Arrow file; it must not change before this resolves */
export async function addFile(table: LanceTable, file: Buffer): Promise<void> {
  await (table as unknown as Native).inner.add(file, 'append');
}
