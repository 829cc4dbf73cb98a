/** Killed after any write and run again: the store is that of the undisturbed run. */
import { spawn } from 'node:child_process';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, it } from 'vitest';
import { prep } from '../cli/run.ts';
import { contents, freshFolder } from '../e2e/demo-set.ts';
import { DROID, ingest, ingestWords, planOver } from './sets.ts';

const DYING = fileURLToPath(new URL('dying.ts', import.meta.url));

/** Writes of a run that commits one group. */
const WRITES = [
  { table: 'parts', write: 'merge', nth: 1 },
  { table: 'droid_steps', write: 'add', nth: 1 },
  { table: 'droid_tracks', write: 'add', nth: 1 },
  { table: 'parts', write: 'merge', nth: 2 },
  { table: 'droid_episodes', write: 'merge', nth: 1 },
  { table: 'droid_tracks', write: 'delete', nth: 1 },
] as const;

async function killedAt(at: object, words: readonly string[]): Promise<void> {
  const { FORCE_COLOR: _, ...env } = process.env;
  const args = ['--disable-warning=ExperimentalWarning', DYING, JSON.stringify(at), ...words];
  const child = spawn(process.execPath, args, { stdio: 'ignore', env });
  const signal = await new Promise((ended) => child.on('close', (_code, by) => ended(by)));
  expect(signal, JSON.stringify(at)).toBe('SIGKILL');
}

let index: string;
let plan: string;
beforeAll(async () => {
  index = freshFolder();
  await ingest(DROID, index, '--index-only');
  plan = (await planOver([DROID], index)).plan;
}, 300_000);

const copyOf = (store: string): string => {
  const copy = join(freshFolder(), 'store');
  cpSync(store, copy, { recursive: true });
  return copy;
};

it('the drawn rows', { timeout: 180_000 }, async () => {
  const undisturbed = copyOf(index);
  await ingest(DROID, undisturbed, '--plan', plan);
  const whole = await contents(undisturbed);
  expect(whole.same.wrongIds).toEqual([]);
  for (const at of WRITES) {
    const store = copyOf(index);
    await killedAt(at, ingestWords(DROID, store, '--plan', plan));
    const { code, stderr } = await prep(...ingestWords(DROID, store, '--plan', plan));
    expect([code, stderr], JSON.stringify(at)).toEqual([0, '']);
    const found = await contents(store);
    expect(found, JSON.stringify(at)).toEqual(whole);
  }
});

it('the index', { timeout: 300_000 }, async () => {
  const whole = await contents(index);
  for (const at of [
    { table: 'droid_tracks', write: 'add', nth: 1 },
    { table: 'parts', write: 'merge', nth: 2 },
  ]) {
    const store = freshFolder();
    await killedAt(at, ingestWords(DROID, store, '--index-only'));
    await ingest(DROID, store, '--index-only');
    expect(await contents(store), JSON.stringify(at)).toEqual(whole);
  }
});
