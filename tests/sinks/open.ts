/** Opening sinks in tests, and reading a store raw: without the ledger, as an independent checker would. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { type LanceSinkOptions, openLanceSink } from '../../sinks/lance.ts';
import { connectStore } from '../../sinks/store.ts';
import { syntheticShape } from './synthetic.ts';

const folders: string[] = [];
// Here and not in `temporaryStore`: a hook that is registered within a test never runs.
afterAll(() => {
  for (const path of folders) rmSync(path, { recursive: true, force: true });
});

/** A folder that goes when the test file ends. */
export function temporaryStore(): string {
  const path = mkdtempSync(join(tmpdir(), 'prep-sink-'));
  folders.push(path);
  return path;
}

export const label = { command: 'test', options: { workers: 1 }, versions: { prep: '0' } };

export function openToy(store: string, change: Partial<LanceSinkOptions> = {}) {
  return openLanceSink({ store, shape: syntheticShape(), part: { index: 0, of: 1 }, run: label, ...change });
}

export type RawRow = Record<string, unknown>;

/** All rows of a table as plain objects. */
export async function rawRows(store: string, table: string, columns?: string[]): Promise<RawRow[]> {
  const { connection } = await connectStore(store);
  const opened = await connection.openTable(table);
  const query = opened.query();
  const rows = await (columns ? query.select(columns) : query).toArray();
  opened.close();
  connection.close();
  return rows.map((row) => row.toJSON());
}

export interface Audit {
  /** Latest attempt by episode id. */
  readonly latest: Map<string, RawRow>;
  /** Step rows and track rows outside the latest attempts. */
  readonly voidSteps: number;
  readonly voidTracks: number;
  /** Kept episodes whose steps 0…rows−1 or track are not there exactly once. */
  readonly wrong: string[];
  /** Ledger rows that share episode and attempt. */
  readonly twice: number;
}

/** Compares the raw tables with the ledger, by the rule that readers follow and none of the sink's code. */
export async function audit(store: string, dataset = 'toy'): Promise<Audit> {
  const ledger = await rawRows(store, `${dataset}_episodes`);
  const latest = new Map<string, RawRow>();
  for (const row of ledger)
    if (((latest.get(row.episode as string)?.attempt as number) ?? 0) < (row.attempt as number))
      latest.set(row.episode as string, row);
  const valid = new Map([...latest.values()].map((row) => [`${row.episode_key}/${row.group}`, row]));
  const steps = new Map<string, number[]>();
  const tracks = new Map<string, number>();
  for (const row of await rawRows(store, `${dataset}_steps`, ['step', 'episode_key', 'group'])) {
    const name = `${row.episode_key}/${row.group}`;
    steps.set(name, [...(steps.get(name) ?? []), row.step as number]);
  }
  for (const row of await rawRows(store, `${dataset}_tracks`, ['episode_key', 'group'])) {
    const name = `${row.episode_key}/${row.group}`;
    tracks.set(name, (tracks.get(name) ?? 0) + 1);
  }
  const wrong = [...valid].filter(([name, row]) => {
    const there = (steps.get(name) ?? []).sort((a, b) => a - b);
    const whole = there.length === row.rows && there.every((step, index) => step === index);
    return !whole || (tracks.get(name) ?? 0) !== (row.state === 'kept' ? 1 : 0);
  });
  const outside = (of: Map<string, unknown>) => [...of.keys()].filter((name) => !valid.has(name)).length;
  return {
    latest,
    voidSteps: outside(steps),
    voidTracks: outside(tracks),
    wrong: wrong.map(([, row]) => row.episode as string),
    twice: ledger.length - new Set(ledger.map((row) => `${row.episode}\0${row.attempt}`)).size,
  };
}
