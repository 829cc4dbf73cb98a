/** `prep relabel` against the one thing that it must equal: a fresh ingest with the new options. */
import { cpSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import type { RelabelSummary } from '../../pipelines/relabel.ts';
import { prep, prepJson, startPrep } from '../cli/run.ts';
import { contents, freshFolder, ingestDemo, ingestWords, SOUND, stored, ZEROS } from './demo-set.ts';
import { resumed, stoppedWhileLive } from './live.ts';
import { changedKarlp, demoRecords, floatsOf, framed, writeRelease } from './release.ts';

const VELOCITY = 'steps/action_dict/joint_velocity';
/** The bundled set with something to lose: the sound episode stands still in steps 3 to 12 and is worth steps 4 to 19 only. */
function flaggedSource(): string[] {
  const [sound, ...others] = demoRecords();
  const still = Buffer.from(sound);
  const at = floatsOf(still, VELOCITY);
  still.fill(0, at + 3 * 7 * 4, at + 13 * 7 * 4);
  const karlp = changedKarlp([
    'keep_ranges_1_0_1',
    (all) => Object.assign(all, { [Object.keys(all).find((key) => key.includes('PennPAL'))!]: [[4, 20]] }),
  ]);
  const release = writeRelease([[still, ...others].map(framed)]);
  return ['--root', release, '--calibration', karlp];
}

const source = flaggedSource();
let base: string;
beforeAll(async () => {
  base = freshFolder();
  await ingestDemo(base, ...source);
  const flags = (await stored(base)).rows.get(SOUND)!.flags;
  // idle is bit 0, outside_keep_ranges bit 7
  expect([flags[0], flags[3], flags[8], flags[31]]).toEqual([128, 128, 1, 128]);
});

/** A copy of a store that a test may change. */
function copyOf(store: string): string {
  const folder = join(freshFolder(), 'store');
  cpSync(store, folder, { recursive: true });
  return folder;
}

async function relabel(store: string, ...words: string[]): Promise<RelabelSummary> {
  const { code, value } = await prepJson<RelabelSummary>('relabel', store, ...words);
  expect(code, JSON.stringify(value)).toBe(0);
  return value;
}

describe('other labels', () => {
  it.each([
    ['dt', ['--dt', '2/15']],
    ['steps and hold', ['--steps', '7', '--gripper-interpolation', 'hold', '--dt', '1/40']],
    ['reference', ['--reference', 'wrist']],
    ['reference base', ['--reference', 'base']],
    ['tool and rot6d', ['--tool', 'canonical', '--rot6d', 'columns']],
  ])('%s: equal to a fresh ingest', async (_, words) => {
    const fresh = freshFolder();
    await ingestDemo(fresh, ...source, ...words);
    const store = copyOf(base);
    const before = await contents(store);
    const summary = await relabel(store, ...words);
    expect(summary).toMatchObject({ state: 'done', kept: 3, rows: 64, toIngest: 0 });
    const after = await contents(store);
    expect(after.same).toEqual((await contents(fresh)).same);
    expect(after.same.rows).not.toEqual(before.same.rows);
    // Back again: nothing of the way there stays.
    if (words[1] === 'wrist') {
      await relabel(store, '--reference', 'third');
      expect((await contents(store)).same).toEqual(before.same);
    }
  });

  it('with the options that the store has is nothing to do', async () => {
    const { code, stdout } = await prep('relabel', base, '--dt', '1/15');
    expect([code, stdout]).toEqual([0, 'droid: nothing to do, the labels have these options already\n']);
  });
});

describe('new calibration', () => {
  it('of a store without any: what had no pose is ingested afterwards', async () => {
    const store = freshFolder();
    const { code, value } = await prepJson(...ingestWords(store, ...source.slice(0, 2)));
    expect([code, value.episodes]).toMatchObject([0, { kept: 2, rejected: 1, quarantined: 1 }]);
    expect((await stored(store)).ledger.get(ZEROS)!.entry.reason).toBe('no-extrinsics');
    expect(await relabel(store, ...source.slice(2))).toMatchObject({ kept: 2, toIngest: 1 });
    const { ledger } = await stored(store);
    expect(ledger.get(SOUND)!.entry.calibration.exterior_image_1_left!.source).toBe('karlp-superset');
    const summary = await ingestDemo(store, ...source);
    // Only what had no pose is read: the damaged episode stays what it is.
    expect(summary.episodes).toEqual({ kept: 1, rejected: 0, quarantined: 0, skipped: 3 });
    expect((await contents(store)).same).toEqual((await contents(base)).same);
  });

  it('that makes another camera the best: its pictures are ingested afterwards', async () => {
    const karlp = changedKarlp(
      ['cam2base_extrinsic_superset', (all) => void delete uuid(all, 'PennPAL')['20435579']],
      ['cam2base_extrinsics', (all) => void delete uuid(all, 'PennPAL')['20435579']],
    );
    const fresh = freshFolder();
    await ingestDemo(fresh, ...source, '--calibration', karlp);
    const store = copyOf(base);
    expect(await relabel(store, '--calibration', karlp)).toMatchObject({ kept: 2, toIngest: 1 });
    expect((await stored(store)).ledger.get(SOUND)!.entry).toMatchObject({ state: 'rejected', reason: 'needs-pixels' });
    const summary = await ingestDemo(store, ...source, '--calibration', karlp);
    expect(summary.episodes).toEqual({ kept: 1, rejected: 0, quarantined: 0, skipped: 3 });
    expect((await contents(store)).same).toEqual((await contents(fresh)).same);
    expect((await stored(store)).rows.get(SOUND)!.third).toBe('exterior_image_2_left');
  });
});

const uuid = (all: Record<string, Record<string, unknown>>, lab: string): Record<string, unknown> =>
  all[Object.keys(all).find((key) => key.startsWith(lab))!]!;

async function appears(path: string): Promise<void> {
  for (let round = 0; round < 5000 && !existsSync(path); round++) await sleep(2);
}

describe('stops', () => {
  it('killed while it made a table, it begins anew', async () => {
    const store = copyOf(base);
    // A table's folder is there before its manifest.
    for (const name of ['steps', 'episodes', 'tracks'])
      mkdirSync(join(store, `.relabel-droid/droid_${name}.lance/data`), { recursive: true });
    expect((await relabel(store, '--dt', '0.1')).kept).toBe(3);
    expect(existsSync(join(store, '.relabel-droid'))).toBe(false);
  });

  it('killed at random moments and started again, it ends the same', { timeout: 120_000 }, async () => {
    const fresh = freshFolder();
    await ingestDemo(fresh, ...source, '--dt', '0.1', '--reference', 'wrist');
    const words = ['--dt', '0.1', '--reference', 'wrist'];
    const timed = copyOf(base);
    const started = performance.now();
    await relabel(timed, ...words);
    const whole = performance.now() - started;
    const store = copyOf(base);
    let kills = 0;
    for (let round = 0; round < 4; round++) {
      const run = startPrep(['relabel', store, ...words]);
      // The first as soon as new tables are being filled, so that one hits for certain; then anywhere in the last half.
      const moment = round === 0 ? appears(join(store, '.relabel-droid')) : sleep(whole * (0.4 + 0.6 * Math.random()));
      await Promise.race([moment, run.ended]);
      if (run.process.kill('SIGKILL')) kills++;
      await run.ended;
      // Whatever the moment, a reader finds whole tables: the old or the new.
      const { code } = await prep('status', store);
      expect(code).toBe(0);
      expect((await stored(store)).rows.size).toBe(3);
    }
    expect(kills).toBeGreaterThan(0);
    await relabel(store, ...words);
    expect((await contents(store)).same).toEqual((await contents(fresh)).same);
  });

  it('is refused while an ingest is live, and the ingest goes on', async () => {
    const store = freshFolder();
    await ingestDemo(store, ...source, '--episodes', '1');
    const ingest = await stoppedWhileLive(store, ingestWords(store, ...source));
    const { code, stderr } = await prep('relabel', store, '--dt', '0.1');
    expect(stderr).toMatch(/^prep: part-owned/);
    expect(code).toBe(1);
    expect((await resumed(ingest)).code).toBe(0);
    expect((await contents(store)).same).toEqual((await contents(base)).same);
  });
});
