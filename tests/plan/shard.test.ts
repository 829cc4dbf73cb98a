/** Training shards: the plan's rows in the plan's order, the same from any number of processes and after any kill. */
import { beforeAll, describe, expect, it } from 'vitest';
import { openPlanReader, type ReadOptions } from '../../pipelines/mixed/reader.ts';
import type { MixedRows } from '../../schemas/mixed-row.ts';
import { readShards } from '../../sinks/shards.ts';
import { connectStore } from '../../sinks/store.ts';
import { prep, prepJson, startPrep } from '../cli/run.ts';
import { mixedStore, PAPER, plan } from './plan-store.ts';

let store: string;
let id: string;
beforeAll(async () => {
  store = await mixedStore();
  id = (await plan(store, PAPER, '--draws', '384', '--seed', '11')).value.plan;
}, 300_000);

/** Everything of a row but where its group lies, as text. */
function rowTexts(rows: MixedRows): string[] {
  const per = (values: { length: number; subarray(from: number, to: number): ArrayLike<unknown> }, i: number) => {
    const width = values.length / rows.count;
    return Array.from(values.subarray(i * width, (i + 1) * width));
  };
  return Array.from({ length: rows.count }, (_, i) =>
    [
      rows.draw[i],
      rows.dataset[i],
      rows.episode[i],
      rows.step[i],
      rows.seed[i],
      rows.reference[i],
      rows.hz[i],
      rows.time[i],
      rows.robot[i],
      rows.third[i],
      rows.instruction[i],
      rows.instructions[i]!.join('|'),
      per(rows.action, i),
      rows.actionValid[i],
      per(rows.history, i),
      per(rows.proprio, i),
      per(rows.camera, i),
      per(rows.imageHash as unknown as Float32Array, i),
      rows.present[i],
      rows.flags[i],
      ...Object.values(rows.images).map((jpegs) => Buffer.from(jpegs[i]!).toString('base64')),
    ].join(';'),
  );
}

async function readAll(options: Partial<ReadOptions>): Promise<string[]> {
  const reader = await openPlanReader({ store, plan: id, batch: 64, ...options });
  const out: string[] = [];
  for await (const { rows } of reader.batches()) out.push(...rowTexts(rows));
  reader.close();
  return out;
}

describe('shards', () => {
  it('hold the plan in order, whatever was killed on the way', { timeout: 180_000 }, async () => {
    const random = await readAll({ from: 'plan' });
    expect(random).toHaveLength(384);
    const words = ['shard', store, '--plan', id, '--size', '96'];
    for (const wait of [400, 900, 1500]) {
      const killed = startPrep(words);
      await new Promise((wake) => setTimeout(wake, wait));
      killed.process.kill('SIGKILL');
      await killed.ended;
    }
    const parts = await Promise.all(['0/2', '1/2'].map((part) => prepJson(...words, '--shard', part)));
    expect(parts.map(({ code }) => code)).toEqual([0, 0]);
    // However few rows a shard has, one of them is compared.
    const small = (await plan(store, PAPER, '--draws', '64', '--seed', '3')).value.plan;
    const few = await prepJson<{ compared: number }>('shard', store, '--plan', small, '--size', '16');
    expect(few.value.compared).toBeGreaterThanOrEqual(4);
    const last = await prepJson<{ made: number; there: number }>(...words);
    expect(last.value).toMatchObject({ made: 0, there: 4 });
    expect(await readAll({ from: 'shards' })).toEqual(random);
    // Resume, ranks: the same global batches.
    const late = await readAll({ from: 'shards', startStep: 4 });
    expect(late).toEqual(random.slice(256));
    const ranks = await Promise.all(
      [0, 1, 2, 3].map((rank) => readAll({ rank, world: 4, from: rank % 2 ? 'plan' : 'shards' })),
    );
    const woven = random.map((_, i) => ranks[Math.floor((i % 64) / 16)]![Math.floor(i / 64) * 16 + (i % 16)]);
    expect(woven).toEqual(random);
  });

  it('name in the index what is whole, once', async () => {
    const open = await connectStore(store);
    const shards = await readShards(open, id);
    open.connection.close();
    expect(shards.map(({ start, draws }) => [start, draws])).toEqual([
      [0, 96],
      [96, 96],
      [192, 96],
      [288, 96],
    ]);
    expect(new Set(shards.map(({ orderHash }) => orderHash)).size).toBe(4);
  });

  it('are stale after a relabel, and made again when asked', { timeout: 300_000 }, async () => {
    const relabelled = await prep('relabel', store, '--dataset', 'droid', '--rot6d', 'columns');
    expect(relabelled.code).toBe(0);
    const read = await prepJson<{ message: string }>('read', store, '--plan', id, '--batch', '64');
    expect(read.value.message).toMatch(/stale-shard .*made before a relabel.*prep shard --replace/);
    expect((await prep('shard', store, '--plan', id, '--size', '96')).stderr).toMatch(/stale-shard/);
    const again = await prepJson('shard', store, '--plan', id, '--size', '96', '--replace');
    expect(again.value).toMatchObject({ made: 4 });
    expect(await readAll({ from: 'shards' })).toEqual(await readAll({ from: 'plan' }));
  });
});

it('go with their plan, at the next gc', { timeout: 300_000 }, async () => {
  const other = (await plan(store, PAPER, '--draws', '16', '--seed', '12')).value.plan;
  expect((await prep('shard', store, '--plan', other, '--size', '16')).code).toBe(0);
  const dry = await prepJson<{ shards: string[] }>('gc', store, '--dry-run');
  expect(dry.value.shards).toEqual([]);
  expect((await prep('plan', 'drop', store, other)).code).toBe(0);
  const open = await connectStore(store);
  expect(await readShards(open, other)).toEqual([]);
  open.connection.close();
  const swept = await prepJson<{ shards: string[] }>('gc', store);
  expect(swept.value.shards.length).toBe(2);
  expect(swept.value.shards.every((name) => name.startsWith(`shards_${other}`))).toBe(true);
  expect((await prepJson<{ shards: string[] }>('gc', store)).value.shards).toEqual([]);
});

describe('wrong use', () => {
  it.each([
    [['--plan', 'nowhere'], /unknown-plan .*no such plan/],
    [['--plan', 'ID', '--batch', '64', '--world', '3'], /bad-option .*world.*divisor/],
    [['--plan', 'ID', '--batch', '64', '--world', '2', '--rank', '2'], /bad-option .*rank/],
    [['--plan', 'ID', '--batch', '64', '--start', '7'], /bad-option .*startStep.*0 to 6/],
  ])('%j', async (words, message) => {
    const { stderr } = await prep('read', store, ...words.map((word) => (word === 'ID' ? id : word)));
    expect(stderr).toMatch(message);
  });
});
