/** Killed while a part is taken or recovered, started again: every episode exactly once, to the byte (crash.test.ts kills commits). */
import { beforeAll, describe, expect, it } from 'vitest';
import type { ChildPlan } from './child.ts';
import { runChild } from './children.ts';
import { type Inventory, inventory } from './inventory.ts';
import { temporaryStore } from './open.ts';

const EPISODES = 30;
const whole = { index: 0, of: 1 };
let undisturbed: Inventory;

beforeAll(async () => {
  const store = temporaryStore();
  await runChild({ store, part: whole, episodes: EPISODES });
  undisturbed = await inventory(store);
});

/** The store holds what an undisturbed run leaves, and nothing else. */
async function expectWhole(store: string): Promise<void> {
  const found = await inventory(store);
  expect(found).toMatchObject({ ledgerDoubles: 0, voidRows: 0, voidTracks: 0, wrongIds: [] });
  expect(found.ledger).toEqual(undisturbed.ledger);
  expect(found.rows).toEqual(undisturbed.rows);
  expect(found.tracks).toEqual(undisturbed.tracks);
}

it('an undisturbed run leaves every episode once', () => {
  expect(undisturbed).toMatchObject({ ledgerDoubles: 0, voidRows: 0, voidTracks: 0, wrongIds: [] });
  expect(undisturbed.ledger.size).toBe(EPISODES);
  // 4 rejected (6, 13, 20, 27) and 2 quarantined (10, 21): see synthetic.ts.
  expect(undisturbed.rows.size).toBe(24);
  expect(undisturbed.tracks.size).toBe(24);
});

type At = NonNullable<ChildPlan['at']>;
const TAKING: [string, At][] = [
  ['taking a run number', { table: 'runs', write: 'merge', nth: 1 }],
  ['taking the part', { table: 'parts', write: 'merge', nth: 1 }],
];
const TRACKS: At = { table: 'toy_tracks', write: 'add', nth: 2 };
const COMMIT: At = { table: 'parts', write: 'merge', nth: 3 };
/** Where the first process dies, then the one that recovers. */
const RECOVERY: [string, At, At][] = [
  ['taking the part over', TRACKS, { table: 'parts', write: 'merge', nth: 1 }],
  ['taking the part over, a commit not yet copied', COMMIT, { table: 'parts', write: 'merge', nth: 1 }],
  ['copying the ledger rows', COMMIT, { table: 'toy_episodes', write: 'merge', nth: 1 }],
  ['deleting void step rows', TRACKS, { table: 'toy_steps', write: 'delete', nth: 1 }],
  ['deleting void tracks', TRACKS, { table: 'toy_tracks', write: 'delete', nth: 1 }],
  ['the recovered event', TRACKS, { table: 'parts', write: 'merge', nth: 2 }],
];

describe('SIGKILL after each write', () => {
  it.each(TAKING)('%s', async (_name, at) => {
    const store = temporaryStore();
    const plan = { store, part: whole, episodes: EPISODES };
    const events = await runChild({ ...plan, at });
    expect(events.at(-1)).toEqual({ event: 'signal' });
    expect((await runChild(plan)).at(-1)).toMatchObject({ event: 'closed' });
    await expectWhole(store);
  });

  it.each(RECOVERY)('of a recovery: %s', async (_name, first, at) => {
    const store = temporaryStore();
    const plan = { store, part: whole, episodes: EPISODES };
    await runChild({ ...plan, at: first });
    const events = await runChild({ ...plan, at });
    expect(events.at(-1)).toEqual({ event: 'signal' });
    expect((await runChild(plan)).at(-1)).toMatchObject({ event: 'closed' });
    await expectWhole(store);
  });
});
