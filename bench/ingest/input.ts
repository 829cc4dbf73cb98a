/**
 * A larger DROID than the one at hand: its records repeated under other recording years, so that every episode has its own
 * id and bytes, while the pictures stay the same. Side files follow.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openRoot } from '../../sources/bytes.ts';
import { type Feature, parseExample } from '../../sources/formats/tf-example.ts';
import { maskedCrc, readRecords } from '../../sources/formats/tfrecord.ts';

export interface Input {
  readonly root: string;
  readonly calibration: string;
  readonly episodes: number;
  /** Steps of all episodes; a frame is one camera at one step. */
  readonly steps: number;
}

export interface InputOptions {
  readonly root: string;
  readonly calibration: string;
  readonly folder: string;
  /** Feature that has one value per step. */
  readonly counted: string;
  /** The input stops growing at this many steps, in whole copies. */
  readonly wantedSteps: number;
  /** Which records to repeat: shard file and byte offset, as the ledger has them. */
  readonly take: (shard: string, offset: number) => boolean;
}

type Bytes = Uint8Array<ArrayBuffer>;

/** The year in time stamps, dates and uuids, and nothing inside a longer number. */
const YEAR = /(?<!\d)2023(?!\d)/g;
const yearOf = (copy: number): string => `${2023 - copy}`;
const PATHS = ['episode_metadata/file_path', 'episode_metadata/recording_folderpath'];

/** Writes `<folder>/droid_101/1.0.1` (one shard per copy) and `<folder>/calibration`. */
export async function makeInput(options: InputOptions): Promise<Input> {
  const { records, steps } = await recordsOf(options);
  const copies = Math.ceil(options.wantedSteps / steps);
  const root = join(options.folder, 'droid_101', '1.0.1');
  const calibration = join(options.folder, 'calibration');
  for (const folder of [root, calibration]) mkdirSync(folder, { recursive: true });
  for (let copy = 0; copy < copies; copy++) {
    const name = `droid_101-train.tfrecord-${padded(copy)}-of-${padded(copies)}`;
    writeFileSync(join(root, name), Buffer.concat(records.flatMap((record) => framed(renamed(record, yearOf(copy))))));
  }
  copyMetadata(options.root, root, Array(copies).fill(records.length));
  copySideFiles(options.calibration, calibration, copies);
  return { root, calibration, episodes: records.length * copies, steps: steps * copies };
}

const padded = (index: number): string => String(index).padStart(5, '0');

async function recordsOf({ root, counted, take }: InputOptions): Promise<{ records: Bytes[]; steps: number }> {
  const source = await openRoot(root);
  const records: Bytes[] = [];
  let steps = 0;
  for (const { name } of await source.list()) {
    if (!name.includes('.tfrecord')) continue;
    const file = await source.open(name);
    for await (const read of readRecords(file)) {
      if (read.kind === 'damaged') throw read.error;
      if (!take(name, read.offset)) continue;
      records.push(read.data);
      steps += blobs(parseExample(read.data).get(counted)).length;
    }
    await file.close();
  }
  return { records, steps };
}

const blobs = (feature: Feature | undefined): readonly Uint8Array[] =>
  feature?.kind === 'bytes' ? feature.values : [];

/** Other bytes of equal length, so that no length on the wire changes. */
function renamed(record: Bytes, year: string): Bytes {
  const copy = record.slice();
  const example = parseExample(copy);
  for (const path of PATHS)
    for (const view of blobs(example.get(path))) {
      const text = Buffer.from(view.buffer, view.byteOffset, view.byteLength);
      text.write(text.toString('latin1').replaceAll(YEAR, year), 'latin1');
    }
  return copy;
}

function framed(data: Bytes): Uint8Array[] {
  const header = Buffer.alloc(12);
  header.writeBigUInt64LE(BigInt(data.length));
  header.writeUInt32LE(maskedCrc(header.subarray(0, 8)), 8);
  const footer = Buffer.alloc(4);
  footer.writeUInt32LE(maskedCrc(data));
  return [header, data, footer];
}

function copyMetadata(from: string, to: string, shardLengths: readonly number[]): void {
  writeFileSync(join(to, 'features.json'), readFileSync(join(from, 'features.json')));
  const text = readFileSync(join(from, 'dataset_info.json'), 'utf8');
  const parsed = JSON.parse(text) as { splits: Record<string, unknown>[] };
  const splits = parsed.splits.map((split) => ({ ...split, shardLengths: shardLengths.map(String) }));
  writeFileSync(join(to, 'dataset_info.json'), JSON.stringify({ ...parsed, splits }));
}

/** Keys and texts carry the year; numbers stay. */
function copySideFiles(from: string, to: string, copies: number): void {
  for (const name of readdirSync(from).filter((file) => file.endsWith('.json'))) {
    const entries = Object.entries(JSON.parse(readFileSync(join(from, name), 'utf8')) as Record<string, unknown>);
    const all = Array.from({ length: copies }, (_, copy) =>
      entries.map(([key, value]) => [
        inYear(key, copy),
        JSON.parse(JSON.stringify(value), (_key, inner) => inYear(inner, copy)),
      ]),
    );
    writeFileSync(join(to, name), JSON.stringify(Object.fromEntries(all.flat())));
  }
}

const inYear = <T>(value: T, copy: number): T | string =>
  typeof value === 'string' ? value.replaceAll(YEAR, yearOf(copy)) : value;

/** The pictures of the first shard, which holds every record once, as `<episode>.<camera>.<step>.jpg`; returns how many. */
export async function dumpFrames(root: string, folder: string, cameras: readonly string[]): Promise<number> {
  const source = await openRoot(root);
  const [first] = (await source.list()).filter(({ name }) => name.includes('.tfrecord'));
  mkdirSync(folder, { recursive: true });
  const file = await source.open(first!.name);
  let frames = 0;
  for await (const read of readRecords(file)) {
    if (read.kind === 'damaged') throw read.error;
    const example = parseExample(read.data);
    for (const camera of cameras)
      for (const [step, bytes] of blobs(example.get(`steps/observation/${camera}`)).entries()) {
        writeFileSync(join(folder, `${padded(read.record)}.${camera}.${padded(step)}.jpg`), bytes);
        frames++;
      }
  }
  await file.close();
  return frames;
}
