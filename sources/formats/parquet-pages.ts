/** Where the pages of a Parquet column chunk lie, read from their headers alone: files rarely carry an index of them. */
import type { ColumnMetaData } from 'hyparquet';
import type { ByteFile } from '../bytes.ts';

export interface Page {
  /** Of its header in the file. */
  readonly offset: number;
  /** Bytes in the file, with its header, and without it after decompression. */
  readonly stored: number;
  readonly bytes: number;
  /** First row within the row group, and how many. */
  readonly first: number;
  readonly rows: number;
  /** Its values are places in the chunk's dictionary page. */
  readonly dictionary: boolean;
}

/** Statistics in a header hold at most twice 4 KiB as Arrow writes them. */
const HEADER = 2 ** 14;
const LARGEST_HEADER = 2 ** 20;
/** `PageType` and `Encoding` of parquet.thrift. */
const DATA = 0;
const DICTIONARY = 2;
const DATA_V2 = 3;
const BY_DICTIONARY: ReadonlySet<unknown> = new Set([2, 8]);

/** Data pages of a chunk without repeated values, in order; null where its headers do not add up to it. */
export async function pagesOf(file: ByteFile, chunk: ColumnMetaData, rows: number): Promise<Page[] | null> {
  let offset = Number(chunk.dictionary_page_offset || chunk.data_page_offset);
  const end = offset + Number(chunk.total_compressed_size);
  const pages: Page[] = [];
  let first = 0;
  while (offset < end && first < rows) {
    const header = await headerAt(file, offset, end);
    if (header === null || header.stored <= 0 || offset + header.stored > end) return null;
    if (header.rows !== null) pages.push({ offset, first, ...header, rows: header.rows });
    first += header.rows ?? 0;
    offset += header.stored;
  }
  return first === rows ? pages : null;
}

interface Header {
  readonly stored: number;
  readonly bytes: number;
  /** Null of a dictionary page. */
  readonly rows: number | null;
  readonly dictionary: boolean;
}

async function headerAt(file: ByteFile, offset: number, end: number): Promise<Header | null> {
  for (let length = HEADER; length <= LARGEST_HEADER; length *= 8) {
    const bytes = await file.read(offset, Math.min(length, end - offset));
    const found = structIn(new DataView(bytes.buffer));
    if (found) return headerOf(found.fields, found.at);
    if (offset + length >= end) return null;
  }
  return null;
}

/** `PageHeader`: 1 type, 2 uncompressed, 3 compressed; 5 and 8 say of data pages 1 values, 3 rows (v2), 2 or 4 encoding. */
function headerOf(fields: Fields, length: number): Header | null {
  const [type, bytes, compressed] = [fields.get(1), fields.get(2), fields.get(3)];
  if (typeof bytes !== 'number' || typeof compressed !== 'number') return null;
  const size = { stored: length + compressed, bytes };
  if (type === DICTIONARY) return { ...size, rows: null, dictionary: false };
  const data = fields.get(type === DATA ? 5 : 8);
  if ((type !== DATA && type !== DATA_V2) || !(data instanceof Map)) return null;
  const rows = data.get(type === DATA ? 1 : 3);
  const dictionary = BY_DICTIONARY.has(data.get(type === DATA ? 2 : 4));
  return typeof rows === 'number' && rows >= 0 ? { ...size, rows, dictionary } : null;
}

type Fields = Map<number, number | Fields | null>;
interface Reader {
  readonly view: DataView;
  at: number;
}

/** A struct of Thrift's compact protocol: its numbers and structs by field, and where it ends; null where the bytes end first. */
function structIn(view: DataView): { fields: Fields; at: number } | null {
  const reader = { view, at: 0 };
  try {
    return { fields: readStruct(reader), at: reader.at };
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

/** Structs within structs: deeper ones than a page header's are no page header. */
const DEEPEST = 8;

/** @throws RangeError beyond the end */
function readStruct(reader: Reader, depth = 0): Fields {
  if (depth > DEEPEST) throw new RangeError('too deep');
  const fields: Fields = new Map();
  for (let field = 0; ; ) {
    const byte = reader.view.getUint8(reader.at++);
    if (byte === 0) return fields;
    field = byte >> 4 ? field + (byte >> 4) : zigzag(reader);
    fields.set(field, readValue(reader, byte & 15, depth));
  }
}

function readValue(reader: Reader, type: number, depth: number): number | Fields | null {
  if (type === 1 || type === 2) return type === 1 ? 1 : 0;
  if (type === 3) return reader.view.getInt8(reader.at++);
  if (type === 4 || type === 5 || type === 6) return zigzag(reader);
  if (type === 12) return readStruct(reader, depth + 1);
  // Doubles, texts and lists are not needed; what a header does not hold ends the reading.
  if (type === 7) reader.at += 8;
  else if (type === 8) {
    const length = varint(reader);
    reader.at += length;
  } else throw new RangeError(`type ${type}`);
  if (reader.at > reader.view.byteLength) throw new RangeError('cut');
  return null;
}

function varint(reader: Reader): number {
  let [value, factor] = [0, 1];
  for (;;) {
    const byte = reader.view.getUint8(reader.at++);
    value += (byte & 127) * factor;
    if (byte < 128) return value;
    factor *= 128;
    if (factor > 2 ** 63) throw new RangeError('no number');
  }
}

/** Exact to 2^53. */
function zigzag(reader: Reader): number {
  const value = varint(reader);
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
}
