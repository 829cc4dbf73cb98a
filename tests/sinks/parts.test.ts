/** Who may write a part. */
import { spawnSync } from 'node:child_process';
import { hostname } from 'node:os';
import { beforeEach, describe, expect, it } from 'vitest';
import { appendEntry, type LogEntry } from '../../sinks/part-log.ts';
import { isAlive, ownProcess, SILENCE_LIMIT } from '../../sinks/process.ts';
import { readParts, readRuns } from '../../sinks/read.ts';
import { closeTables, openTables } from '../../sinks/tables.ts';
import { audit, label, openToy, temporaryStore } from './open.ts';
import { syntheticEpisode, syntheticShape } from './synthetic.ts';

const shape = syntheticShape();
const outcome = (index: number) => syntheticEpisode(index, { steps: 4, imageBytes: 50 }, shape);
const end = (state: 'done' | 'interrupted' = 'done') => ({ state, summary: { episodes: 1 } });

/** A process id that is surely free: that of a process which has ended. */
const deadPid = spawnSync('true').pid;

/** As if a process had taken part `part`of`of` and then not been heard of. */
async function foreignOwner(store: string, mark: Partial<LogEntry>): Promise<void> {
  const tables = await openTables(store, shape);
  const entry: LogEntry = {
    ...ownProcess(),
    dataset: 'toy',
    part: 0,
    of: 1,
    seq: 1,
    event: 'own',
    run: 'r000900',
    group: 0n,
    timeMs: Date.now(),
    state: '',
    ...mark,
  };
  expect(await appendEntry(tables.parts, entry, new Uint8Array(0))).toBe(true);
  closeTables(tables);
}

let store: string;
beforeEach(() => {
  store = temporaryStore();
});

describe('a part that has an owner', () => {
  it('is refused while the owner lives, naming host, process, age and remedy', async () => {
    const sink = await openToy(store);
    const refusal = openToy(store);
    await expect(refusal).rejects.toMatchObject({ code: 'part-owned' });
    await expect(refusal).rejects.toThrow(
      new RegExp(`process ${process.pid} on ${hostname()}.* \\d+ s old.*--take-over`),
    );
    await sink.close(end());
    await (await openToy(store)).close(end());
  });

  it('is taken from a dead process', async () => {
    await foreignOwner(store, { pid: deadPid, processStart: '1' });
    await (await openToy(store)).close(end());
  });

  it('is taken from a process whose id now belongs to another', async () => {
    await foreignOwner(store, { processStart: '1' });
    await (await openToy(store)).close(end());
  });

  it('on another host is refused until it has been silent for ten minutes', async () => {
    await foreignOwner(store, { host: 'elsewhere', timeMs: Date.now() - SILENCE_LIMIT + 60_000 });
    await expect(openToy(store)).rejects.toMatchObject({ code: 'part-owned' });
    const other = temporaryStore();
    await foreignOwner(other, { host: 'elsewhere', timeMs: Date.now() - SILENCE_LIMIT - 1 });
    await (await openToy(other)).close(end());
  });

  it('is taken over on demand; the former owner can not commit any more', async () => {
    const former = await openToy(store);
    await former.add(outcome(0));
    const heir = await openToy(store, { takeOver: true });
    await expect(former.commit()).rejects.toMatchObject({ code: 'part-owned' });
    await expect(former.add(outcome(1))).rejects.toMatchObject({ code: 'store' });
    await former.close(end());
    expect(await audit(store)).toMatchObject({ voidSteps: 0, voidTracks: 0, wrong: [] });
    await heir.add(outcome(0));
    await heir.close(end());
    expect((await audit(store)).latest.size).toBe(1);
  });
});

describe('another number of parts', () => {
  it.each([
    ['live', null],
    ['interrupted', 'interrupted'],
  ] as const)('is refused while one is %s', async (_name, state) => {
    const sink = await openToy(store, { part: { index: 0, of: 2 } });
    if (state) await sink.close(end(state));
    await expect(openToy(store)).rejects.toMatchObject({ code: 'part-count' });
    await expect(openToy(store)).rejects.toThrow(/--shard i\/2.*--take-over/);
    await (await openToy(store, { part: { index: 1, of: 2 } })).close(end());
  });

  it('is refused while the part of a dead process is not recovered, and taken over on demand with its rows', async () => {
    const killed = await openToy(store, { part: { index: 0, of: 2 } });
    await killed.add(outcome(0));
    await killed.commit();
    await expect(openToy(store)).rejects.toMatchObject({ code: 'part-count' });
    const sink = await openToy(store, { takeOver: true });
    expect(sink.recorded.size).toBe(1);
    expect((await readParts(store, 'toy')).map(({ part, of, status }) => ({ part, of, status }))).toEqual([
      { part: 0, of: 1, status: 'live' },
      { part: 0, of: 2, status: 'superseded' },
    ]);
    await sink.add(outcome(1));
    await sink.close(end());
    await expect(killed.add(outcome(2)).then(() => killed.commit())).rejects.toMatchObject({ code: 'part-owned' });
    expect(await audit(store)).toMatchObject({ voidSteps: 0, wrong: [], twice: 0 });
  });

  it('is free once all are done', async () => {
    for (const index of [0, 1]) await (await openToy(store, { part: { index, of: 2 } })).close(end());
    await (await openToy(store)).close(end());
  });

  it('may be open for another dataset', async () => {
    const sink = await openToy(store, { part: { index: 0, of: 2 } });
    const other = await openToy(store, { shape: syntheticShape('toy2') });
    await other.close(end());
    await sink.close(end());
  });
});

describe('runs', () => {
  it('have numbers of their own and carry lineage and summary', async () => {
    const sinks = await Promise.all([0, 1, 2, 3].map((index) => openToy(store, { part: { index, of: 4 } })));
    await Promise.all(sinks.map((sink) => sink.close({ state: 'done', summary: { kept: 1 } })));
    const runs = await readRuns(store);
    expect(runs.map((run) => run.number)).toEqual([1, 2, 3, 4]);
    expect(runs[0]).toMatchObject({ ...label, dataset: 'toy', of: 4, state: 'done', summary: { kept: 1 } });
  });
});

it('a process is alive by id and start time', () => {
  const own = ownProcess();
  expect(isAlive(own, 1e12)).toBe(true);
  expect(isAlive({ ...own, processStart: '1' }, 0)).toBe(false);
  expect(isAlive({ ...own, pid: deadPid }, 0)).toBe(false);
});
