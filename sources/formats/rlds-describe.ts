/** What an unknown RLDS folder holds, as plain data for `prep inspect`: declared layout, and ranges over a few records. */
import { PrepError } from '../../schemas/errors.ts';
import type { RldsRecord } from '../../schemas/records.ts';
import type { ByteRoot } from '../bytes.ts';
import type { FeatureLeaf } from './features.ts';
import { type ImageFacts, imageFacts } from './image-header.ts';
import { rldsRecord } from './rlds.ts';
import { openTfds, type TfdsDirectory } from './tfds.ts';
import { readRecords } from './tfrecord.ts';

export interface RldsDescription {
  readonly root: string;
  readonly name: string;
  readonly version: string;
  /** `episodes` is null where dataset_info.json gives no counts; bytes are those that are there. */
  readonly splits: readonly { name: string; shards: number; missing: number; episodes: number | null; bytes: number }[];
  readonly fields: readonly FieldDescription[];
  /** Steps of the episodes that were read, in the order of the shard. */
  readonly steps: readonly number[];
  /** Faults met in them, as messages. */
  readonly faults: readonly string[];
}

export interface FieldDescription {
  readonly path: string;
  readonly kind: string;
  /** Per step below `steps/`; null for an unknown dimension. */
  readonly shape: readonly (number | null)[];
  readonly dtype: string;
  readonly encoding: string;
  /** How many of the records read hold values. */
  readonly present: number;
  /** Over the finite values of all records read. */
  readonly range?: { min: number; max: number; mean: number };
  /** NaN and infinite values among them. */
  readonly notFinite?: number;
  /** The first numbers of the first record. */
  readonly first?: readonly number[];
  /** Of vectors, column by column. */
  readonly columns?: readonly { min: number; max: number }[];
  readonly texts?: { distinct: number; first: string };
  /** Of the first picture; `bytes` is the mean over all. */
  readonly image?: Omit<ImageFacts, 'codec'> & { codec: string; bytes: number };
}

const RECORDS = 3;
const FIRST_NUMBERS = 8;
/** A field with more values per record is described by its layout only: 4 M float64 are 32 MB. */
const MAX_VALUES = 2 ** 22;

interface Seen {
  present: number;
  first: number[];
  min: number;
  max: number;
  sum: number;
  finite: number;
  notFinite: number;
  readonly texts: Set<string>;
  image: ImageFacts | null;
  pictures: number;
  bytes: number;
}

/**
 * Reads the metadata and the first three records of the first shard; missing shards do not matter.
 * @param each is shown every record that could be read
 * @throws PrepError as `openTfds`; what is wrong with the records themselves is in `faults`
 */
export async function describeRlds(
  root: ByteRoot,
  each: (record: RldsRecord) => void = () => undefined,
): Promise<RldsDescription> {
  const source = await openTfds(root, { partial: true });
  const leaves = [...source.features];
  const seen = new Map(source.paths.map((path) => [path, nothingSeen()]));
  const steps: number[] = [];
  const faults: string[] = [];
  for await (const record of firstRecords(source, faults)) {
    steps.push(
      attempt(
        () => record.steps,
        (error) => faults.push(error.message),
      ) ?? 0,
    );
    each(record);
    for (const [path, leaf] of leaves) look(record, path, { leaf, seen: seen.get(path)!, faults });
  }
  return {
    root: source.root.uri,
    name: source.name,
    version: source.version,
    splits: source.splits.map(splitFacts),
    fields: leaves.map(([path, leaf]) => fieldOf(path, leaf, seen.get(path)!)),
    steps,
    faults,
  };
}

async function* firstRecords(source: TfdsDirectory, faults: string[]): AsyncGenerator<RldsRecord> {
  const shards = source.splits.flatMap((split) => split.shards);
  // A small set may have shards without records; only when all are empty there is nothing to describe.
  const shard = shards.find(({ size }) => (size ?? 0) > 0) ?? shards.find(({ size }) => size !== null)!;
  const file = await source.root.open(shard.file);
  let seen = 0;
  try {
    for await (const read of readRecords(file, { expected: shard.expected })) {
      const at = { shard: shard.file, record: read.record };
      if (read.kind === 'damaged') faults.push(read.error.message);
      else {
        const record = attempt(
          () => rldsRecord(read.data, source.features),
          (error) => faults.push(error.within(at).message),
        );
        if (record) yield record;
      }
      if (++seen === RECORDS) return;
    }
    if (seen === 0)
      throw new PrepError({ code: 'empty-shard', at: { shard: shard.file }, expected: 'records', found: 'none' });
  } catch (error) {
    if (!(error instanceof PrepError)) throw error;
    faults.push(error.message);
  } finally {
    await file.close();
  }
}

function attempt<T>(read: () => T, failed: (error: PrepError) => void): T | null {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof PrepError)) throw error;
    failed(error);
    return null;
  }
}

interface Looking {
  readonly leaf: FeatureLeaf;
  readonly seen: Seen;
  readonly faults: string[];
}

function look(record: RldsRecord, path: string, { leaf, seen, faults }: Looking): void {
  if (!record.has(path)) return;
  seen.present++;
  const width = (leaf.shape ?? [null]).reduce<number>((product, size) => product * (size ?? Number.NaN), 1);
  if (record.count(path) > MAX_VALUES || width > MAX_VALUES) return;
  const encoded = leaf.kind === 'tensor' && leaf.encoding !== 'none' && width > 0;
  const values = attempt(
    () => (encoded ? record.numbers(path, width) : record.values(path)),
    (error) => faults.push(error.within({ field: path }).message),
  );
  if (values instanceof Float64Array) lookAtNumbers(values, seen);
  else if (values && leaf.kind === 'image') lookAtPictures(values, seen);
  else if (values && leaf.dtype === 'string') for (const text of values) seen.texts.add(new TextDecoder().decode(text));
}

function lookAtNumbers(values: Float64Array, seen: Seen): void {
  if (seen.first.length === 0) seen.first = Array.from(values.subarray(0, FIRST_NUMBERS));
  for (const value of values) {
    if (!Number.isFinite(value)) {
      seen.notFinite++;
      continue;
    }
    seen.min = Math.min(seen.min, value);
    seen.max = Math.max(seen.max, value);
    seen.sum += value;
    seen.finite++;
  }
}

function lookAtPictures(pictures: readonly Uint8Array[], seen: Seen): void {
  seen.image ??= pictures[0] ? imageFacts(pictures[0]) : null;
  seen.pictures += pictures.length;
  for (const picture of pictures) seen.bytes += picture.length;
}

function fieldOf(path: string, leaf: FeatureLeaf, seen: Seen): FieldDescription {
  const { min, max, sum, finite, notFinite, texts, image, pictures, bytes } = seen;
  // Sequences inside the steps are dimensions of unknown length.
  const shape = [...Array<null>(Math.max(0, leaf.sequences - 1)).fill(null), ...(leaf.shape ?? [])];
  return {
    path,
    kind: leaf.kind,
    shape,
    dtype: leaf.dtype,
    encoding: leaf.encoding,
    present: seen.present,
    ...(finite > 0 ? { range: { min, max, mean: sum / finite } } : {}),
    ...(finite + notFinite > 0 ? { notFinite, first: seen.first } : {}),
    ...(texts.size > 0 ? { texts: { distinct: texts.size, first: [...texts][0]! } } : {}),
    ...(image ? { image: { ...image, bytes: Math.round(bytes / pictures) } } : {}),
  };
}

function splitFacts({ name, shards }: TfdsDirectory['splits'][number]): RldsDescription['splits'][number] {
  const known = shards.every(({ expected }) => expected !== null);
  return {
    name,
    shards: shards.length,
    missing: shards.filter(({ size }) => size === null).length,
    episodes: known ? shards.reduce((total, { expected }) => total + expected!, 0) : null,
    bytes: shards.reduce((total, { size }) => total + (size ?? 0), 0),
  };
}

const nothingSeen = (): Seen => ({
  present: 0,
  first: [],
  min: Number.POSITIVE_INFINITY,
  max: Number.NEGATIVE_INFINITY,
  sum: 0,
  finite: 0,
  notFinite: 0,
  texts: new Set(),
  image: null,
  pictures: 0,
  bytes: 0,
});
