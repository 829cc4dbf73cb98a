/** Several processes on one store, and stopping with Ctrl-C: the same rows as one process that nobody disturbed. */
import { beforeAll, describe, expect, it } from 'vitest';
import { prep, startPrep } from '../cli/run.ts';
import { contents, freshFolder, stored } from './demo-set.ts';
import { resumed, stoppedWhileLive } from './live.ts';
import { sixShards, undisturbed, wordsFor } from './six-shards.ts';

let release: string;
let whole: Awaited<ReturnType<typeof undisturbed>>;
beforeAll(async () => {
  release = sixShards();
  whole = await undisturbed(release);
});

describe('parts', () => {
  it('three processes at once make what one makes', async () => {
    expect([...(await stored(whole.store)).rows.values()].map(({ steps }) => steps).sort()).toEqual([
      16, 16, 16, 16, 16, 32, 32,
    ]);
    const store = freshFolder();
    const runs = ['0/3', '1/3', '2/3'].map((part) => startPrep(wordsFor(release, store, '--shard', part)).ended);
    for (const { code, stderr } of await Promise.all(runs)) expect([code, stderr]).toEqual([0, '']);
    expect((await contents(store)).same).toEqual(whole.same);
    const { stdout } = await prep('status', store);
    for (const part of [0, 1, 2]) expect(stdout).toContain(`part ${part}/3: done`);
    // Another division of the same set finds everything recorded.
    const again = await prep(...wordsFor(release, store, '--shard', '1/2'));
    expect([again.code, again.stdout]).toEqual([0, expect.stringContaining('nothing to do')]);
  });

  it('a live part is refused to a second process, and so is another division', async () => {
    const store = freshFolder();
    const first = await stoppedWhileLive(store, wordsFor(release, store, '--shard', '0/3'));
    const same = await prep(...wordsFor(release, store, '--shard', '0/3'));
    expect(same.stderr).toMatch(/^prep: part-owned .*process \d+ on /);
    const other = await prep(...wordsFor(release, store, '--shard', '0/2'));
    expect(other.stderr).toMatch(/^prep: part-count /);
    expect([same.code, other.code]).toEqual([1, 1]);
    const { stdout } = await prep('status', store);
    expect(stdout).toMatch(new RegExp(`part 0/3: live \\(host .*, pid ${first.process.pid}\\)`));
    expect((await resumed(first)).code).toBe(0);
    for (const part of ['1/3', '2/3']) expect((await prep(...wordsFor(release, store, '--shard', part))).code).toBe(0);
    expect((await contents(store)).same).toEqual(whole.same);
  });
});

describe('Ctrl-C', () => {
  it('ends with 130 and says how to go on; what is committed stays; the same command completes it', async () => {
    const store = freshFolder();
    expect((await prep(...wordsFor(release, store, '--episodes', '2'))).code).toBe(0);
    const run = await stoppedWhileLive(store, wordsFor(release, store));
    run.process.kill('SIGINT');
    const { code, stdout, stderr } = await resumed(run);
    expect(code).toBe(130);
    expect(stderr).toMatch(/stopping: finishing and committing what is in work/);
    expect(stderr).toMatch(/interrupted; everything above is committed; run the same command again to go on/);
    expect(stdout).toMatch(/^droid: interrupted/);
    const between = await stored(store);
    expect(between.rows.size).toBeGreaterThanOrEqual(2);
    expect(between.ledger.size).toBeLessThan(9);
    expect((await prep(...wordsFor(release, store))).code).toBe(0);
    expect((await contents(store)).same).toEqual(whole.same);
  });

  it('twice ends at once, also with 130', async () => {
    const store = freshFolder();
    const run = await stoppedWhileLive(store, wordsFor(release, store));
    run.process.kill('SIGTERM');
    const ended = resumed(run);
    await run.said(/once more to stop at once/);
    run.process.kill('SIGINT');
    expect((await ended).code).toBe(130);
    expect((await prep(...wordsFor(release, store))).code).toBe(0);
    expect((await contents(store)).same).toEqual(whole.same);
  });
});
