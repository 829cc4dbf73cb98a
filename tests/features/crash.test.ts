/** `prep features run`, killed at random moments and raced: the set ends as if one process had made it in peace. */
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, expect, it } from 'vitest';
import { openPlanReader } from '../../pipelines/mixed/reader.ts';
import { featureGarbage } from '../../sinks/feature-gc.ts';
import { scanFrames } from '../../sinks/feature-rows.ts';
import { readMaps, readParts, readSets } from '../../sinks/features.ts';
import { connectStore, tableNames } from '../../sinks/store.ts';
import { prep, startPrep } from '../cli/run.ts';
import { demoStore, MODEL, planOf } from './tiny.ts';

/** Rounds; 25 and more are for a machine with time. */
const KILLS = Number(process.env.PREP_KILLS ?? 5);
const DRAWS = 96;
/** A day and an hour, milliseconds: later than this what nobody named is dead. */
const LATER = 25 * 3_600_000;

interface Made {
  readonly frames: readonly bigint[];
  readonly values: readonly Float32Array[];
  readonly missing: number;
}

async function madeIn(uri: string, plan: string): Promise<Made> {
  const store = await connectStore(uri);
  const [set] = await readSets(store);
  const frames: bigint[] = [];
  for (const { tables } of await readParts(store, set!.set))
    for (const { table } of tables) for await (const batch of scanFrames(store, table)) frames.push(...batch.frames);
  const missing = (await readMaps(store, set!.set, plan)).reduce((sum, map) => sum + map.missing, 0);
  store.connection.close();
  const reader = await openPlanReader({ store: uri, plan, batch: 16, images: false, features: { set: 'apt-stage1' } });
  const values: Float32Array[] = [];
  for await (const { features } of reader.batches()) values.push(features!.values);
  reader.close();
  return { frames, values, missing };
}

const words = (store: string, plan: string, ...more: string[]): string[] => {
  const common = ['features', 'run', store, '--plan', plan, '--model', MODEL, '--codec', 'int8', '--workers', '1'];
  return [...common, '--sample', '4', '--part-draws', '16', '--batch', '1', ...more];
};

let peace: Made;
let milliseconds: number;
beforeAll(async () => {
  const store = await demoStore();
  const plan = await planOf(store, DRAWS);
  const started = performance.now();
  const { code, stderr } = await prep(...words(store, plan));
  expect([code, stderr]).toEqual([0, '']);
  milliseconds = performance.now() - started;
  peace = await madeIn(store, plan);
  expect(peace.missing).toBe(0);
  expect(new Set(peace.frames).size).toBe(peace.frames.length);
});

it(`killed ${KILLS} times`, { timeout: 60_000 + KILLS * 20_000 }, async () => {
  const store = await demoStore();
  const plan = await planOf(store, DRAWS);
  const moments: string[] = [];
  for (let n = 0; n < KILLS; n++) {
    const run = startPrep(words(store, plan));
    const share = 0.2 + 0.6 * Math.random();
    await Promise.race([sleep(milliseconds * share), run.ended]);
    run.process.kill('SIGKILL');
    const { code, signal } = await run.ended;
    moments.push(`${share} ${signal ?? code}`);
  }
  expect((await prep(...words(store, plan))).code).toBe(0);
  const made = await madeIn(store, plan);
  expect(made.frames, moments.join()).toEqual(peace.frames);
  expect(made.values).toEqual(peace.values);
  // What killed attempts left is named nowhere, and goes when it is old enough.
  const opened = await connectStore(store);
  const garbage = await featureGarbage(opened, Date.now() + LATER);
  const now = await featureGarbage(opened);
  const names = await tableNames(opened);
  opened.connection.close();
  expect(now).toEqual({ orphans: [], unused: [] });
  expect(garbage.orphans.every((name) => names.includes(name) && /x\d+(v\d+|k)_|_map_/.test(name))).toBe(true);
});

it('two processes on a half each, and a third on the same as the first', async () => {
  const store = await demoStore();
  const plan = await planOf(store, DRAWS);
  const runs = [
    ['--shard', '0/2'],
    ['--shard', '1/2'],
    ['--shard', '0/2'],
  ].map((part) => prep(...words(store, plan, ...part)));
  for (const { code, stderr } of await Promise.all(runs)) expect([code, stderr]).toEqual([0, '']);
  const made = await madeIn(store, plan);
  expect(made.missing).toBe(0);
  // A frame whose picture two halves show may be there twice; that none is lacking, and none else there, is certain.
  expect(new Set(made.frames)).toEqual(new Set(peace.frames));
  expect(made.values).toEqual(peace.values);
});

it('interrupted, it keeps whole parts and says how to go on', async () => {
  const store = await demoStore();
  const plan = await planOf(store, DRAWS);
  const run = startPrep(words(store, plan));
  await sleep(milliseconds * 0.6);
  run.process.kill('SIGTERM');
  const { code, stdout } = await run.ended;
  if (code === 0) return;
  expect(code).toBe(130);
  expect(stdout).toMatch(/interrupted: whole parts stay/);
  expect((await prep(...words(store, plan))).code).toBe(0);
  expect((await madeIn(store, plan)).values).toEqual(peace.values);
});
