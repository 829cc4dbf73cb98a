/** The tables of a dataset, and the refusal of a table that was made with other options. */
import type { Schema } from '../schemas/arrow.ts';
import { PrepError } from '../schemas/errors.ts';
import { ledgerSchema, partSchema, runSchema, trackSchema } from '../schemas/ledger-row.ts';
import { type PrepMetadata, stepSchema, type TableShape } from '../schemas/row.ts';
import { connectStore, datasetTables, type LanceTable, openIfThere, openOrCreate, type Store } from './store.ts';

export interface Tables {
  readonly store: Store;
  readonly steps: LanceTable;
  readonly ledger: LanceTable;
  readonly tracks: LanceTable;
  readonly parts: LanceTable;
  readonly runs: LanceTable;
}

/** Tables of a store that exist (null: not yet); never creates any. */
export type TablesThere = { readonly [name in keyof Omit<Tables, 'store'>]: LanceTable | null } & {
  readonly store: Store;
};

/** Opens or creates the tables. Throws `fingerprint` when the steps table was made with other options. */
export async function openTables(uri: string, shape: TableShape): Promise<Tables> {
  const names = datasetTables(shape.dataset);
  const store = await connectStore(uri);
  const wanted = stepSchema(shape);
  const steps = await openOrCreate(store, names.steps, wanted);
  const refusal = compareShapes(shape, await steps.schema(), wanted);
  if (refusal) throw refusal;
  return {
    store,
    steps,
    ledger: await openOrCreate(store, names.ledger, ledgerSchema()),
    tracks: await openOrCreate(store, names.tracks, trackSchema()),
    parts: await openOrCreate(store, 'parts', partSchema()),
    runs: await openOrCreate(store, 'runs', runSchema()),
  };
}

export async function openTablesThere(uri: string, dataset: string): Promise<TablesThere> {
  const names = datasetTables(dataset);
  const store = await connectStore(uri);
  return {
    store,
    steps: await openIfThere(store, names.steps),
    ledger: await openIfThere(store, names.ledger),
    tracks: await openIfThere(store, names.tracks),
    parts: await openIfThere(store, 'parts'),
    runs: await openIfThere(store, 'runs'),
  };
}

/** Closes handles and connection; reopening is what keeps a long ingest's memory and commit time flat. */
export function closeTables(tables: Tables | TablesThere): void {
  for (const table of [tables.steps, tables.ledger, tables.tracks, tables.parts, tables.runs]) table?.close();
  tables.store.connection.close();
}

/** The `prep` object of a step table's schema. */
export function storedMetadata(schema: Schema): PrepMetadata {
  const text = schema.metadata.get('prep');
  if (text === undefined)
    throw new PrepError({ code: 'store', expected: 'schema metadata `prep`', found: 'a table made by something else' });
  return JSON.parse(text);
}

/** Null when rows of `shape` belong into a table with the stored schema, otherwise the error that says what differs. */
export function compareShapes(shape: TableShape, stored: Schema, wanted: Schema): PrepError | null {
  const there = storedMetadata(stored);
  const asked = shape.metadata;
  const pixels = there.fingerprint.pixels !== asked.fingerprint.pixels;
  const labels = there.fingerprint.labels !== asked.fingerprint.labels;
  const columns = columnTypes(stored) !== columnTypes(wanted);
  if (!pixels && !labels && !columns) return null;
  const what = [pixels && 'pixels', labels && 'labels', columns && !pixels && !labels && 'columns'].filter(Boolean);
  // Side files that were given before cannot be taken back by a relabel, and are most likely only forgotten.
  const forgotten = asked.calibration === 'release' && there.calibration !== asked.calibration;
  // Another meaning of the fields cannot be had from tracks that the one before made.
  const relabels = labels && !pixels && there.spec_version === asked.spec_version;
  const others = '`--as NAME` for a second table, `--replace` to start this one again';
  return new PrepError({
    code: 'fingerprint',
    at: { dataset: shape.dataset },
    expected: `the ${what.join(' and ')} of the table in the store`,
    found: differences(there, asked).join('; ') || 'options that the metadata does not list',
    remedy: `${forgotten ? '`--calibration DIR` as before, ' : ''}${relabels ? '`prep relabel` (no frame is opened), ' : ''}${others}`,
  });
}

const columnTypes = (schema: Schema): string => schema.fields.map((field) => `${field.name} ${field.type}`).join();

/** Differences to name in a message: more would hide the one that matters. */
const MOST_DIFFERENCES = 8;

/** `chunk.dt is 0.0667 in the store, 0.1333 asked`, for every leaf that differs except the fingerprints themselves. */
function differences(there: PrepMetadata, asked: PrepMetadata): string[] {
  const stored = leaves(there);
  const wanted = leaves(asked);
  const names = [...new Set([...stored.keys(), ...wanted.keys()])].filter(
    (name) => !/^(fingerprint|options)\./.test(name) && stored.get(name) !== wanted.get(name),
  );
  const text = (value: string | undefined) => value ?? 'absent';
  return names
    .slice(0, MOST_DIFFERENCES)
    .map((name) => `${name} is ${text(stored.get(name))} in the store, ${text(wanted.get(name))} asked`);
}

function leaves(value: unknown, path = '', into = new Map<string, string>()): Map<string, string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) into.set(path, JSON.stringify(value));
  else for (const [name, member] of Object.entries(value)) leaves(member, path ? `${path}.${name}` : name, into);
  return into;
}
