/** A plan that grows: earlier draws stay, new episodes are drawn by what is left of them, what is gone is drawn no more. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openPlanRows, type PlacedDraw } from '../../pipelines/mixed/plan-rows.ts';
import { extendPlan } from '../../pipelines/plan/extend.ts';
import { domainTable } from '../../schemas/plan-tables.ts';
import { readLedger } from '../../sinks/read.ts';
import { connectStore } from '../../sinks/store.ts';
import { prep } from '../cli/run.ts';
import { freshFolder, KARLP, RELEASE } from '../e2e/demo-set.ts';
import { plan } from './plan-store.ts';

async function placed(store: string, id: string): Promise<PlacedDraw[]> {
  const open = await connectStore(store);
  const rows = await openPlanRows(open, id);
  const all = Array.from({ length: rows.draws }, (_, draw) => rows.place(draw));
  rows.close();
  open.connection.close();
  return all;
}

it('keeps its draws, takes new episodes, and leaves out what is set aside', { timeout: 300_000 }, async () => {
  const store = freshFolder();
  const ingest = (...words: string[]) =>
    prep('ingest', 'droid', '--root', RELEASE, '--store', store, '--calibration', KARLP, '--workers', '1', ...words);
  expect((await ingest('--episodes', '2')).code).toBe(0);
  const mixture = { entries: [{ dataset: 'droid', weight: 1, filter: { success: 'any' } }] };
  const { value } = await plan(store, mixture, '--draws', '16', '--seed', '4');
  const before = await placed(store, value.plan);
  expect((await ingest()).code).toBe(0);
  const open = await connectStore(store);
  const grown = await extendPlan(open, value.plan, 48);
  expect(grown).toMatchObject({ made: true, goneEpisodes: 0 });
  expect(grown.newEpisodes).toBeGreaterThan(0);
  const after = await placed(store, value.plan);
  expect(after.slice(0, 16).map(({ episodeKey, step }) => [episodeKey, step])).toEqual(
    before.map(({ episodeKey, step }) => [episodeKey, step]),
  );
  // What was drawn is not drawn again while anything is left.
  const steps = after.map(({ episodeKey, step }) => `${episodeKey}/${step}`);
  const eligible = grown.report.entries[0]!.eligibleSteps;
  const first = steps.slice(0, Math.min(eligible, steps.length));
  expect(new Set(first).size).toBe(first.length);
  const old = new Set(before.map(({ episodeKey }) => episodeKey));
  expect(after.slice(16).some(({ episodeKey }) => !old.has(episodeKey))).toBe(true);
  expect(after.slice(16).some(({ episodeKey }) => old.has(episodeKey))).toBe(true);
  // The same segment appended by another process would be another draw: only one of the two counts.
  const again = await extendPlan(open, value.plan, 48);
  expect(again.segment.segment).toBe(grown.segment.segment + 1);
  expect(again.newEpisodes).toBe(0);
  open.connection.close();
});

it('stores no domain that it does not draw from', { timeout: 120_000 }, async () => {
  const store = freshFolder();
  const words = ['ingest', 'droid', '--root', RELEASE, '--store', store, '--calibration', KARLP, '--workers', '1'];
  expect((await prep(...words)).code).toBe(0);
  const mixture = { entries: [{ dataset: 'droid', weight: 1, filter: { success: 'any' } }] };
  const { value } = await plan(store, mixture, '--draws', '16', '--seed', '4');
  const [gone] = (await readLedger(store, 'droid')).filter(({ entry }) => entry.state === 'kept');
  const excluded = join(freshFolder(), 'excluded.txt');
  writeFileSync(excluded, `${gone!.entry.episode}\n`);
  expect((await prep(...words, '--exclude', excluded)).code).toBe(0);
  const open = await connectStore(store);
  const table = await open.connection.openTable(domainTable(value.plan));
  const before = await table.countRows();
  const grown = await extendPlan(open, value.plan, 16);
  expect(grown.goneEpisodes).toBe(1);
  await table.checkoutLatest();
  expect(await table.countRows()).toBe(before);
  expect((await placed(store, value.plan)).slice(16).map(({ episodeKey }) => episodeKey)).not.toContain(
    gone!.entry.episodeKey,
  );
  open.connection.close();
});
