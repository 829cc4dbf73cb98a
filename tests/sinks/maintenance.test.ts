/** Row ids under concurrent writers and compaction; garbage collection; a full disk. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { compactDataset } from '../../sinks/compact.ts';
import { gcDataset } from '../../sinks/gc.ts';
import { openDataset, readParts } from '../../sinks/read.ts';
import { audit, openToy, temporaryStore } from './open.ts';
import { startWriter } from './spawn.ts';
import { syntheticEpisode, syntheticShape } from './synthetic.ts';
import { writerSize } from './writer-options.ts';

const shape = syntheticShape();
const end = { state: 'done', summary: {} } as const;
const job = (store: string, index = 0, of = 1) => ({ store, index, of, episodes: 60, groupBytes: 30_000 });

async function expectRowsByFirstRow(store: string): Promise<number> {
  const reader = await openDataset(store, 'toy');
  let read = 0;
  for (const row of await reader.ledger()) {
    if (row.rows === 0) continue;
    const index = Number(row.entry.episode.slice(-6));
    expect(await reader.episodeRows(row)).toEqual(syntheticEpisode(index, writerSize(), shape).rows);
    read++;
  }
  reader.close();
  return read;
}

describe('first_row', () => {
  it('addresses each episode after four concurrent writers, a compaction among them, deletes and another', async () => {
    const store = temporaryStore();
    const writers = [0, 1, 2, 3].map((index) => startWriter(job(store, index, 4)));
    await writers[0]!.until((line) => line.event === 'commit');
    await compactDataset(store, 'toy', { keepMs: 60_000 });
    for (const lines of await Promise.all(writers.map((writer) => writer.ended)))
      expect(lines.at(-1)).toEqual({ event: 'done' });
    const kept = await expectRowsByFirstRow(store);
    expect(kept).toBe([...(await audit(store)).latest.values()].filter((row) => row.state === 'kept').length);
    const revised = await openToy(store, { takeOver: true });
    await revised.add(syntheticEpisode(0, { ...writerSize(), revision: 1 }, shape));
    await revised.close(end);
    // The track of a replaced attempt goes with the commit that replaces it, its step rows wait for gc.
    expect(await audit(store)).toMatchObject({ voidSteps: 1, voidTracks: 0, wrong: [] });
    expect(await gcDataset(store, 'toy', { dryRun: false })).toMatchObject({ stepRows: 11, trackRows: 0, groups: 1 });
    const [steps] = await compactDataset(store, 'toy', { keepMs: 0 });
    expect(steps).toMatchObject({ table: 'toy_steps', fragmentsAdded: 1 });
    const back = await openToy(store);
    await back.add(syntheticEpisode(0, writerSize(), shape));
    await back.close(end);
    expect(await expectRowsByFirstRow(store)).toBe(kept);
  });
});

describe('gc', () => {
  it('removes replaced attempts and what a killed writer left, and says the same in a dry run', async () => {
    const store = temporaryStore();
    await (await openToy(store)).close(end);
    const halt = { point: 'before-commit', nth: 3, signal: 'SIGKILL' } as const;
    await startWriter({ ...job(store), halt }).ended;
    const before = await audit(store);
    expect(before.voidSteps).toBeGreaterThan(0);
    const dry = await gcDataset(store, 'toy', { dryRun: true });
    expect(dry.stepRows).toBe(11 * before.voidSteps);
    expect(await audit(store)).toMatchObject({ voidSteps: before.voidSteps, voidTracks: before.voidTracks });
    expect(await gcDataset(store, 'toy', { dryRun: false })).toMatchObject({ partsRecovered: 1, partsLive: 0 });
    expect(await audit(store)).toMatchObject({ voidSteps: 0, voidTracks: 0, wrong: [] });
    expect((await readParts(store))[0]?.status).toBe('interrupted');
    expect((await startWriter(job(store)).ended).at(-1)).toEqual({ event: 'done' });
    expect(await audit(store)).toMatchObject({ voidSteps: 0, wrong: [], twice: 0 });
  });

  it('finishes a commit that lacks its ledger rows, rather than deleting it', async () => {
    const store = temporaryStore();
    await (await openToy(store)).close(end);
    const halt = { point: 'before-ledger', nth: 2, signal: 'SIGKILL' } as const;
    await startWriter({ ...job(store), halt }).ended;
    const before = await audit(store);
    expect(before.voidSteps).toBeGreaterThan(0);
    expect(await gcDataset(store, 'toy', { dryRun: true })).toMatchObject({ stepRows: 0, groups: 0 });
    await gcDataset(store, 'toy', { dryRun: false });
    const after = await audit(store);
    expect(after).toMatchObject({ voidSteps: 0, wrong: [] });
    expect(after.latest.size).toBeGreaterThan(before.latest.size);
  });

  it('leaves the open group of a live writer alone', async () => {
    const store = temporaryStore();
    await (await openToy(store)).close(end);
    const halt = { point: 'before-commit', nth: 2, signal: 'SIGSTOP' } as const;
    const writer = startWriter({ ...job(store), halt });
    await writer.stopped();
    expect(await gcDataset(store, 'toy', { dryRun: false })).toMatchObject({ stepRows: 0, partsLive: 1 });
    writer.process.kill('SIGCONT');
    expect((await writer.ended).at(-1)).toEqual({ event: 'done' });
    expect(await audit(store)).toMatchObject({ voidSteps: 0, wrong: [], twice: 0 });
  });
});

/** A file system of a few megabytes, or null where this user may not mount one. */
function smallDisk(): string | null {
  const path = mkdtempSync(join(tmpdir(), 'prep-disk-'));
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=6m', 'tmpfs', path]).status === 0;
  afterAll(() => {
    if (mounted) spawnSync('umount', [path]);
    rmSync(path, { recursive: true, force: true });
  });
  return mounted ? path : null;
}

const disk = smallDisk();
describe.skipIf(disk === null)('a full disk', () => {
  it('ends the run with the cause; what was committed stays; more room and the next run finishes', async () => {
    const store = join(disk!, 'store');
    mkdirSync(store);
    const big = { ...job(store), imageBytes: 20_000, groupBytes: 1_000_000 };
    const lines = await startWriter(big).ended;
    expect(lines.at(-1)).toMatchObject({ event: 'error', code: 'store' });
    expect(lines.at(-1)?.message).toMatch(/No space left on device.*GB free.*what was committed stays/s);
    const committed = (await audit(store)).latest.size;
    expect(committed).toBeGreaterThan(0);
    expect(spawnSync('mount', ['-o', 'remount,size=200m', disk!]).status).toBe(0);
    expect((await startWriter(big).ended).at(-1)).toEqual({ event: 'done' });
    const found = await audit(store);
    expect(found).toMatchObject({ voidSteps: 0, voidTracks: 0, wrong: [], twice: 0 });
    expect(found.latest.size).toBe(60);
  });
});
