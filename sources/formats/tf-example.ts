/** tf.train.Example from the wire: `Example{1: Features{1: map entry{1: key, 2: Feature{1 bytes | 2 floats | 3 ints}}}}`. */
import { PrepError } from '../../schemas/errors.ts';

/** The value of one key, as views into the record. Numbers stay encoded until they are asked for. */
export type Feature =
  | { readonly kind: 'empty' }
  | { readonly kind: 'bytes'; readonly values: readonly Uint8Array[] }
  /** Little-endian float32; the runs follow one another (one run where the list is packed). */
  | { readonly kind: 'floats'; readonly runs: readonly Uint8Array[] }
  /** Varints of int64. */
  | { readonly kind: 'ints'; readonly runs: readonly Uint8Array[] };

/** Wire types; 3 and 4 (groups) were never used here. */
const [VARINT, FIXED64, BYTES, FIXED32] = [0, 1, 2, 5];
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Key → feature, zero-copy: the views live as long as `data`. Lists packed or not, keys in any order, a later key wins.
 * @throws PrepError `not-an-example` with the byte at which the wire format breaks
 */
export function parseExample(data: Uint8Array): Map<string, Feature> {
  const features = new Map<string, Feature>();
  let known = false;
  eachField(data, (field, example, wire) => {
    if (field !== 1 || wire !== BYTES) return;
    known = true;
    eachField(example, (inner, entry, entryWire) => {
      if (inner === 1 && entryWire === BYTES) addEntry(features, entry);
    });
  });
  // Random bytes can be a valid message that holds none of our fields.
  if (data.length > 0 && !known) throw broken(data, 'no features');
  return features;
}

/** Number of values, without decoding them. */
export function countOf(feature: Feature | undefined): number {
  if (feature === undefined || feature.kind === 'empty') return 0;
  if (feature.kind === 'bytes') return feature.values.length;
  if (feature.kind === 'floats') return sum(feature.runs, (run) => run.length / 4);
  return sum(feature.runs, varintCount);
}

/** A view where the bytes are one aligned run, else a copy. */
export function floatValues(feature: Feature & { readonly kind: 'floats' }): Float32Array {
  const [first] = feature.runs;
  if (feature.runs.length === 1 && first!.byteOffset % 4 === 0)
    return new Float32Array(first!.buffer, first!.byteOffset, first!.length / 4);
  return new Float32Array(joined(feature.runs).buffer);
}

/**
 * Exact: a Float64Array where every value is a safe integer, else a BigInt64Array.
 * @throws PrepError `not-an-example` for a varint of more than ten bytes
 */
export function intValues(feature: Feature & { readonly kind: 'ints' }): Float64Array | BigInt64Array {
  const count = countOf(feature);
  const values = new Float64Array(count);
  let index = 0;
  for (const run of feature.runs)
    for (let at = 0; at < run.length; index++) {
      // Bytes 0–6 carry 49 bits: below 2^53, no rounding.
      let [value, scale] = [0, 1];
      const start = at;
      while (run[at]! >= 0x80 && at - start < 7) {
        value += (run[at++]! & 0x7f) * scale;
        scale *= 128;
      }
      if (at - start === 7) return bigValues(feature.runs, count);
      values[index] = value + run[at++]! * scale;
    }
  return values;
}

function bigValues(runs: readonly Uint8Array[], count: number): Float64Array | BigInt64Array {
  const values = new BigInt64Array(count);
  let index = 0;
  for (const run of runs)
    for (let at = 0; at < run.length; ) {
      let [value, shift] = [0n, 0n];
      for (let more = true; more; shift += 7n) {
        if (shift === 70n) throw broken(run, 'a varint of more than ten bytes');
        value |= BigInt(run[at]! & 0x7f) << shift;
        more = run[at++]! >= 0x80;
      }
      // A BigInt64Array takes the low 64 bits: ten bytes carry 70.
      values[index++] = value;
    }
  const safe = values.every((value) => value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER);
  return safe ? Float64Array.from(values, Number) : values;
}

function addEntry(features: Map<string, Feature>, entry: Uint8Array): void {
  let key = '';
  const values: [kind: number, part: Uint8Array][] = [];
  eachField(entry, (field, part, wire) => {
    if (wire !== BYTES) return;
    if (field === 1) key = decodeKey(part);
    else if (field === 2) collect(values, part);
  });
  // The three lists are a `oneof`: the last kind on the wire counts.
  const kind = values.at(-1)?.[0] ?? 0;
  const parts = values.filter(([of, part]) => of === kind && (kind === 1 || part.length > 0)).map(([, part]) => part);
  if (parts.length === 0) features.set(key, { kind: 'empty' });
  else if (kind === 1) features.set(key, { kind: 'bytes', values: parts });
  else features.set(key, { kind: kind === 2 ? 'floats' : 'ints', runs: parts });
}

function decodeKey(part: Uint8Array): string {
  try {
    return utf8.decode(part);
  } catch (cause) {
    throw broken(part, 'a key that is no UTF-8', cause);
  }
}

/** The list of one Feature: bytes values one by one, numbers as runs of wire bytes. */
function collect(values: [number, Uint8Array][], feature: Uint8Array): void {
  eachField(feature, (kind, list, listWire) => {
    if (listWire !== BYTES || kind < 1 || kind > 3) return;
    eachField(list, (field, part, wire) => {
      if (field !== 1) return;
      if (wire !== BYTES && wire !== [BYTES, FIXED32, VARINT][kind - 1])
        throw broken(part, `wire type ${wire} in list ${kind}`);
      if (kind === 2 && part.length % 4 !== 0) throw broken(part, `${part.length} bytes of float32`);
      if (kind === 3 && part.length > 0 && part.at(-1)! >= 0x80) throw broken(part, 'a varint that is cut short');
      values.push([kind, part]);
    });
  });
}

/** Calls `visit` with each field: for wire type BYTES its payload, else the bytes of the number. */
function eachField(bytes: Uint8Array, visit: (field: number, part: Uint8Array, wire: number) => void): void {
  const cursor = { at: 0 };
  while (cursor.at < bytes.length) {
    const start = cursor.at;
    const tag = varint(bytes, cursor);
    const [field, wire] = [Math.floor(tag / 8), tag % 8];
    if (field === 0 || tag >= 2 ** 32) throw broken(bytes.subarray(start), `the field tag ${tag}`);
    const length = payload(bytes, cursor, wire);
    const end = cursor.at + length;
    if (end > bytes.length)
      throw broken(bytes.subarray(start), `a field that ends ${end - bytes.length} bytes too late`);
    visit(field, bytes.subarray(cursor.at, end), wire);
    cursor.at = end;
  }
}

/** Length of the payload; the cursor moves to where it starts. */
function payload(bytes: Uint8Array, cursor: { at: number }, wire: number): number {
  if (wire === BYTES) return varint(bytes, cursor);
  if (wire === FIXED32) return 4;
  if (wire === FIXED64) return 8;
  if (wire !== VARINT) throw broken(bytes.subarray(cursor.at), `the wire type ${wire}`);
  const number = { at: cursor.at };
  varint(bytes, number);
  return number.at - cursor.at;
}

/** Rounded above 2^53, which is far beyond any length or tag that can be right. */
function varint(bytes: Uint8Array, cursor: { at: number }): number {
  const start = cursor.at;
  let [value, scale] = [0, 1];
  for (;;) {
    const byte = bytes[cursor.at++];
    if (byte === undefined) throw broken(bytes.subarray(start), 'a varint that is cut short');
    if (cursor.at - start > 10) throw broken(bytes.subarray(start), 'a varint of more than ten bytes');
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return value;
    scale *= 128;
  }
}

function varintCount(run: Uint8Array): number {
  let count = 0;
  for (let i = 0; i < run.length; i++) if (run[i]! < 0x80) count++;
  return count;
}

function joined(runs: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(sum(runs, (run) => run.length));
  let at = 0;
  for (const run of runs) {
    bytes.set(run, at);
    at += run.length;
  }
  return bytes;
}

const sum = (runs: readonly Uint8Array[], of: (run: Uint8Array) => number): number =>
  runs.reduce((total, run) => total + of(run), 0);

/** `where` is a view into the record, whose bytes own their buffer: its offset is the place. */
function broken(where: Uint8Array, found: string, cause?: unknown): PrepError {
  return new PrepError({
    code: 'not-an-example',
    expected: 'a tf.train.Example',
    found: `${found} at byte ${where.byteOffset} of the record`,
    cause,
  });
}
