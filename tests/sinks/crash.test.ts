/** Killed, stopped, overtaken: the store ends as if nothing had happened. */
import { describe, expect, it } from 'vitest';
import { openDataset } from '../../sinks/read.ts';
import { audit, openToy, temporaryStore } from './open.ts';
import { startWriter } from './spawn.ts';
import { syntheticEpisode, syntheticShape } from './synthetic.ts';
import { type HaltPoint, writerSize } from './writer-options.ts';

const EPISODES = 60;
const shape = syntheticShape();
const POINTS: HaltPoint[] = ['before-steps', 'after-steps', 'before-commit', 'before-ledger'];
/** About 3 episodes a group. */
const job = (store: string) => ({ store, index: 0, of: 1, episodes: EPISODES, groupBytes: 30_000 });

/** Nothing twice, nothing missing, nothing void, and every byte of every kept episode as it was made. */
async function expectWhole(store: string, episodes = EPISODES): Promise<void> {
  const found = await audit(store);
  expect(found).toMatchObject({ voidSteps: 0, voidTracks: 0, wrong: [], twice: 0 });
  expect(found.latest.size).toBe(episodes);
  const reader = await openDataset(store, 'toy');
  for (const row of await reader.ledger()) {
    const index = Number(row.entry.episode.slice(-6));
    const made = syntheticEpisode(index, writerSize(), shape);
    expect(row.entry).toEqual(made.ledger);
    expect(row.attempt).toBe(1);
    if (made.rows) expect(await reader.episodeRows(row)).toEqual(made.rows);
  }
  reader.close();
}

/** A store whose tables exist, so that a writer can find LanceDB's table prototype. */
async function emptyStore(): Promise<string> {
  const store = temporaryStore();
  await (await openToy(store)).close({ state: 'done', summary: {} });
  return store;
}

describe('a writer killed between two writes of a group', () => {
  it.each(POINTS)('%s: the next run finishes or undoes the group', async (point) => {
    const store = await emptyStore();
    const killed = startWriter({ ...job(store), halt: { point, nth: 3, signal: 'SIGKILL' } });
    await killed.ended;
    expect(killed.process.signalCode).toBe('SIGKILL');
    const before = await audit(store);
    expect(before.latest.size).toBeGreaterThan(0);
    expect(before.latest.size).toBeLessThan(EPISODES);
    const lines = await startWriter(job(store)).ended;
    expect(lines.at(-1)).toEqual({ event: 'done' });
    await expectWhole(store);
  });
});

describe('a writer that sleeps while another takes its part over', () => {
  it.each(POINTS)('%s: it writes no valid row and says why it ends', async (point) => {
    const store = await emptyStore();
    const zombie = startWriter({ ...job(store), halt: { point, nth: 3, signal: 'SIGSTOP' } });
    await zombie.stopped();
    const refused = await startWriter(job(store)).ended;
    expect(refused).toMatchObject([{ event: 'error', code: 'part-owned' }]);
    expect(refused[0]?.message).toContain(`process ${zombie.process.pid}`);
    const heir = startWriter({ ...job(store), takeOver: true });
    expect((await heir.ended).at(-1)).toEqual({ event: 'done' });
    zombie.process.kill('SIGCONT');
    const last = (await zombie.ended).at(-1);
    expect(last).toMatchObject({ event: 'error', code: 'part-owned' });
    expect(last?.message).toContain('took it over');
    await expectWhole(store);
  });

  it('wakes while the heir is half done', async () => {
    const store = await emptyStore();
    const zombie = startWriter({ ...job(store), halt: { point: 'before-commit', nth: 3, signal: 'SIGSTOP' } });
    await zombie.stopped();
    const heir = startWriter({
      ...job(store),
      takeOver: true,
      halt: { point: 'after-steps', nth: 2, signal: 'SIGSTOP' },
    });
    await heir.stopped();
    zombie.process.kill('SIGCONT');
    expect((await zombie.ended).at(-1)).toMatchObject({ event: 'error', code: 'part-owned' });
    heir.process.kill('SIGCONT');
    expect((await heir.ended).at(-1)).toEqual({ event: 'done' });
    await expectWhole(store);
  });
});

/** Rounds of random kills; `PREP_KILLS=40` for a thorough run. */
const KILLS = Number(process.env.PREP_KILLS ?? 6);
const MANY = 40 * KILLS;
const random = lcg(20260923);

describe('killed at random moments', () => {
  it(`one part, ${KILLS} kills`, { timeout: 30_000 + KILLS * 10_000 }, async () => {
    const store = temporaryStore();
    const part = { ...job(store), episodes: MANY };
    let unfinished = 0;
    for (let round = 0; round < KILLS; round++) unfinished += await killSoon([part]);
    expect(unfinished).toBeGreaterThan(KILLS / 2);
    expect((await startWriter(part).ended).at(-1)).toEqual({ event: 'done' });
    await expectWhole(store, MANY);
  });

  it(`three parts at once, ${KILLS} kills`, { timeout: 30_000 + KILLS * 10_000 }, async () => {
    const store = temporaryStore();
    const parts = [0, 1, 2].map((index) => ({ ...job(store), episodes: MANY, index, of: 3 }));
    for (let round = 0; round < KILLS; round++) await killSoon(parts);
    const lines = await Promise.all(parts.map((part) => startWriter(part).ended));
    for (const one of lines) expect(one.at(-1)).toEqual({ event: 'done' });
    await expectWhole(store, MANY);
  });
});

/** Kills all writers up to 400 ms after the first has opened; which write that hits is chance. Returns how many were not done. */
async function killSoon(jobs: Parameters<typeof startWriter>[0][]): Promise<number> {
  const writers = jobs.map((one) => startWriter(one));
  await writers[0]!.until((line) => line.event === 'open');
  for (const writer of writers) {
    await new Promise((resolve) => setTimeout(resolve, random() * 400));
    writer.process.kill('SIGKILL');
  }
  const ends = await Promise.all(writers.map((writer) => writer.ended));
  return ends.filter((lines) => lines.at(-1)?.event !== 'done').length;
}

function lcg(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1103515245 + 12345) & 0x7fffffff;
    return state / 0x7fffffff;
  };
}
