/**
 * Typed arrays → Arrow columns without an object per row. Every function returns arrow `Data` that refers to what it was
 * given; the only copy of a picture is the one that LanceDB makes into its IPC buffer.
 */
import { arrow, type DataType, type Field, type Schema, type Table } from '../schemas/arrow.ts';

export type Column = InstanceType<typeof arrow.Data>;

const encoder = new TextEncoder();

/** One text repeated `count` times; encoded once. */
export function sameText(text: string, count: number): Column {
  const bytes = encoder.encode(text);
  const data = new Uint8Array(bytes.length * count);
  for (let row = 0; row < count; row++) data.set(bytes, row * bytes.length);
  return textData(
    data,
    Int32Array.from({ length: count + 1 }, (_, row) => row * bytes.length),
  );
}

/** One text per row; a column whose rows are all the same object costs one encoding. */
export function texts(values: readonly string[]): Column {
  const encoded = new Map<string, Uint8Array>();
  const offsets = new Int32Array(values.length + 1);
  for (const [row, value] of values.entries()) {
    const bytes = encoded.get(value) ?? encoder.encode(value);
    encoded.set(value, bytes);
    offsets[row + 1] = offsets[row]! + bytes.length;
  }
  const data = new Uint8Array(offsets[values.length]!);
  for (const [row, value] of values.entries()) data.set(encoded.get(value)!, offsets[row]!);
  return textData(data, offsets);
}

function textData(data: Uint8Array, valueOffsets: Int32Array): Column {
  return arrow.makeData({ type: new arrow.Utf8(), length: valueOffsets.length - 1, nullCount: 0, valueOffsets, data });
}

export function binaries(data: Uint8Array, valueOffsets: Int32Array): Column {
  return arrow.makeData({
    type: new arrow.Binary(),
    length: valueOffsets.length - 1,
    nullCount: 0,
    valueOffsets,
    data,
  });
}

export const int16s = (data: Int16Array): Column => plain(new arrow.Int16(), data);
export const int32s = (values: Int32Array | readonly number[]): Column =>
  plain(new arrow.Int32(), values instanceof Int32Array ? values : Int32Array.from(values));
export const int64s = (values: BigInt64Array | readonly bigint[]): Column =>
  plain(new arrow.Int64(), values instanceof BigInt64Array ? values : BigInt64Array.from(values));
export const float32s = (data: Float32Array): Column => plain(new arrow.Float32(), data);
export const float64s = (values: Float64Array | readonly number[]): Column =>
  plain(new arrow.Float64(), values instanceof Float64Array ? values : Float64Array.from(values));

function plain(type: DataType, data: ArrayLike<number> | BigInt64Array): Column {
  return arrow.makeData({ type, length: data.length, nullCount: 0, data } as never) as Column;
}

/** Packed bits with a validity bitmap; `null` stays null. */
export function booleans(values: readonly (boolean | null)[]): Column {
  const bytes = (values.length + 7) >> 3;
  const data = new Uint8Array(bytes);
  const nullBitmap = new Uint8Array(bytes);
  for (const [row, value] of values.entries()) {
    if (value === true) data[row >> 3]! |= 1 << (row & 7);
    if (value !== null) nullBitmap[row >> 3]! |= 1 << (row & 7);
  }
  const nullCount = values.filter((value) => value === null).length;
  return arrow.makeData({ type: new arrow.Bool(), length: values.length, nullCount, nullBitmap, data });
}

/** Rows of a fixed number of values each; `child` holds all rows one after another. */
export function fixedLists(type: DataType, length: number, child: Column): Column {
  return arrow.makeData({ type: type as never, length, nullCount: 0, child } as never) as Column;
}

/** A list per row: `lengths` of each, `child` all their items one after another. */
export function lists(type: DataType, lengths: readonly number[], child: Column): Column {
  const valueOffsets = new Int32Array(lengths.length + 1);
  for (const [row, length] of lengths.entries()) valueOffsets[row + 1] = valueOffsets[row]! + length;
  return arrow.makeData({ type, length: lengths.length, nullCount: 0, valueOffsets, child } as never) as Column;
}

/** A list of float64 per row. */
export function numberLists(type: DataType, rows: readonly (Float64Array | readonly number[])[]): Column {
  const lengths = rows.map((row) => row.length);
  const all = new Float64Array(lengths.reduce((sum, length) => sum + length, 0));
  let at = 0;
  for (const row of rows) {
    all.set(row, at);
    at += row.length;
  }
  return lists(type, lengths, float64s(all));
}

/** Structs whose members are given column by column, in the order of the type's fields. */
export function structs(type: DataType, length: number, children: readonly Column[]): Column {
  return arrow.makeData({ type, length, nullCount: 0, children } as never) as Column;
}

/** The struct type of a list column's items, for `structs`. */
export function itemType(schema: Schema, name: string): DataType {
  return (fieldOf(schema, name).type as { children: readonly Field[] }).children[0]!.type;
}

/** A member of a struct type. */
export function memberOf(type: DataType, name: string): Field {
  return named(type.children as readonly Field[], name);
}

export function fieldOf(schema: Schema, name: string): Field {
  return named(schema.fields, name);
}

function named(fields: readonly Field[], name: string): Field {
  const field = fields.find((candidate) => candidate.name === name);
  if (!field) throw new TypeError(`schema has no column ${name}`);
  return field;
}

/** One record batch per element of `batches`, columns in schema order: no batch is copied into another. */
export function tableOf(schema: Schema, batches: readonly (readonly Column[])[]): Table {
  const type = new arrow.Struct(schema.fields);
  return new arrow.Table(
    schema,
    batches.map((children) => {
      const length = children[0]?.length ?? 0;
      return new arrow.RecordBatch(schema, structs(type, length, children) as never);
    }),
  );
}
