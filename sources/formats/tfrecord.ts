/** TFRecord framing: u64le length, u32le masked CRC-32C of it, data, u32le masked CRC-32C of the data; no index. */
import { crc32c } from '@node-rs/crc32';
import { type Code, type Place, PrepError } from '../../schemas/errors.ts';
import type { ByteFile } from '../bytes.ts';

interface RecordFrame {
  /** Index within the shard. */
  readonly record: number;
  /** Byte offset of the framing. */
  readonly offset: number;
  /** Bytes with the 16 of the framing; for a record that is cut short, the bytes that are there. */
  readonly length: number;
}

export type RecordRead =
  /** `data` owns its ArrayBuffer, which holds exactly the record's bytes: it may be transferred. */
  | (RecordFrame & { readonly kind: 'record'; readonly data: Uint8Array<ArrayBuffer> })
  | (RecordFrame & { readonly kind: 'damaged'; readonly error: PrepError });

export interface ReadOptions {
  /** True: the data of this record is neither read nor checked (resume). Its length's checksum is. */
  readonly skip?: (record: number, offset: number, length: number) => boolean;
  /** Records that the dataset's metadata promises; null or absent if it says nothing. */
  readonly expected?: number | null;
  /** Largest length that is believed, in bytes. */
  readonly maxRecordBytes?: number;
}

const HEADER = 12;
const FOOTER = 4;
/** No published episode comes near (the longest known is some 200 MB); what is larger is a damaged length. */
const MAX_RECORD_BYTES = 2 ** 31;
const REFETCH = 'fetch the shard again';

/**
 * The records of one shard in order; one record and 16 bytes are in memory at a time. A record whose data is damaged or
 * cut short is yielded as `damaged`. What makes the rest unreadable is thrown after everything before it was yielded:
 * @throws PrepError `bad-length-checksum`, `impossible-length`, `compressed-shard`, `empty-shard`, `count-mismatch`
 */
export async function* readRecords(file: ByteFile, options: ReadOptions = {}): AsyncGenerator<RecordRead> {
  const { skip, maxRecordBytes = MAX_RECORD_BYTES, expected = null } = options;
  if (file.size === 0 && (expected ?? 0) > 0) throw empty(file, expected!);
  let record = 0;
  let offset = 0;
  let header = await file.read(0, HEADER);
  while (offset < file.size) {
    const at: Place = { shard: file.name, record, offset };
    const rest = file.size - offset;
    const cut = header.length < HEADER;
    const claimed = cut ? rest + 1 : checkedLength(header, at, maxRecordBytes) + HEADER + FOOTER;
    const length = Math.min(claimed, rest);
    const frame = { record, offset, length };
    const end = offset + length;
    if (skip?.(record, offset, length)) header = await file.read(end, HEADER);
    else if (length < claimed)
      yield { kind: 'damaged', ...frame, error: truncated(at, cut ? HEADER : claimed, length) };
    else {
      const data = await file.read(offset + HEADER, length - HEADER - FOOTER);
      // The footer and the next header in one read: two reads per record.
      const tail = await file.read(end - FOOTER, FOOTER + HEADER);
      const error = dataFault(data, tail, at);
      yield error ? { kind: 'damaged', ...frame, error } : { kind: 'record', ...frame, data };
      header = tail.slice(FOOTER);
    }
    offset = end;
    record++;
  }
  if (expected !== null && record !== expected) throw miscounted(file, record, expected);
}

/**
 * One record whose place is known: its bytes are read once, and nothing around them.
 * @param place offset and length with framing
 */
export async function readRecordAt(
  file: ByteFile,
  { record, offset, length }: { readonly record: number; readonly offset: number; readonly length: number },
): Promise<RecordRead> {
  const at: Place = { shard: file.name, record, offset };
  const damaged = (error: PrepError): RecordRead => ({ kind: 'damaged', record, offset, length, error });
  const header = await file.read(offset, HEADER);
  if (header.length < HEADER) return damaged(truncated(at, length, header.length));
  const wrong = lengthFault(header, at, length);
  if (wrong) return damaged(wrong);

  const data = await file.read(offset + HEADER, length - HEADER - FOOTER);
  const error = dataFault(data, await file.read(offset + length - FOOTER, FOOTER), at);
  return error ? damaged(error) : { kind: 'record', record, offset, length, data };
}

/** The next record can be found whatever this one's length says, so that a wrong one is the record's own fault. */
function lengthFault(header: Uint8Array, at: Place, length: number): PrepError | null {
  try {
    const claimed = checkedLength(header, at, MAX_RECORD_BYTES) + HEADER + FOOTER;
    if (claimed === length) return null;
    return fault('source-changed', at, `a record of ${length} bytes, as when it was ingested`, `${claimed}`);
  } catch (error) {
    if (error instanceof PrepError) return error;
    throw error;
  }
}

/** Masking as TensorFlow does it, so that a checksum of data that holds checksums stays useful. */
export function maskedCrc(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

const word = (bytes: Uint8Array, at: number): number =>
  new DataView(bytes.buffer, bytes.byteOffset + at, 4).getUint32(0, true);
const hex = (value: number): string => `0x${value.toString(16).padStart(8, '0')}`;

function checkedLength(header: Uint8Array, at: Place, limit: number): number {
  const [expected, found] = [maskedCrc(header.subarray(0, 8)), word(header, 8)];
  if (expected !== found) throw badLength(header, at, `${hex(expected)}`, hex(found));
  const length = (BigInt(word(header, 4)) << 32n) | BigInt(word(header, 0));
  if (length <= BigInt(limit)) return Number(length);
  throw new PrepError({
    code: 'impossible-length',
    at,
    expected: `a record of at most ${limit} bytes`,
    found: `a length of ${length} bytes`,
    remedy: REFETCH,
  });
}

/** A compressed file has no valid first length: only then do the first bytes say something about compression. */
function badLength(header: Uint8Array, at: Place, expected: string, found: string): PrepError {
  const compression = at.offset === 0 ? compressionOf(header) : null;
  if (compression)
    return new PrepError({
      code: 'compressed-shard',
      at,
      expected: 'plain TFRecord framing',
      found: `a file that is ${compression}-compressed as a whole`,
      remedy: `decompress it under the same name (${compression === 'gzip' ? '`gzip -dc`' : 'zlib'}) or fetch the plain shard`,
    });
  return new PrepError({
    code: 'bad-length-checksum',
    at,
    expected: `the length checksum ${expected} for these length bytes`,
    found,
    remedy: `${REFETCH}: without the length the next record cannot be found`,
  });
}

function compressionOf(header: Uint8Array): 'gzip' | 'zlib' | null {
  if (header[0] === 0x1f && header[1] === 0x8b) return 'gzip';
  const zlib = header[0] === 0x78 && ((header[0] << 8) | header[1]!) % 31 === 0;
  return zlib ? 'zlib' : null;
}

function dataFault(data: Uint8Array, tail: Uint8Array, at: Place): PrepError | null {
  // Only when the file became shorter while it was read.
  if (tail.length < FOOTER) return truncated(at, data.length + HEADER + FOOTER, data.length + HEADER + tail.length);
  const [expected, found] = [word(tail, 0), maskedCrc(data)];
  if (expected === found) return null;
  return fault('bad-data-checksum', at, `data with the checksum ${hex(expected)}`, `${hex(found)}`);
}

const truncated = (at: Place, claimed: number, found: number): PrepError =>
  fault('truncated-record', at, `${claimed} bytes of record`, `${found}: the file is cut short`);

const fault = (code: Code, at: Place, expected: string, found: string): PrepError =>
  new PrepError({ code, at, expected, found, remedy: REFETCH });

const empty = (file: ByteFile, expected: number): PrepError =>
  fault('empty-shard', { shard: file.name }, `${expected} records`, 'an empty file (0 bytes)');

const miscounted = (file: ByteFile, found: number, expected: number): PrepError =>
  fault('count-mismatch', { shard: file.name }, `${expected} records, as dataset_info.json says`, `${found}`);
