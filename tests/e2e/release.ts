/** DROID-shaped sets made of the bundled records: repeated under new ids, rearranged in shards, damaged. */
import { copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32c } from '@node-rs/crc32';
import { varint } from '../formats/encode-example.ts';
import { freshFolder, KARLP, RELEASE } from './demo-set.ts';

/** Data of every record of a shard. */
function recordsOf(file: string): Buffer[] {
  const bytes = readFileSync(file);
  const records: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    records.push(bytes.subarray(at + 12, at + 12 + length));
    at += length + 16;
  }
  return records;
}

const shardName = (index: number, of: number): string =>
  `droid_101-train.tfrecord-${String(index).padStart(5, '0')}-of-${String(of).padStart(5, '0')}`;

/** The four bundled records: sound, without side files, zeros as exterior extrinsics, NaN at step 5. */
export const demoRecords = (): [Buffer, Buffer, Buffer, Buffer] =>
  [0, 1].flatMap((shard) => recordsOf(join(RELEASE, shardName(shard, 2)))) as [Buffer, Buffer, Buffer, Buffer];

/** CRC32C as TFRecord stores it: rotated, plus a constant. */
function masked(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

export function framed(data: Uint8Array): Buffer {
  const out = Buffer.alloc(data.length + 16);
  out.writeBigUInt64LE(BigInt(data.length), 0);
  out.writeUInt32LE(masked(out.subarray(0, 8)), 8);
  out.set(data, 12);
  out.writeUInt32LE(masked(data), 12 + data.length);
  return out;
}

/** The same episode under the id of another time of day (`HH:MM:SS` is 8 bytes, so no length changes). */
export function retimed(record: Buffer, n: number): Buffer {
  const two = (x: number): string => String(x).padStart(2, '0');
  const stamp = `${two(Math.floor(n / 3600))}:${two(Math.floor(n / 60) % 60)}:${two(n % 60)}`;
  return Buffer.from(record.toString('latin1').replaceAll(/\d\d:\d\d:\d\d_2023/g, `${stamp}_2023`), 'latin1');
}

/** Replaces every occurrence of a text by one of the same length. */
export const replaced = (record: Buffer, from: string, to: string): Buffer =>
  Buffer.from(record.toString('latin1').replaceAll(from, to), 'latin1');

/** Byte offset of the value list of a feature in an Example: behind key, Feature, list and packed-field headers. */
export function floatsOf(record: Buffer, key: string): number {
  const at = record.indexOf(key) + key.length;
  // Three nested length-delimited fields (Feature, FloatList, packed values): a tag byte and a varint each.
  let offset = at;
  for (let level = 0; level < 3; level++) {
    offset++;
    while (record[offset]! & 0x80) offset++;
    offset++;
  }
  return offset;
}

/** The length-delimited fields of a protocol-buffer message. */
function fieldsOf(message: Buffer): { tag: number; payload: Buffer }[] {
  const fields = [];
  for (let at = 0; at < message.length; ) {
    const tag = message[at++]!;
    let [length, shift] = [0, 0];
    do length += (message[at]! & 0x7f) * 2 ** (7 * shift++);
    while (message[at++]! & 0x80);
    fields.push({ tag, payload: message.subarray(at, at + length) });
    at += length;
  }
  return fields;
}

const encoded = (tag: number, payload: Buffer): Buffer =>
  Buffer.concat([Buffer.from([tag, ...varint(BigInt(payload.length))]), payload]);

/** The same Example with another list of bytes under one key: Example { Features { entry { key, Feature { list } } } }. */
export function withBytesList(record: Buffer, key: string, change: (list: Buffer[]) => Buffer[]): Buffer {
  const entries = fieldsOf(fieldsOf(record)[0]!.payload).map(({ tag, payload: entry }) => {
    const [name, feature] = fieldsOf(entry);
    if (name!.payload.toString() !== key) return encoded(tag, entry);
    const list = fieldsOf(fieldsOf(feature!.payload)[0]!.payload).map(({ payload }) => payload);
    const next = Buffer.concat(change(list).map((value) => encoded(0x0a, value)));
    return encoded(tag, Buffer.concat([encoded(0x0a, name!.payload), encoded(0x12, encoded(0x0a, next))]));
  });
  return encoded(0x0a, Buffer.concat(entries));
}

/** Writes a release of framed records; returns its folder. `lengths` replaces the counts of dataset_info.json. */
export function writeRelease(
  shards: readonly (readonly Buffer[])[],
  lengths = shards.map((one) => one.length),
): string {
  const folder = join(freshFolder(), '1.0.1');
  mkdirSync(folder);
  for (const [index, records] of shards.entries())
    writeFileSync(join(folder, shardName(index, shards.length)), Buffer.concat(records));
  copyFileSync(join(RELEASE, 'features.json'), join(folder, 'features.json'));
  const info = JSON.parse(readFileSync(join(RELEASE, 'dataset_info.json'), 'utf8'));
  info.splits[0].shardLengths = lengths.map(String);
  writeFileSync(join(folder, 'dataset_info.json'), JSON.stringify(info));
  return folder;
}

/** A copy of the bundled release that a test may change. */
export function copiedRelease(): string {
  const folder = join(freshFolder(), '1.0.1');
  cpSync(RELEASE, folder, { recursive: true });
  return folder;
}

export const shardFiles = (release: string): string[] =>
  readdirSync(release)
    .filter((name) => name.includes('.tfrecord-'))
    .map((name) => join(release, name));

type Entries = Record<string, Record<string, unknown>>;

/** A copy of the side files in which one file was changed. */
export function changedKarlp(
  ...changes: readonly (readonly [file: string, change: (entries: Entries) => void])[]
): string {
  const folder = join(freshFolder(), 'karlp');
  cpSync(KARLP, folder, { recursive: true });
  for (const [name, change] of changes) {
    const path = join(folder, `${name}.json`);
    const entries = JSON.parse(readFileSync(path, 'utf8'));
    change(entries);
    writeFileSync(path, JSON.stringify(entries));
  }
  return folder;
}
