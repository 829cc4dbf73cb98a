/** Days of a lab: recordings arrive, change and vanish, runs are killed and race, and the store is what an undisturbed one is. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openPlanRows } from '../../pipelines/mixed/plan-rows.ts';
import type { ReshardReport } from '../../pipelines/reshard/run.ts';
import { readSegments } from '../../sinks/plans.ts';
import { readLedger } from '../../sinks/read.ts';
import { readShards } from '../../sinks/shards.ts';
import { connectStore } from '../../sinks/store.ts';
import { prep, startPrep } from '../cli/run.ts';
import { freshFolder, stored } from '../e2e/demo-set.ts';
import { recordings } from './recordings.ts';

/** The full simulation is 30 days. */
const DAYS = Number(process.env.PREP_RESHARD_DAYS ?? 3);
const MIXTURE = { entries: [{ dataset: 'bayesvla', weight: 1 }] };

/** A small generator, so that a failing run can be repeated. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return state / 2 ** 32;
  };
}

function configFile(root: string): string {
  const path = join(freshFolder(), 'nightly.json');
  const config = {
    sources: [{ dataset: 'bayesvla', root, max_quarantine: 1 }],
    mixture: MIXTURE,
    segment_draws: 32,
    shard_draws: 16,
    seed: 9,
    vanished: 'exclude',
    workers: 1,
  };
  writeFileSync(path, JSON.stringify(config));
  return path;
}

const words = (store: string, config: string): string[] => ['reshard', store, '--config', config, '--if-stale'];

async function once(store: string, config: string): Promise<ReshardReport> {
  const { code, stdout, stderr } = await prep(...words(store, config));
  expect([code, stderr]).toEqual([0, '']);
  return JSON.parse(stdout);
}

/** Kills a run now and then, lets two others race, and ends when one says that all is done. */
async function disturbed(store: string, config: string, random: () => number): Promise<void> {
  for (let kill = 0; kill < 2; kill++) {
    const run = startPrep(words(store, config));
    await new Promise((wake) => setTimeout(wake, 300 + 2500 * random()));
    run.process.kill('SIGKILL');
    await run.ended;
  }
  const race = await Promise.all([0, 1].map(() => prep(...words(store, config))));
  expect(race.map(({ code, stderr }) => [code, stderr])).toEqual([
    [0, ''],
    [0, ''],
  ]);
  for (let round = 0; round < 5; round++) if ((await once(store, config)).state === 'nothing-new') return;
  throw new Error('no end of news');
}

/** What must be equal: the plan, what each draw is, the rows drawn, the ledger's last word. */
async function contents(uri: string, plan: string) {
  const store = await connectStore(uri);
  const segments = (await readSegments(store, plan)).map(({ segment }) => segment);
  const rows = await openPlanRows(store, plan);
  const draws = Array.from({ length: rows.draws }, (_, draw) => {
    const { episodeKey, step } = rows.place(draw);
    return `${episodeKey}/${step}`;
  });
  const shards = (await readShards(store, plan)).map(({ start, draws: many, orderHash }) => [start, many, orderHash]);
  rows.close();
  store.connection.close();
  const ledger = (await readLedger(uri, 'bayesvla')).map(({ entry }) => [
    entry.episode,
    entry.state,
    entry.reason,
    entry.sourceDigest,
  ]);
  const kept = [...(await stored(uri, 'bayesvla')).rows].map(([id, one]) => [
    id,
    one.proprio.join(),
    one.imageHash.join(),
  ]);
  const stats = await prep('stats', uri, '--plan', plan, '--json');
  expect(stats.code).toBe(0);
  return { segments, draws, shards, ledger, kept, stats: JSON.parse(stats.stdout).stats };
}

it(`${DAYS} days`, { timeout: DAYS * 120_000 }, async () => {
  const random = randomFrom(20_260_101);
  const [folder, calm, wild] = [freshFolder(), freshFolder(), freshFolder()];
  mkdirSync(folder, { recursive: true });
  const lab = await recordings(folder);
  const config = configFile(folder);
  const there = new Set<number>();
  let next = 0;
  let plan = '';
  for (let day = 0; day < DAYS; day++) {
    for (let i = 0; i < 1 + Math.floor(2 * random()); i++) {
      there.add(next);
      lab.record(next++, 0);
    }
    const some = [...there];
    const pick = (): number => some[Math.floor(random() * some.length)]!;
    if (day % 2 === 1) lab.record(pick(), day);
    if (day % 3 === 2) lab.touch(pick());
    if (day % 3 === 2 && there.size > 2) {
      const gone = pick();
      lab.vanish(gone);
      there.delete(gone);
    }
    const report = await once(calm, config);
    expect(report).toMatchObject({ state: 'done', generation: day + 1 });
    plan = report.plan!;
    await disturbed(wild, config, random);
  }
  const [one, two] = [await contents(calm, plan), await contents(wild, plan)];
  expect(two).toEqual(one);
  expect(one.segments).toHaveLength(DAYS);
  // Draws of a day never change: those of the first day are of its own recordings.
  expect(one.shards).toHaveLength(2 * DAYS);
  const quiet = await once(calm, config);
  expect(quiet).toMatchObject({ state: 'nothing-new', generation: DAYS });
});
