/** The record batches of a table as one, for writers that do not keep the order of batches. */
import { arrow, type Table } from '../schemas/arrow.ts';
import type { Column } from './columns.ts';
import * as column from './columns.ts';

/**
 * Copies a table of non-null columns (numbers, texts, binaries, fixed-size lists of numbers) into a single record batch:
 * memory for a second copy of what it holds.
 */
export function inOneBatch(table: Table): Table {
  if (table.batches.length < 2) return table;
  const columns = table.schema.fields.map((_, index) =>
    concatenated(table.batches.map((batch) => batch.data.children[index]!)),
  );
  return column.tableOf(table.schema, [columns]);
}

type Values = Float32Array | Float64Array | Int16Array | Int32Array | BigInt64Array | Uint8Array;

function concatenated(parts: readonly Column[]): Column {
  const { type } = parts[0]!;
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  if (type instanceof arrow.FixedSizeList)
    return column.fixedLists(type, length, concatenated(parts.map((part) => part.children[0]!)));
  if (!(type instanceof arrow.Utf8 || type instanceof arrow.Binary))
    return arrow.makeData({ type, length, nullCount: 0, data: joined(parts.map((part) => part.values)) } as never);
  const valueOffsets = new Int32Array(length + 1);
  let row = 0;
  for (const { valueOffsets: offsets, length: rows } of parts)
    for (let at = 0; at < rows; at++, row++)
      valueOffsets[row + 1] = valueOffsets[row]! + offsets[at + 1]! - offsets[at]!;
  // A column may be a view that does not start at its buffer's first byte.
  const bytes = parts.map(({ values, valueOffsets: offsets, length: rows }) =>
    (values as Uint8Array).subarray(offsets[0], offsets[rows]),
  );
  return arrow.makeData({ type, length, nullCount: 0, valueOffsets, data: joined(bytes) } as never);
}

function joined<T extends Values>(parts: readonly T[]): T {
  const [first] = parts as readonly [T];
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const all = new (first.constructor as new (length: number) => T)(length);
  let at = 0;
  for (const part of parts) {
    all.set(part as never, at);
    at += part.length;
  }
  return all;
}
