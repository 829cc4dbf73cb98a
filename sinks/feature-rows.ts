/** Rows of features: written in big adds, read by their places, found again by the keys of their frames. */
import { createHash } from 'node:crypto';
import { arrow, type RecordBatch, type Schema } from '../schemas/arrow.ts';
import type { Role } from '../schemas/episode.ts';
import { PrepError } from '../schemas/errors.ts';
import { type FeatureShape, featureSchema } from '../schemas/feature-tables.ts';
import type { StoredView } from '../schemas/features.ts';
import * as column from './columns.ts';
import { addFile, openIpcBuffer } from './ipc-buffer.ts';
import { scan } from './scan.ts';
import { attempt, type LanceTable, openIfThere, openOrCreate, type Store } from './store.ts';

export interface FeatureRows {
  readonly dataset: readonly string[];
  readonly episodeKey: BigInt64Array;
  readonly step: Int32Array;
  /** Key of each frame: of its image hashes. */
  readonly frame: BigInt64Array;
  /** views per row */
  readonly imageHash: BigInt64Array;
  /** xxh3-64 of a row's stored bytes: view by view values, scale, side. */
  readonly checksum: BigInt64Array;
  readonly views: Readonly<Partial<Record<Role, StoredView>>>;
}

/** Bytes of one `add`: an add is a fragment, and LanceDB holds it several times while it writes; larger ones cost more per byte. */
const ADD_BYTES = 64 * 2 ** 20;

/** Rows of a record batch: with larger ones Lance copies what it joins to pages once more. */
const BATCH_ROWS = 4;

export interface FeatureWriter {
  /** The arrays of `rows` may be used again when this resolves. */
  add(rows: FeatureRows): Promise<void>;
  /** Writes what is waiting. @returns rows in all and the digest of their frames and checksums, in order */
  finish(): Promise<{ readonly rows: number; readonly checksum: string }>;
  /** After what is being written; an error of it is told by `add` and `finish`. */
  close(): Promise<void>;
}

export async function openFeatureWriter(
  store: Store,
  name: string,
  { shape, metadata }: { readonly shape: FeatureShape; readonly metadata: object },
): Promise<FeatureWriter> {
  const schema = featureSchema(shape, metadata);
  const table = await openOrCreate(store, name, schema);
  const hash = createHash('sha256');
  // One is filled while the other is written.
  const buffers = [openIpcBuffer(schema, ADD_BYTES), openIpcBuffer(schema, ADD_BYTES)] as const;
  let [rows, turn] = [0, 0];
  let writing: Promise<void> = Promise.resolve();
  const flush = async (): Promise<void> => {
    const buffer = buffers[turn]!;
    if (buffer.bytes === 0) return;
    await writing;
    writing = attempt(store.uri, `write ${name}`, () => addFile(table, buffer.finish()));
    // It is awaited before the next one; until then nobody else may call it unhandled.
    writing.catch(() => undefined);
    turn = 1 - turn;
  };
  return {
    async add(some) {
      for (let from = 0; from < some.step.length; from += BATCH_ROWS) {
        buffers[turn]!.write(columnsOf(schema, shape, sliced(some, from, from + BATCH_ROWS)));
        if (buffers[turn]!.bytes >= ADD_BYTES) await flush();
      }
      updateChecksum(hash, some.frame, some.checksum);
      rows += some.step.length;
    },
    async finish() {
      await flush();
      await writing;
      return { rows, checksum: hash.digest('hex') };
    },
    async close() {
      await writing.catch(() => undefined);
      table.close();
    },
  };
}

/** Rows `from` … `to − 1`, as views. */
function sliced(rows: FeatureRows, from: number, to: number): FeatureRows {
  const count = rows.step.length;
  const part = <T extends { length: number; subarray(from: number, to: number): T }>(values: T): T => {
    const width = values.length / count;
    return values.subarray(from * width, Math.min(to, count) * width);
  };
  const view = ({ values, scale, side }: StoredView): StoredView => ({
    values: part(values as Int8Array),
    ...(scale ? { scale: part(scale) } : {}),
    ...(side ? { side: part(side) } : {}),
  });
  return {
    dataset: rows.dataset.slice(from, to),
    episodeKey: part(rows.episodeKey),
    step: part(rows.step),
    frame: part(rows.frame),
    imageHash: part(rows.imageHash),
    checksum: part(rows.checksum),
    views: Object.fromEntries(Object.entries(rows.views).map(([role, one]) => [role, view(one)])),
  };
}

/** Row by row, so that it does not depend on how rows were batched. */
function updateChecksum(hash: ReturnType<typeof createHash>, frame: BigInt64Array, checksum: BigInt64Array): void {
  const pairs = new BigInt64Array(2 * frame.length);
  for (let i = 0; i < frame.length; i++) {
    pairs[2 * i] = frame[i]!;
    pairs[2 * i + 1] = checksum[i]!;
  }
  hash.update(new Uint8Array(pairs.buffer));
}

function columnsOf(schema: Schema, { views }: FeatureShape, rows: FeatureRows): column.Column[] {
  const count = rows.step.length;
  const fixed = (name: string, child: column.Column) =>
    column.fixedLists(column.fieldOf(schema, name).type, count, child);
  const half = (data: Uint16Array): column.Column => numbers(new arrow.Float16(), data);
  const view = (role: Role): column.Column[] => {
    const { values, scale, side } = rows.views[role]!;
    return [
      fixed(role, numbers(itemOf(schema, role), values)),
      ...(scale ? [fixed(`${role}_scale`, half(scale))] : []),
      ...(side && side.length > 0 ? [fixed(`${role}_side`, half(side))] : []),
    ];
  };
  return [
    column.texts(rows.dataset),
    column.int64s(rows.episodeKey),
    column.int32s(rows.step),
    column.int64s(rows.frame),
    fixed('image_hash', column.int64s(rows.imageHash)),
    column.int64s(rows.checksum),
    ...views.flatMap(view),
  ];
}

const itemOf = (schema: Schema, name: string) =>
  column.fieldOf(schema, name).type.children[0]!.type as InstanceType<typeof arrow.DataType>;

function numbers(
  type: InstanceType<typeof arrow.DataType>,
  data: Uint16Array | Int8Array | Float32Array,
): column.Column {
  return arrow.makeData({ type, length: data.length, nullCount: 0, data } as never) as column.Column;
}

/** @throws PrepError `stale-features` where the table that something names is gone */
export async function needTable(store: Store, name: string): Promise<LanceTable> {
  const table = await openIfThere(store, name);
  if (table) return table;
  throw new PrepError({
    code: 'stale-features',
    at: { store: store.uri, field: name },
    expected: 'the table of features that the store names',
    found: 'none',
    remedy: '`prep features run` makes it again',
  });
}

/** Rows at these offsets, in that order; offsets may repeat. */
export async function takeFeatures(
  table: LanceTable,
  offsets: readonly number[],
  shape: FeatureShape,
): Promise<FeatureRows> {
  const unique = [...new Set(offsets)].sort((a, b) => a - b);
  // LanceDB gives rows in the order of the table, whatever was asked.
  const batches: RecordBatch[] = [];
  for await (const batch of table.takeOffsets(unique)) batches.push(batch);
  const places = new Map<number, { batch: RecordBatch; at: number }>();
  let next = 0;
  for (const batch of batches) for (let at = 0; at < batch.numRows; at++) places.set(unique[next++]!, { batch, at });
  if (next !== unique.length)
    throw new PrepError({
      code: 'stale-features',
      at: { field: table.name },
      expected: `${unique.length} rows`,
      found: String(next),
      remedy: '`prep features run` makes them again',
    });
  return gathered(
    offsets.map((offset) => places.get(offset)!),
    shape,
  );
}

function gathered(places: readonly { batch: RecordBatch; at: number }[], shape: FeatureShape): FeatureRows {
  const each = <T>(name: string): T[] => places.map(({ batch, at }) => batch.getChild(name)!.get(at) as T);
  const lists = <T extends Uint16Array | Int8Array | Float32Array | BigInt64Array>(name: string, into: T): T => {
    const width = into.length / Math.max(1, places.length);
    for (const [i, { batch, at }] of places.entries()) into.set(bitsAt<T>(batch, name, at) as never, i * width);
    return into;
  };
  const count = places.length;
  const { codec, values, vectors } = shape;
  const view = (role: Role): StoredView => {
    if (codec.name === 'f32') return { values: lists(role, new Float32Array(count * values)) };
    if (codec.name !== 'int8') return { values: lists(role, new Uint16Array(count * values)) };
    const side = vectors * codec.outliers[0]!.length;
    return {
      values: lists(role, new Int8Array(count * values)),
      scale: lists(`${role}_scale`, new Uint16Array(count * vectors)),
      ...(side > 0 ? { side: lists(`${role}_side`, new Uint16Array(count * side)) } : {}),
    };
  };
  return {
    dataset: each('dataset'),
    episodeKey: BigInt64Array.from(each<bigint>('episode_key')),
    step: Int32Array.from(each<number>('step')),
    frame: BigInt64Array.from(each<bigint>('frame')),
    imageHash: lists('image_hash', new BigInt64Array(count * shape.views.length)),
    checksum: BigInt64Array.from(each<bigint>('checksum')),
    views: Object.fromEntries(shape.views.map((role) => [role, view(role)])),
  };
}

/** A row's list as its stored bits: `toArray` of a float16 vector would turn them into numbers. */
function bitsAt<T>(batch: RecordBatch, name: string, at: number): T {
  const data = batch.getChild(name)!.data[0]!;
  const width = (data.type as unknown as { listSize: number }).listSize;
  const from = (data.offset + at) * width;
  return (data.children[0]!.values as Uint16Array).subarray(from, from + width) as T;
}

/** Frames of a table with their places, in the order of its rows. */
export async function* scanFrames(
  store: Store,
  name: string,
): AsyncGenerator<{ first: number; frames: BigInt64Array }> {
  const table = await needTable(store, name);
  let first = 0;
  try {
    for await (const batch of scan(table.query().select(['frame']))) {
      yield { first, frames: batch.getChild('frame')!.toArray() as BigInt64Array };
      first += batch.numRows;
    }
  } finally {
    table.close();
  }
}
