import { describe, expect, it } from 'vitest';
import { overBudget } from '../../pipelines/budget.ts';
import { mapConcurrent } from '../../pipelines/stream.ts';

const soon = (turns: number): Promise<void> =>
  turns === 0 ? Promise.resolve() : Promise.resolve().then(() => soon(turns - 1));

interface Seen {
  pulled: number;
  closed: boolean;
}
async function* counting(seen: Seen, count: number, failAt = -1): AsyncGenerator<number> {
  try {
    for (let i = 0; i < count; i++) {
      if (i === failAt) throw new Error(`source ${i}`);
      seen.pulled++;
      yield i;
    }
  } finally {
    seen.closed = true;
  }
}
const fresh = (): Seen => ({ pulled: 0, closed: false });

/** All results up to the error, and the error's message. */
async function collect(results: AsyncIterable<number>): Promise<[number[], string]> {
  const out: number[] = [];
  try {
    for await (const one of results) out.push(one);
  } catch (error) {
    return [out, (error as Error).message];
  }
  return [out, ''];
}

describe('mapConcurrent', () => {
  it('keeps the order although later work ends first', async () => {
    const work = async (i: number) => {
      await soon(20 - i);
      return 10 * i;
    };
    const [found] = await collect(mapConcurrent(counting(fresh(), 9), 4, work));
    expect(found).toEqual([0, 10, 20, 30, 40, 50, 60, 70, 80]);
  });
  it.each([1, 3, 8])('never has more than %i at work, and does have as many', async (limit) => {
    let [now, most] = [0, 0];
    const work = async (i: number) => {
      most = Math.max(most, ++now);
      // Longer than it takes to pull as many as may be at work.
      await soon(100);
      now--;
      return i;
    };
    await collect(mapConcurrent(counting(fresh(), 30), limit, work));
    expect(most).toBe(limit);
  });
  it('a slow consumer stops the pulling', async () => {
    const seen = fresh();
    const results = mapConcurrent(counting(seen, 100), 4, async (i) => i);
    await results.next();
    await soon(50);
    expect(seen.pulled).toBe(4);
    await results.next();
    await soon(50);
    expect(seen.pulled).toBe(5);
    await results.return(undefined);
  });
  it('an error of the work comes after the results before it, and closes the source', async () => {
    const seen = fresh();
    const work = async (i: number) => {
      await soon(i === 3 ? 1 : 10);
      if (i === 3) throw new Error('work 3');
      return i;
    };
    expect(await collect(mapConcurrent(counting(seen, 100), 4, work))).toEqual([[0, 1, 2], 'work 3']);
    expect(seen.closed).toBe(true);
    expect(seen.pulled).toBeLessThan(9);
  });
  it('an error of the source comes after the results of what it gave before', async () => {
    const seen = fresh();
    const work = async (i: number) => {
      await soon(10);
      return i;
    };
    expect(await collect(mapConcurrent(counting(seen, 9, 3), 8, work))).toEqual([[0, 1, 2], 'source 3']);
    expect(seen.closed).toBe(true);
  });
  it('leaving early closes the source after the work under way', async () => {
    const seen = fresh();
    let done = 0;
    const work = async (i: number) => {
      await soon(10);
      done++;
      return i;
    };
    for await (const one of mapConcurrent(counting(seen, 100), 4, work)) if (one === 1) break;
    expect(seen).toEqual({ pulled: 5, closed: true });
    expect(done).toBe(5);
  });
  it('two errors at once leave no unhandled rejection', async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown): void => void unhandled.push(reason);
    process.on('unhandledRejection', note);
    const fail = async (i: number) => {
      // The others have failed long before it is their turn.
      if (i === 0) await new Promise((resolve) => setTimeout(resolve, 20));
      throw new Error(`work ${i}`);
    };
    expect(await collect(mapConcurrent(counting(fresh(), 9), 4, fail))).toEqual([[], 'work 0']);
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', note);
    expect(unhandled).toEqual([]);
  });
  it('an empty source gives nothing', async () => {
    expect(await collect(mapConcurrent(counting(fresh(), 0), 4, async (i) => i))).toEqual([[], '']);
  });
});

describe('the failure budget of 5 %', () => {
  const seen = (total: number, quarantined: number, rejected = 0) => ({
    kept: total - quarantined - rejected,
    rejected,
    quarantined,
  });
  it.each([
    // total, quarantined, while running, at the end
    [1, 1, false, false],
    [2, 2, false, false],
    [3, 3, false, true],
    [19, 2, false, false],
    [19, 3, false, true],
    [20, 1, false, false],
    [20, 2, true, true],
    [40, 2, false, false],
    [40, 3, true, true],
    [100, 5, false, false],
    [100, 6, true, true],
  ])('of %i episodes %i quarantined: running %s, ended %s', (total, quarantined, running, ended) => {
    expect(overBudget(seen(total, quarantined), 0.05, 'running')).toBe(running);
    expect(overBudget(seen(total, quarantined), 0.05, 'ended')).toBe(ended);
  });
  it('rejected episodes are sound: they count as seen, not as failures', () => {
    expect(overBudget(seen(40, 2, 38), 0.05, 'ended')).toBe(false);
    expect(overBudget(seen(40, 0, 40), 0.05, 'ended')).toBe(false);
  });
  it('a budget of 0 stops at the first, a budget of 1 never', () => {
    expect(overBudget(seen(30, 1), 0, 'running')).toBe(true);
    expect(overBudget(seen(30, 30), 1, 'ended')).toBe(false);
  });
});
