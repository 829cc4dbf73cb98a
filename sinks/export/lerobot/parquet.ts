/** Parquet files written one row group at a time, through hyparquet-writer. */
import type { SchemaElement } from 'hyparquet';
import { ByteWriter, ParquetWriter } from 'hyparquet-writer';

export type Leaf = 'float32' | 'float64' | 'int64' | 'string' | 'bytes';

/** Type of a column: a scalar, lists `depth` deep, or Hugging Face's struct of a picture. */
export type ColumnType = { readonly leaf: Leaf; readonly depth: number } | 'image';

export interface Column {
  readonly name: string;
  readonly type: ColumnType;
}

/** Cells of one column: numbers, bigints, texts, byte arrays, nested plain arrays of them. */
export type Cells = ArrayLike<unknown>;

export interface ParquetTable {
  /** One row group. @param cells by column, in the order of the columns */
  group(cells: readonly Cells[]): Promise<void>;
  finish(): Promise<void>;
}

/** @param append gets the bytes in order */
export function openParquetTable(
  columns: readonly Column[],
  append: (bytes: Uint8Array) => Promise<void>,
  metadata: Readonly<Record<string, string>> = {},
): ParquetTable {
  const buffer = new ByteWriter();
  const flush = async (): Promise<void> => {
    await append(buffer.getBytes());
    // Offsets in the file go on; only the buffer begins anew.
    buffer.index = 0;
  };
  const writer = new ParquetWriter({
    writer: Object.assign(buffer, { flush, finish: flush }),
    schema: schemaOf(columns),
    kvMetadata: Object.entries(metadata).map(([key, value]) => ({ key, value })),
    createdBy: 'robot-prep',
  });
  return {
    async group(cells) {
      const columnData = columns.map(({ name, type }, i) => ({
        name,
        data: pictures(type, cells[i]!) as unknown[],
        // Nothing is gained by packing JPEG, and nothing is searched by bounds of numbers.
        codec: type === 'image' ? ('UNCOMPRESSED' as const) : ('SNAPPY' as const),
        statistics: false,
        offsetIndex: false,
        ...(isText(type) ? {} : { encoding: 'PLAIN' as const }),
      }));
      await writer.write({ columnData, rowGroupSize: Math.max(1, cells[0]!.length) });
    },
    finish: async () => void (await writer.finish()),
  };
}

/** A whole table in memory. */
export async function parquetBytes(
  columns: readonly Column[],
  cells: readonly Cells[],
  metadata: Readonly<Record<string, string>> = {},
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const table = openParquetTable(columns, async (bytes) => void parts.push(bytes.slice()), metadata);
  await table.group(cells);
  await table.finish();
  return Buffer.concat(parts);
}

const isText = (type: ColumnType): boolean => type !== 'image' && type.leaf === 'string';
const pictures = (type: ColumnType, cells: Cells): Cells =>
  type === 'image' ? Array.from(cells, (bytes) => ({ bytes, path: null })) : cells;

function schemaOf(columns: readonly Column[]): SchemaElement[] {
  return [{ name: 'schema', num_children: columns.length }, ...columns.flatMap(elementsOf)];
}

function elementsOf({ name, type }: Column): SchemaElement[] {
  const required = { repetition_type: 'REQUIRED' as const };
  // `datasets` believes its own description of a column only where Arrow's type is the same, and its types may be null.
  const optional = { repetition_type: 'OPTIONAL' as const };
  if (type === 'image')
    return [
      { name, ...optional, num_children: 2 },
      { name: 'bytes', ...optional, type: 'BYTE_ARRAY' },
      { name: 'path', ...optional, type: 'BYTE_ARRAY', converted_type: 'UTF8' },
    ];
  if (type.depth === 0) return [{ name, ...optional, ...LEAVES[type.leaf] }];
  const elements: SchemaElement[] = [];
  for (let level = 0; level < type.depth; level++)
    elements.push(
      { name: level === 0 ? name : 'element', ...required, num_children: 1, converted_type: 'LIST' },
      { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
    );
  return [...elements, { name: 'element', ...required, ...LEAVES[type.leaf] }];
}

const LEAVES: Readonly<Record<Leaf, Pick<SchemaElement, 'type' | 'converted_type'>>> = {
  float32: { type: 'FLOAT' },
  float64: { type: 'DOUBLE' },
  int64: { type: 'INT64' },
  string: { type: 'BYTE_ARRAY', converted_type: 'UTF8' },
  bytes: { type: 'BYTE_ARRAY' },
};
