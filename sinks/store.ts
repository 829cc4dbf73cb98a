/** A store = one Lance database: connecting, naming and opening its tables, compare-and-swap, errors. */
import { statSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type Connection, connect, type Table as LanceTable, Session } from '@lancedb/lancedb';
import type { Schema, Table } from '../schemas/arrow.ts';
import { PrepError } from '../schemas/errors.ts';

export type { LanceTable };

export interface Store {
  readonly uri: string;
  readonly connection: Connection;
}

/** Caches of a connection (bytes): the defaults, 6 GiB and 1 GiB, would let a long ingest grow without bound. */
const INDEX_CACHE = 32n << 20n;
const METADATA_CACHE = 64n << 20n;

/** Attempts of a write that lost against another process's commit; Lance itself retries 10 times before it says so. */
const CONFLICT_ATTEMPTS = 8;

/** An absolute path or an object-store URI: LanceDB takes a relative path that starts with "db" for its cloud. */
export const storeUri = (store: string): string => (isRemote(store) ? store : resolve(store));
const isRemote = (store: string): boolean => /^[a-z][a-z0-9+.-]+:\/\//i.test(store);

/**
 * The URI of a store that a command may make. @throws PrepError `store` where something else than a folder has the name
 */
export function storeToMake(store: string): string {
  const uri = storeUri(store);
  const there = isRemote(uri) ? undefined : statSync(uri, { throwIfNoEntry: false });
  if (there && !there.isDirectory()) throw noFolder(uri, 'a file', 'give another path');
  return uri;
}

/**
 * The URI of a store that must be there: LanceDB makes the folder that it is to open, so a mistyped path would become an
 * empty store. @throws PrepError `store`
 */
export function storeToOpen(store: string): string {
  const uri = storeToMake(store);
  if (isRemote(uri) || statSync(uri, { throwIfNoEntry: false })) return uri;
  throw noFolder(uri, 'nothing of this name', 'give the folder that `prep ingest` wrote to');
}

const noFolder = (store: string, found: string, remedy: string): PrepError =>
  new PrepError({ code: 'store', at: { store }, expected: 'the folder of a store', found, remedy });

/**
 * Opens the database with the table defaults that this package relies on: file format 2.2 (pinned so that the default can
 * not move) and stable row ids, so that `first_row` survives compaction.
 */
export async function connectStore(store: string): Promise<Store> {
  const uri = storeUri(store);
  const storageOptions = {
    new_table_data_storage_version: '2.2',
    new_table_enable_stable_row_ids: 'true',
    // Keys, region and endpoint Lance finds by itself; that an endpoint may be plain http must be said.
    ...(isRemote(uri) && plainEndpoint() ? { allow_http: 'true' } : {}),
  };
  const connection = await attempt(uri, 'open the store', () =>
    connect(uri, { storageOptions }, new Session(INDEX_CACHE, METADATA_CACHE)),
  );
  return { uri, connection };
}

const plainEndpoint = (): boolean =>
  [process.env.AWS_ENDPOINT_URL_S3, process.env.AWS_ENDPOINT_URL].some((one) => one?.startsWith('http:'));

const DATASET_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;

/** Table names of a dataset. Throws `bad-option` for a name that can not be part of a table's. */
export function datasetTables(dataset: string) {
  if (!DATASET_NAME.test(dataset))
    throw new PrepError({
      code: 'bad-option',
      at: { dataset },
      expected: 'a dataset name of letters, digits, "_", "-", "."',
      found: JSON.stringify(dataset),
    });
  return { steps: `${dataset}_steps`, ledger: `${dataset}_episodes`, tracks: `${dataset}_tracks` } as const;
}

/** A plan or a question names a dataset that the store does not have. */
export const noDataset = (store: Store, dataset: string): PrepError =>
  new PrepError({
    code: 'unknown-dataset',
    at: { store: store.uri, dataset },
    expected: 'datasets of the store',
    found: dataset,
    remedy: '`prep status` lists them',
  });

/** Rounds of opening and creating, 20 ms apart, while another process is in the middle of creating the same table. */
const CREATE_ROUNDS = 100;

/** Opens a table or creates it; of several processes that create it at once one wins and all go on. */
export async function openOrCreate(store: Store, name: string, schema: Schema): Promise<LanceTable> {
  return attempt(store.uri, `create table ${name}`, async () => {
    for (let round = 1; ; round++) {
      const known = await openIfThere(store, name);
      if (known) return known;
      try {
        return await store.connection.createEmptyTable(name, schema);
      } catch (cause) {
        if (round === CREATE_ROUNDS) throw cause;
        await new Promise((wake) => setTimeout(wake, 20));
      }
    }
  });
}

/** Null also for a folder without a manifest: a table that is being created, or whose creation was killed. */
export async function openIfThere(store: Store, name: string): Promise<LanceTable | null> {
  return attempt(store.uri, `open table ${name}`, async () => {
    // Not by listing names first: that costs half a second where there are thousands of tables.
    try {
      return await store.connection.openTable(name);
    } catch (cause) {
      if (/was not found/i.test(String(cause))) return null;
      throw cause;
    }
  });
}

/** All table names; `tableNames` answers in pages. */
export async function tableNames(store: Store): Promise<string[]> {
  const names: string[] = [];
  const limit = 1000;
  while (true) {
    const last = names.at(-1);
    const page = await store.connection.tableNames(last === undefined ? { limit } : { limit, startAfter: last });
    names.push(...page);
    if (page.length < limit) return names;
  }
}

/**
 * The table at its newest version. A handle that rested while another process pruned old versions could no longer commit
 * from the version it remembers.
 */
export async function newest(table: LanceTable): Promise<LanceTable> {
  await table.checkoutLatest();
  return table;
}

/**
 * Insert-only merge on the table's primary key: the one compare-and-swap of the commit protocol. Returns how many rows were
 * inserted; rows whose key exists already are left as they are. Correct only on tables whose key was declared at creation.
 */
export async function insertAbsent(table: LanceTable, key: string, rows: Table): Promise<number> {
  const result = await retryConflicts(async () => {
    const fresh = await newest(table);
    return fresh.mergeInsert(key).whenNotMatchedInsertAll().execute(rows);
  });
  return Number(result.numInsertedRows);
}

/** Whether others kept committing first. */
export const isConflict = (cause: unknown): boolean => /conflict|too much write contention/i.test(String(cause));

/** Repeats a commit that Lance gave up because others kept committing first; anything else is thrown at once. */
export async function retryConflicts<T>(write: () => Promise<T>): Promise<T> {
  for (let round = 1; ; round++) {
    try {
      return await write();
    } catch (cause) {
      if (!isConflict(cause) || round === CONFLICT_ATTEMPTS) throw cause;
      await new Promise((wake) => setTimeout(wake, 10 * 2 ** round * (0.5 + Math.random())));
    }
  }
}

/** A text literal of a filter. */
export const quoted = (value: string): string => `'${value.replaceAll("'", "''")}'`;

/** Runs `work`; a failure that is not ours already becomes a `store` error that says what was being done. */
export async function attempt<T>(uri: string, doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof PrepError) throw cause;
    throw await storeError(uri, doing, cause);
  }
}

async function storeError(uri: string, doing: string, cause: unknown): Promise<PrepError> {
  const free = await freeBytes(uri);
  const space = free === null ? '' : ` (${(free / 1e9).toFixed(2)} GB free)`;
  const text = String(cause instanceof Error ? cause.message : cause)
    .split('\n')[0]!
    .slice(0, 300);
  return new PrepError({
    code: 'store',
    at: { store: uri },
    expected: `to ${doing}`,
    found: text + space,
    remedy: 'what was committed stays; free space or repair access, then run the same command again',
    cause,
  });
}

/** Bytes that an ordinary user may still write there; null where the system has no answer (object stores). */
async function freeBytes(uri: string): Promise<number | null> {
  try {
    const { bavail, bsize } = await statfs(uri);
    return bavail * bsize;
  } catch {
    return null;
  }
}
