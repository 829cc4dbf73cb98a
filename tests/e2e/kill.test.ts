/** SIGKILL at random moments, started again each time: the store ends as if nothing had happened. */
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, expect, it } from 'vitest';
import { prep, startPrep } from '../cli/run.ts';
import { contents, freshFolder } from './demo-set.ts';
import { sixShards, undisturbed, wordsFor } from './six-shards.ts';

/** Rounds of each test; 25 and more are for a machine with time. */
const KILLS = Number(process.env.PREP_KILLS ?? 6);

let release: string;
let whole: Awaited<ReturnType<typeof undisturbed>>;
beforeAll(async () => {
  release = sixShards();
  whole = await undisturbed(release);
});

/** Starts a run and kills it; true if it was still there to be killed. */
async function killed(words: string[], share: number): Promise<boolean> {
  const run = startPrep(words);
  await Promise.race([sleep(whole.milliseconds * share), run.ended]);
  run.process.kill('SIGKILL');
  const { code, signal, stderr } = await run.ended;
  // What ended by itself must have ended well.
  if (signal === null) expect([code, stderr]).toEqual([0, '']);
  return signal === 'SIGKILL';
}

// The set is one commit group, so some rounds take two episodes only: then there is something to come back to.
const round = (n: number, words: string[]): string[] => (n % 2 === 0 ? words : [...words, '--episodes', '2']);
// The first third of a run is Node and LanceDB being loaded.
const moment = (): number => 0.3 + 0.7 * Math.random();

it(`one process, ${KILLS} times`, { timeout: 60_000 + KILLS * 10_000 }, async () => {
  const store = freshFolder();
  const moments: [number, boolean][] = [];
  for (let n = 0; n < KILLS; n++) {
    const share = moment();
    moments.push([share, await killed(round(n, wordsFor(release, store)), share)]);
  }
  const last = await prep(...wordsFor(release, store));
  expect([last.code, last.stderr], JSON.stringify(moments)).toEqual([0, '']);
  const found = await contents(store);
  expect(found.same, JSON.stringify(moments)).toEqual(whole.same);
  // Rows of killed groups may lie there, but no reader sees them, and gc takes them away.
  expect((await prep('gc', store)).code).toBe(0);
  const cleaned = await contents(store);
  expect([cleaned.voidRows, cleaned.same]).toEqual([0, whole.same]);
});

it(`three processes, ${KILLS} times`, { timeout: 60_000 + KILLS * 20_000 }, async () => {
  const store = freshFolder();
  const parts = ['0/3', '1/3', '2/3'].map((part) => wordsFor(release, store, '--shard', part));
  for (let n = 0; n < KILLS; n++) await Promise.all(parts.map((words) => killed(round(n, words), 1.5 * moment())));
  for (const { code, stderr } of await Promise.all(parts.map((words) => prep(...words))))
    expect([code, stderr]).toEqual([0, '']);
  expect((await contents(store)).same).toEqual(whole.same);
});
