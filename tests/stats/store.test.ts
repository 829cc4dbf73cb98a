/** Statistics of stores: whatever the order of arrival and of runs, the same bytes; only new rows are read, never a picture. */
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makePlan } from '../../pipelines/plan/make.ts';
import { readMixture } from '../../pipelines/plan/mixture-file.ts';
import { makeStats } from '../../pipelines/stats/make.ts';
import type { EpisodeOutcome } from '../../schemas/episode.ts';
import { HISTORY_BIT, type TableShape } from '../../schemas/row.ts';
import { openLanceSink } from '../../sinks/lance.ts';
import { connectStore } from '../../sinks/store.ts';
import { label, rawRows, temporaryStore } from '../sinks/open.ts';
import { syntheticEpisode, syntheticShape } from '../sinks/synthetic.ts';

const ALL = Array.from({ length: 26 }, (_, index) => index);

/** Numbers that differ from step to step and in size, an unknown one now and then, masks of both kinds. */
function episode(index: number, shape: TableShape, revision: number): EpisodeOutcome {
  const steps = 5 + (index % 9);
  const made = syntheticEpisode(
    index,
    { steps, imageBytes: 40, dataset: shape.dataset, revision, unknown: true },
    shape,
  );
  if (!made.rows) return made;
  const numbers = (length: number, salt: number, unknown = false) =>
    Float32Array.from({ length }, (_, i) => {
      const x = Math.sin(i * 1.3 + index * 7 + salt + revision) * 10 ** ((i + index) % 4) * 1e-3;
      return unknown && (i + index) % 23 === 0 ? Number.NaN : x;
    });
  const { action, history, proprio } = made.rows;
  const rows = {
    ...made.rows,
    action: numbers(action.length, 1),
    history: numbers(history.length, 2),
    proprio: numbers(proprio.length, 3, true),
    present: Int32Array.from({ length: steps }, (_, i) => 7 | (1 << 16) | (i > 0 ? HISTORY_BIT : 0)),
  };
  return { ...made, rows };
}

interface Filling {
  readonly dataset?: string;
  readonly part?: { readonly index: number; readonly of: number };
  readonly revision?: number;
}

async function fill(store: string, indexes: readonly number[], how: Filling = {}): Promise<void> {
  const { dataset = 'toy', part = { index: 0, of: 1 }, revision = 0 } = how;
  const shape = syntheticShape(dataset);
  const sink = await openLanceSink({ store, shape, part, run: label, groupBytes: 12_000 });
  for (const index of indexes) await sink.add(episode(index, shape, revision));
  await sink.close({ state: 'done', summary: {} });
}

const MIXTURE = {
  entries: [
    { name: 'odd', dataset: 'toy', weight: 3, filter: { episode: '[13579]$' } },
    { name: 'long', dataset: 'toy', weight: 2, filter: { min_steps: 9, without_flags: ['no_instruction'] } },
    { dataset: 'other', weight: 1 },
  ],
};

function mixtureFile(): string {
  const file = join(temporaryStore(), 'mixture.json');
  writeFileSync(file, JSON.stringify(MIXTURE));
  return file;
}

async function both(store: string): Promise<string[]> {
  const [plain, mixed] = [await makeStats({ store }), await makeStats({ store, mixture: mixtureFile() })];
  return [plain.json, mixed.json];
}

let template: Promise<string> | undefined;

/** A store of both datasets, filled once and copied. */
async function filled(): Promise<string> {
  template ??= (async () => {
    const first = temporaryStore();
    await fill(first, ALL);
    await fill(first, ALL.slice(0, 12), { dataset: 'other' });
    return first;
  })();
  const store = temporaryStore();
  cpSync(await template, store, { recursive: true });
  return store;
}

const kept = (indexes: readonly number[]) => indexes.filter((i) => i % 7 !== 6 && i % 11 !== 10);
const rowsOf = (indexes: readonly number[]): number => kept(indexes).reduce((sum, i) => sum + 5 + (i % 9), 0);

describe('prep stats', () => {
  it('does not depend on the order of arrival, on parts, on what was read when', { timeout: 300_000 }, async () => {
    const wanted = await both(await filled());
    const late = temporaryStore();
    await fill(late, ALL.slice(0, 12).reverse(), { dataset: 'other' });
    await fill(late, ALL.filter((i) => i % 2 === 1).reverse(), { part: { index: 1, of: 2 } });
    const first = await makeStats({ store: late });
    expect(first.rows).toBe(rowsOf(ALL.slice(0, 12)) + rowsOf(ALL.filter((i) => i % 2 === 1)));
    await fill(late, ALL.filter((i) => i % 2 === 0).reverse(), { part: { index: 0, of: 2 } });
    const second = await makeStats({ store: late });
    expect(second.rows).toBe(rowsOf(ALL.filter((i) => i % 2 === 0)));
    expect(await both(late)).toEqual(wanted);
    const document = JSON.parse(wanted[1]!);
    expect(Object.keys(document.entries)).toEqual(['odd', 'long', 'other']);
    expect(document.mixture.action.overall.count.every((count: number) => count > 100)).toBe(true);
  });

  it('answers at once where nothing has changed', async () => {
    const store = await filled();
    const first = await makeStats({ store });
    const again = await makeStats({ store });
    expect([first.known, again.known, again.rows]).toEqual([false, true, 0]);
    expect(again.json).toBe(first.json);
    const values = await rawRows(store, 'stats_values');
    const wanted = first.document.entries.toy!.action.steps[1]!;
    const found = values.find(
      (row) => `${row.scope} ${row.name} ${row.signal} ${row.chunk_step}` === 'entry toy action 2',
    )!;
    expect([...(found.mean as Iterable<number>)]).toEqual(wanted.mean);
    expect([...(found.count as Iterable<bigint>)].map(Number)).toEqual(wanted.count);
  });

  it('never reads a picture', async () => {
    const store = await filled();
    const wanted = await both(store);
    const blind = await filled();
    const { connection } = await connectStore(blind);
    for (const dataset of ['toy', 'other']) {
      const table = await connection.openTable(`${dataset}_steps`);
      await table.dropColumns(['image_third', 'image_wrist', 'image_hash']);
      table.close();
    }
    connection.close();
    expect(await both(blind)).toEqual(wanted);
  });

  it('follows episodes that are replaced, and forgets the old ones', async () => {
    const store = await filled();
    await makeStats({ store });
    await fill(store, [3, 8], { revision: 1 });
    const after = await makeStats({ store });
    // The other dataset is not touched; of this one, what shared histograms with the replaced ones is read again.
    expect(after.rows).toBe(rowsOf(ALL));
    const fresh = temporaryStore();
    await fill(
      fresh,
      ALL.filter((i) => i !== 3 && i !== 8),
    );
    await fill(fresh, [3, 8], { revision: 1 });
    await fill(fresh, ALL.slice(0, 12), { dataset: 'other' });
    expect(after.json).toBe((await makeStats({ store: fresh })).json);
    const fingerprints = (await rawRows(store, 'toy_stats', ['fingerprint'])).map((row) => row.fingerprint);
    expect(fingerprints.sort()).toEqual([
      ...kept(ALL)
        .slice(2)
        .map(() => 'f0'),
      'f1',
      'f1',
    ]);
  });

  it('goes on where it was killed between moments and histograms', async () => {
    const store = await filled();
    const { json } = await makeStats({ store });
    const { connection } = await connectStore(store);
    for (const name of ['toy_sketches', 'stats', 'stats_values']) await connection.dropTable(name);
    connection.close();
    expect((await makeStats({ store })).json).toBe(json);
    expect(await rawRows(store, 'toy_stats', ['key'])).toHaveLength(kept(ALL).length);
  });

  it('of a plan are those of its mixture', async () => {
    const store = await filled();
    const file = mixtureFile();
    const { plan } = await makePlan({ store, mixture: await readMixture(file), draws: 160, seed: 1 });
    const [planned, mixed] = [await makeStats({ store, plan }), await makeStats({ store, mixture: file })];
    expect(mixed.rows).toBe(0);
    expect(planned.document).toEqual({ ...mixed.document, plan });
    await expect(makeStats({ store, plan: 'nothing' })).rejects.toMatchObject({ code: 'unknown-plan' });
  });

  it('does not add up what is unlike', async () => {
    const store = await filled();
    const shape = syntheticShape('far', { reference: 'wrist' });
    const sink = await openLanceSink({ store, shape, part: { index: 0, of: 1 }, run: label });
    await sink.add(episode(1, shape, 0));
    await sink.close({ state: 'done', summary: {} });
    const { document } = await makeStats({ store });
    expect(document.mixture).toBeNull();
    expect(document.warnings[0]).toMatch(/differ in reference/);
    expect(Object.keys(document.robots)).toEqual(['far/toy', 'other/toy', 'toy/toy']);
  });
});
