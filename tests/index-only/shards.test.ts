/** Shards made by two passes over the source are those of a store that was ingested whole, byte for byte. */
import { describe, expect, it } from 'vitest';
import { openPlanReader } from '../../pipelines/mixed/reader.ts';
import type { DatasetStatus } from '../../pipelines/status.ts';
import { prep, prepJson } from '../cli/run.ts';
import { freshFolder, stored } from '../e2e/demo-set.ts';
import { AGIBOT, DROID, ingest, ingestWords, M1, planOver, ROBOMIMIC, shardsOf, type TestSet } from './sets.ts';

const statusOf = async (store: string): Promise<DatasetStatus[]> =>
  (await prepJson<{ datasets: DatasetStatus[] }>('status', store)).value.datasets;

describe.each([DROID, M1, AGIBOT, ROBOMIMIC])('$dataset', (set: TestSet) => {
  it('index, plan, drawn rows, shards', { timeout: 300_000 }, async () => {
    const [whole, two] = [freshFolder(), freshFolder()];
    await ingest(set, whole);
    await ingest(set, two, '--index-only');
    const kept = (await statusOf(whole))[0]!.states.kept;
    expect(kept).toBeGreaterThan(0);
    expect((await statusOf(two))[0]).toMatchObject({ rows: 0, indexOnly: kept, partial: 0 });

    // The plan is drawn from the index alone, and is the same.
    const { plan, reading } = await planOver([set], two);
    const other = await planOver([set], whole);
    expect(other).toMatchObject({ plan, reading: [] });
    expect(reading).toMatchObject([{ dataset: set.dataset, exact: set === DROID, unknown: 0 }]);

    await ingest(set, two, '--plan', plan);
    expect(await shardsOf(two, plan)).toEqual(await shardsOf(whole, plan));
    // Only drawn rows were made.
    const status = (await statusOf(two))[0]!;
    expect(status.rows).toBe(reading[0]!.steps);
    expect(status.rows).toBeLessThan((await statusOf(whole))[0]!.rows);
  });
});

it('two datasets, a reader at random, and what is missing', { timeout: 300_000 }, async () => {
  const [whole, two] = [freshFolder(), freshFolder()];
  for (const set of [DROID, M1]) {
    await ingest(set, whole);
    await ingest(set, two, '--index-only');
  }
  const { plan, reading } = await planOver([DROID, M1], two);
  await planOver([DROID, M1], whole);
  expect(reading.map(({ dataset }) => dataset)).toEqual(['droid', 'interndata_m1']);
  await ingest(DROID, two, '--plan', plan);
  // Half of it is not enough, and says what is.
  const { code, stderr } = await prep('shard', two, '--plan', plan);
  expect(code).toBe(1);
  expect(stderr).toMatch(/needs-pixels .*interndata_m1.*`prep ingest --plan ID`/);
  await ingest(M1, two, '--plan', plan);
  const batches = async (store: string) => {
    const reader = await openPlanReader({ store, plan, batch: 8, from: 'plan' });
    const found: object[] = [];
    for await (const { step, rows } of reader.batches()) found.push({ step, rows: { ...rows, group: 0 } });
    reader.close();
    return found;
  };
  expect(await batches(two)).toEqual(await batches(whole));
});

it('a second plan adds what it lacks, and a full ingest the rest', { timeout: 300_000 }, async () => {
  const [whole, two] = [freshFolder(), freshFolder()];
  await ingest(DROID, whole);
  await ingest(DROID, two, '--index-only');
  const first = await planOver([DROID], two);
  await ingest(DROID, two, '--plan', first.plan);
  const second = await planOver([DROID], two, '--draws', '32', '--seed', '6');
  expect(second.reading[0]!.steps).toBeGreaterThan(0);
  await ingest(DROID, two, '--plan', second.plan);
  expect((await statusOf(two))[0]!.rows).toBe(first.reading[0]!.steps + second.reading[0]!.steps);
  expect((await planOver([DROID], two, '--draws', '32', '--seed', '6')).reading).toEqual([]);
  for (const [plan, words] of [
    [first.plan, []],
    [second.plan, ['--draws', '32', '--seed', '6']],
  ] as const) {
    await planOver([DROID], whole, ...words);
    expect(await shardsOf(two, plan)).toEqual(await shardsOf(whole, plan));
  }
  await ingest(DROID, two);
  const [all, made] = [await stored(whole), await stored(two)];
  expect(made.rows).toEqual(all.rows);
});

it('a relabel keeps which steps there are', { timeout: 300_000 }, async () => {
  const [whole, two] = [freshFolder(), freshFolder()];
  await ingest(M1, whole);
  await ingest(M1, two, '--index-only');
  const { plan } = await planOver([M1], two, '--draws', '16');
  await ingest(M1, two, '--plan', plan);
  for (const store of [whole, two]) expect((await prep('relabel', store, '--steps', '8')).stderr).toBe('');
  const relabelled = await planOver([M1], two, '--draws', '16');
  expect(relabelled.reading).toEqual([]);
  await planOver([M1], whole, '--draws', '16');
  expect(await shardsOf(two, relabelled.plan)).toEqual(await shardsOf(whole, relabelled.plan));
});

it('refuses what makes no sense', async () => {
  const store = freshFolder();
  await ingest(M1, store, '--index-only');
  const both = await prep(...ingestWords(M1, store, '--plan', 'x', '--index-only'));
  expect(both).toMatchObject({ code: 2, stderr: expect.stringMatching(/bad-option .*--plan.*no --index-only/) });
  const none = await prep(...ingestWords(M1, store, '--plan', 'abc'));
  expect(none).toMatchObject({ code: 1, stderr: expect.stringMatching(/unknown-plan/) });
  const { plan } = await planOver([M1], store);
  const foreign = await prep(...ingestWords(DROID, store, '--plan', plan));
  expect(foreign).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/bad-option .*--plan.*draws from \(interndata_m1\)/),
  });
});
