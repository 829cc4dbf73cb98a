/** What lies in the tables of a dataset, read column by column without the package's own readers. */
import { createHash } from 'node:crypto';
import type { RecordBatch } from '../../schemas/arrow.ts';
import { connectStore } from '../../sinks/store.ts';

export interface Inventory {
  /** Episode → digest of all its valid step rows in step order, without the `group` column. */
  readonly rows: Map<string, string>;
  readonly tracks: Map<string, string>;
  /** Episode → its latest ledger row, without what may differ between two runs (first_row, group, run, attempt). */
  readonly ledger: Map<string, string>;
  /** Ledger rows of each (episode, attempt) beyond the first. */
  readonly ledgerDoubles: number;
  /** Step and track rows that the ledger does not know. */
  readonly voidRows: number;
  readonly voidTracks: number;
  /** Episodes whose row ids are not first_row + step, or the how-manieth row where not all steps have one. */
  readonly wrongIds: string[];
}

interface Latest {
  readonly attempt: number;
  readonly key: string;
  readonly rows: number;
  readonly length: number;
  readonly firstRow: bigint;
  readonly text: string;
}

const RUN_COLUMNS = ['first_row', 'group', 'run', 'attempt', 'commit_key'];

export async function inventory(store: string, dataset = 'toy'): Promise<Inventory> {
  const connection = (await connectStore(store)).connection;
  const read = async (table: string) => (await connection.openTable(`${dataset}_${table}`)).query().withRowId();
  const latest = new Map<string, Latest>();
  const seen = new Set<string>();
  let ledgerDoubles = 0;
  for await (const batch of await read('episodes'))
    for (const row of plain(batch)) {
      const id = `${row.episode}\0${row.attempt}`;
      if (seen.has(id)) ledgerDoubles++;
      seen.add(id);
      const before = latest.get(row.episode as string);
      if (before && before.attempt >= (row.attempt as number)) continue;
      latest.set(row.episode as string, {
        attempt: row.attempt as number,
        key: `${row.episode_key}/${row.group}`,
        rows: row.rows as number,
        length: row.length as number,
        firstRow: row.first_row as bigint,
        text: stable(row, [...RUN_COLUMNS, '_rowid']),
      });
    }
  const steps = await rowsByEpisode(await read('steps'), latest);
  const tracks = await rowsByEpisode(await read('tracks'), latest);
  const kept = [...latest].filter(([, row]) => row.rows > 0);
  const wrongIds = kept.filter(([id, row]) => !idsFit(steps.found.get(id) ?? [], row)).map(([id]) => id);
  const digest = (found: Map<string, Found[]>) =>
    new Map([...found].sort().map(([id, rows]) => [id, sha(rows.sort((a, b) => a.step - b.step).map((r) => r.text))]));
  return {
    rows: digest(steps.found),
    tracks: new Map([...tracks.found].sort().map(([id, rows]) => [id, sha(rows.map((row) => row.text))])),
    ledger: new Map([...latest].sort().map(([id, row]) => [id, row.text])),
    ledgerDoubles,
    voidRows: steps.unknown,
    voidTracks: tracks.unknown,
    wrongIds,
  };
}

interface Found {
  readonly step: number;
  readonly id: bigint;
  readonly text: string;
}

async function rowsByEpisode(batches: AsyncIterable<RecordBatch>, latest: ReadonlyMap<string, Latest>) {
  const found = new Map<string, Found[]>();
  let unknown = 0;
  for await (const batch of batches)
    for (const row of plain(batch)) {
      const episode = row.episode as string;
      if (latest.get(episode)?.key !== `${row.episode_key}/${row.group}`) {
        unknown++;
        continue;
      }
      const list = found.get(episode) ?? [];
      list.push({ step: row.step as number, id: row._rowid as bigint, text: stable(row, ['group', '_rowid']) });
      found.set(episode, list);
    }
  return { found, unknown };
}

const idsFit = (rows: readonly Found[], row: Latest): boolean =>
  rows.length === row.rows &&
  [...rows]
    .sort((a, b) => a.step - b.step)
    .every(({ step, id }, i) => id === row.firstRow + BigInt(row.rows < row.length ? i : step));

function* plain(batch: RecordBatch): Generator<Record<string, unknown>> {
  for (const row of batch) yield row.toJSON();
}

/** A text that is equal exactly when all values are. */
function stable(row: Record<string, unknown>, without: readonly string[]): string {
  const names = Object.keys(row).filter((name) => !without.includes(name));
  return JSON.stringify(names.map((name) => [name, comparable(row[name])]));
}

function comparable(value: unknown): unknown {
  if (typeof value === 'bigint') return `${value}n`;
  if (value instanceof Uint8Array) return sha([value]);
  if (typeof value !== 'object' || value === null) return value;
  if ('toArray' in value) return [...(value as unknown as Iterable<unknown>)].map(comparable);
  if ('toJSON' in value)
    return Object.entries((value as { toJSON(): object }).toJSON()).map(([k, v]) => [k, comparable(v)]);
  return value;
}

function sha(parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\0');
  return hash.digest('hex');
}
