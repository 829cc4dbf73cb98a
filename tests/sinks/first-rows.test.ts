/** Both ways of learning row ids against each other, on a table that others write to. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stepSchema } from '../../schemas/row.ts';
import { stepTable } from '../../sinks/arrow-rows.ts';
import { firstRowsAtEnd, firstRowsByScan } from '../../sinks/first-rows.ts';
import { connectStore, type LanceTable, openOrCreate, type Store } from '../../sinks/store.ts';
import { temporaryStore } from './open.ts';
import { syntheticEpisode, syntheticShape } from './synthetic.ts';

const shape = syntheticShape();
const episodesOf = (indices: readonly number[], steps: number) =>
  indices.map((index) => {
    const { ledger, rows } = syntheticEpisode(index, { steps, imageBytes: 20 }, shape);
    return { episode: ledger.episode, episodeKey: ledger.episodeKey, rows: rows! };
  });

let store: Store;
let steps: LanceTable;
beforeAll(async () => {
  store = await connectStore(temporaryStore());
  steps = await openOrCreate(store, 'toy_steps', stepSchema(shape));
});
afterAll(() => store.connection.close());

describe('first rows', () => {
  it('are the same by both ways, after others added and deleted', async () => {
    const rival = await openOrCreate(store, 'toy_steps', stepSchema(shape));
    await rival.add(stepTable(shape, 1n, episodesOf([0, 1, 2], 5)));
    await rival.delete('`group` = 1 AND step = 3');
    const mine = episodesOf([3, 4, 5], 4);
    await steps.checkoutLatest();
    await steps.add(stepTable(shape, 2n, mine));
    await rival.add(stepTable(shape, 3n, episodesOf([7, 8], 3)));
    const found = await firstRowsAtEnd(steps, 2n, mine);
    expect(found).toEqual(new Map(mine.map(({ episode }, index) => [episode, BigInt(15 + 4 * index)])));
    expect(await firstRowsByScan(steps, 2n, mine)).toEqual(found);
  });

  it('of a single step', async () => {
    const one = episodesOf([9], 1);
    await steps.add(stepTable(shape, 4n, one));
    const found = await firstRowsAtEnd(steps, 4n, one);
    expect(found?.size).toBe(1);
    expect(await firstRowsByScan(steps, 4n, one)).toEqual(found);
  });

  it('are not guessed when the end of the table is not the group, or not whole', async () => {
    await steps.checkoutLatest();
    expect(await firstRowsAtEnd(steps, 5n, episodesOf([9], 1))).toBeNull();
    expect(await firstRowsAtEnd(steps, 4n, episodesOf([12], 1))).toBeNull();
    const missing = episodesOf([0], 5);
    await expect(firstRowsByScan(steps, 1n, missing)).rejects.toMatchObject({ code: 'store' });
  });
});
