/** Documents of statistics: JSON for trainers, and their numbers as rows. */
import {
  type DimensionStats,
  documentSchema,
  type ScopeStats,
  type SignalStats,
  type StatsDocument,
  valueSchema,
} from '../schemas/stats.ts';
import * as column from './columns.ts';
import { attempt, insertAbsent, openIfThere, openOrCreate, quoted, type Store } from './store.ts';

export interface StoredDocument {
  readonly key: string;
  /** '' where it is not a plan's. */
  readonly plan: string;
  readonly document: StatsDocument;
  readonly json: string;
}

/** The JSON stored under a key. */
export async function readDocument(store: Store, key: string): Promise<string | null> {
  const table = await openIfThere(store, 'stats');
  if (!table) return null;
  try {
    const rows = await attempt(store.uri, 'read stats', () =>
      table
        .query()
        .where(`key = ${quoted(key)}`)
        .select(['json'])
        .toArray(),
    );
    return rows[0]?.json ?? null;
  } finally {
    table.close();
  }
}

/** Numbers first: a document that is there is there wholly. */
export async function writeDocument(store: Store, { key, plan, document, json }: StoredDocument): Promise<void> {
  const values = await openOrCreate(store, 'stats_values', valueSchema());
  const documents = await openOrCreate(store, 'stats', documentSchema());
  try {
    await attempt(store.uri, 'write stats', async () => {
      const rows = [...valueRows(document)];
      if (rows.length > 0) await insertAbsent(values, 'key', valueTable(key, plan, rows));
      await insertAbsent(
        documents,
        'key',
        column.tableOf(documentSchema(), [
          [column.texts([key]), column.texts([plan]), column.texts([json]), column.float64s([Date.now()])],
        ]),
      );
    });
  } finally {
    values.close();
    documents.close();
  }
}

interface ValueRow {
  readonly scope: string;
  readonly name: string;
  readonly arm: number;
  readonly signal: keyof SignalStats;
  readonly step: number;
  readonly stats: DimensionStats;
}

function* valueRows(document: StatsDocument): Generator<ValueRow> {
  if (document.mixture) yield* scopeRows('mixture', '', document.mixture);
  for (const [name, one] of Object.entries(document.entries)) yield* scopeRows('entry', name, one);
  for (const [name, one] of Object.entries(document.datasets)) yield* scopeRows('dataset', name, one);
  for (const [name, one] of Object.entries(document.robots)) yield* scopeRows('robot', name, one);
}

function* scopeRows(scope: string, name: string, stats: ScopeStats): Generator<ValueRow> {
  yield* signalRows({ scope, name, arm: -1 }, stats);
  for (const [arm, one] of (stats.arms ?? []).entries()) yield* signalRows({ scope, name, arm }, one);
}

function* signalRows(at: Pick<ValueRow, 'scope' | 'name' | 'arm'>, stats: SignalStats): Generator<ValueRow> {
  for (const signal of ['action', 'history', 'proprio'] as const)
    yield { ...at, signal, step: 0, stats: stats[signal].overall };
  for (const [k, one] of stats.action.steps.entries()) yield { ...at, signal: 'action', step: k + 1, stats: one };
}

function valueTable(key: string, plan: string, rows: readonly ValueRow[]) {
  const schema = valueSchema();
  const numbers = (name: 'mean' | 'std' | 'min' | 'max' | 'q01' | 'q99') =>
    column.numberLists(
      column.fieldOf(schema, name).type,
      rows.map(({ stats }) => stats[name].map((x) => x ?? Number.NaN)),
    );
  const counts = rows.flatMap(({ stats }) => stats.count.map((x) => BigInt(x)));
  return column.tableOf(schema, [
    [
      column.texts(rows.map((row) => [key, row.scope, row.name, row.arm, row.signal, row.step].join('/'))),
      column.texts(rows.map(() => key)),
      column.texts(rows.map(() => plan)),
      column.texts(rows.map(({ scope }) => scope)),
      column.texts(rows.map(({ name }) => name)),
      column.int32s(rows.map(({ arm }) => arm)),
      column.texts(rows.map(({ signal }) => signal)),
      column.int32s(rows.map(({ step }) => step)),
      numbers('mean'),
      numbers('std'),
      numbers('min'),
      numbers('max'),
      numbers('q01'),
      numbers('q99'),
      column.lists(
        column.fieldOf(schema, 'count').type,
        rows.map(({ stats }) => stats.count.length),
        column.int64s(counts),
      ),
    ],
  ]);
}
