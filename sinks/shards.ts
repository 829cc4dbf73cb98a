/** Training shards: a Lance table each, written whole, compared, and then named in the index of its plan by one insert. */
import { createHash, type Hash } from 'node:crypto';
import type { RecordBatch, Schema, Table } from '../schemas/arrow.ts';
import { arrow } from '../schemas/arrow.ts';
import { PrepError } from '../schemas/errors.ts';
import { type MixedRows, type MixedShape, mixedSchema, shardIndex, shardIndexSchema } from '../schemas/mixed-row.ts';
import * as column from './columns.ts';
import { attempt, insertAbsent, openIfThere, openOrCreate, quoted, type Store, tableNames } from './store.ts';

export interface ShardEntry {
  readonly plan: string;
  readonly shard: number;
  readonly start: number;
  readonly draws: number;
  readonly table: string;
  readonly orderHash: string;
  readonly fingerprint: string;
}

/** Shards of a plan that count, by number. */
export async function readShards(store: Store, plan: string): Promise<ShardEntry[]> {
  const table = await openIfThere(store, shardIndex(plan));
  if (!table) return [];
  try {
    const rows = await attempt(store.uri, 'read the shards', () => table.query().toArray());
    return rows
      .map((row) => ({
        plan: row.plan,
        shard: row.shard,
        start: Number(row.start),
        draws: Number(row.draws),
        table: row.table,
        orderHash: row.order_hash,
        fingerprint: row.fingerprint,
      }))
      .sort((a, b) => a.shard - b.shard);
  } finally {
    table.close();
  }
}

/** False where somebody else has published that shard before. */
export async function publishShard(store: Store, entry: ShardEntry): Promise<boolean> {
  const table = await openOrCreate(store, shardIndex(entry.plan), shardIndexSchema());
  try {
    const row = column.tableOf(shardIndexSchema(), [
      [
        column.texts([`${entry.plan}/${String(entry.shard).padStart(5, '0')}`]),
        column.texts([entry.plan]),
        column.int32s([entry.shard]),
        column.int64s([BigInt(entry.start)]),
        column.int64s([BigInt(entry.draws)]),
        column.texts([entry.table]),
        column.texts([entry.orderHash]),
        column.texts([entry.fingerprint]),
        column.float64s([Date.now()]),
      ],
    ]);
    return (await attempt(store.uri, 'publish a shard', () => insertAbsent(table, 'key', row))) === 1;
  } finally {
    table.close();
  }
}

/** Forgets these published shards, before their tables are dropped; not what another process has put in their place meanwhile. */
export async function unpublishShards(
  store: Store,
  plan: string,
  shards: readonly Pick<ShardEntry, 'table'>[],
): Promise<void> {
  const table = await openIfThere(store, shardIndex(plan));
  if (!table || shards.length === 0) return;
  await attempt(store.uri, 'forget shards', () =>
    table.delete(`\`table\` IN (${shards.map(({ table: name }) => quoted(name)).join(', ')})`),
  );
  table.close();
}

export interface ShardWriter {
  add(rows: MixedRows): Promise<void>;
  /** sha-256 over every row's episode key and step, in order. */
  orderHash(): string;
  close(): void;
}

export async function openShardWriter(
  store: Store,
  name: string,
  shape: MixedShape,
  metadata: object,
): Promise<ShardWriter> {
  const schema = mixedSchema(shape, metadata);
  const table = await openOrCreate(store, name, schema);
  const hash = createHash('sha256');
  return {
    add: (rows) =>
      attempt(store.uri, `write ${name}`, async () => {
        // `add` refuses NaN in lists of floats; a merge on a column that matches nothing inserts all rows in order.
        const arrowRows = mixedTable(schema, shape, rows);
        if (hasNaN(rows)) await table.mergeInsert('draw').whenNotMatchedInsertAll().execute(arrowRows);
        else await table.add(arrowRows);
        updateOrderHash(hash, rows.episodeKey, rows.step);
      }),
    orderHash: () => hash.copy().digest('hex'),
    close: () => table.close(),
  };
}

const hasNaN = ({ camera, proprio, action, history }: MixedRows): boolean =>
  [camera, proprio, action, history].some((values) => values.some((x) => Number.isNaN(x)));

export function updateOrderHash(hash: Hash, keys: BigInt64Array, steps: Int32Array): void {
  const bytes = Buffer.alloc(12 * steps.length);
  for (let i = 0; i < steps.length; i++) {
    bytes.writeBigInt64LE(keys[i]!, 12 * i);
    bytes.writeInt32LE(steps[i]!, 12 * i + 8);
  }
  hash.update(bytes);
}

/** Mixed rows as Arrow, columns in the order of the schema. */
export function mixedTable(schema: Schema, shape: MixedShape, rows: MixedRows): Table {
  const fixed = (name: string, child: column.Column) =>
    column.fixedLists(column.fieldOf(schema, name).type, rows.count, child);
  const plain = <T extends Int8Array | BigUint64Array>(
    type: InstanceType<typeof arrow.DataType>,
    data: T,
  ): column.Column => arrow.makeData({ type, length: data.length, nullCount: 0, data } as never) as column.Column;
  const lists = column.lists(
    column.fieldOf(schema, 'instructions').type,
    rows.instructions.map(({ length }) => length),
    column.texts(rows.instructions.flat()),
  );
  return column.tableOf(schema, [
    [
      column.texts(rows.dataset),
      column.int64s(rows.draw),
      plain(new arrow.Uint64(), rows.seed),
      plain(new arrow.Int8(), rows.reference),
      lists,
      column.float32s(rows.hz),
      column.texts(rows.episode),
      column.int32s(rows.step),
      column.int64s(rows.episodeKey),
      column.int64s(rows.group),
      column.float64s(rows.time),
      column.texts(rows.robot),
      column.texts(rows.third),
      column.texts(rows.instruction),
      ...shape.roles.map((role) => pictures(rows.images[role] ?? [])),
      fixed('action', column.float32s(rows.action)),
      column.int16s(rows.actionValid),
      fixed('history', column.float32s(rows.history)),
      fixed('proprio', column.float32s(rows.proprio)),
      fixed('camera', column.float32s(rows.camera)),
      fixed('image_hash', column.int64s(rows.imageHash)),
      column.int32s(rows.present),
      column.int32s(rows.flags),
    ],
  ]);
}

function pictures(jpegs: readonly Uint8Array[]): column.Column {
  const offsets = new Int32Array(jpegs.length + 1);
  for (const [i, jpeg] of jpegs.entries()) offsets[i + 1] = offsets[i]! + jpeg.length;
  const data = new Uint8Array(offsets[jpegs.length]!);
  for (const [i, jpeg] of jpegs.entries()) data.set(jpeg, offsets[i]!);
  return column.binaries(data, offsets);
}

/** Batches of a shard's rows in draw order, all or a stretch. @throws PrepError `stale-shard` where its table is gone */
export async function* scanShard(
  store: Store,
  entry: ShardEntry,
  { offset, limit, columns }: { offset?: number; limit?: number; columns?: readonly string[] } = {},
): AsyncGenerator<RecordBatch> {
  const table = await openIfThere(store, entry.table);
  if (!table)
    throw new PrepError({
      code: 'stale-shard',
      at: { store: store.uri, shard: entry.table },
      expected: 'the table that the index names',
      found: 'none',
      remedy: '`prep shard --replace` makes it again',
    });
  try {
    let query = table.query();
    if (columns) query = query.select([...columns]);
    if (limit !== undefined) query = query.limit(limit).offset(offset ?? 0);
    yield* query;
  } finally {
    table.close();
  }
}

/** Drops a table; one that is gone already is as good. */
export async function dropTable(store: Store, name: string): Promise<void> {
  await attempt(store.uri, `drop ${name}`, async () => {
    if ((await tableNames(store)).includes(name)) await store.connection.dropTable(name);
  });
}

/** A shard that is being written is younger than this, milliseconds. */
const WRITING = 24 * 3_600_000;

/** Tables of shards that no index names and that nobody can still be writing; of dropped plans also the index. */
export async function orphanShards(store: Store, now = Date.now()): Promise<string[]> {
  const names = await tableNames(store);
  const plans = new Set(names.flatMap((name) => /^plan_(.+)_domain$/.exec(name)?.[1] ?? []));
  const tables = names.flatMap((name) => {
    const match = /^shards_([0-9a-f]+)(?:_\d{5}_([0-9a-z]{8})[0-9a-z]{4})?$/.exec(name);
    return match
      ? [{ name, plan: match[1]!, since: match[2] === undefined ? null : Number.parseInt(match[2], 36) }]
      : [];
  });
  const named = new Set<string>();
  for (const plan of plans) for (const { table } of await readShards(store, plan)) named.add(table);
  return tables
    .filter(({ name, plan, since }) => {
      if (!plans.has(plan)) return true;
      return since !== null && !named.has(name) && now - since > WRITING;
    })
    .map(({ name }) => name);
}
