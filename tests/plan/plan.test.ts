/** `prep plan` on small stores: eligibility against the rows themselves, refusals, the report against the draws. */
import { beforeAll, describe, expect, it } from 'vitest';
import { openPlanRows } from '../../pipelines/mixed/plan-rows.ts';
import { compatible } from '../../pipelines/plan/compatible.ts';
import { mixtureOf } from '../../schemas/mixture.ts';
import { openPlanning } from '../../sinks/planning.ts';
import { openDataset } from '../../sinks/read.ts';
import { connectStore } from '../../sinks/store.ts';
import { prep, prepJson } from '../cli/run.ts';
import { stored } from '../e2e/demo-set.ts';
import { mixedStore, PAPER, plan } from './plan-store.ts';

let store: string;
beforeAll(async () => {
  store = await mixedStore();
}, 300_000);

describe('a plan', () => {
  it('draws what it reports, only valid steps, and is the same when asked again', async () => {
    const { code, value } = await plan(store, PAPER, '--steps', '24', '--batch', '32', '--seed', '5');
    expect([code, value.made, value.draws]).toEqual([0, true, 768]);
    const again = await plan(store, PAPER, '--draws', '768', '--seed', '5');
    expect(again.value).toMatchObject({ plan: value.plan, made: false });
    expect((await plan(store, PAPER, '--draws', '768', '--seed', '6')).value.plan).not.toBe(value.plan);
    const open = await connectStore(store);
    const rows = await openPlanRows(open, value.plan);
    const perEpisode = new Map<string, number>();
    const counts = new Map<string, number>();
    const steps = new Map<string, Set<string>>();
    for (let draw = 0; draw < 768; draw++) {
      const { dataset, episodeKey, step } = rows.place(draw);
      counts.set(dataset, (counts.get(dataset) ?? 0) + 1);
      perEpisode.set(`${dataset}/${episodeKey}`, (perEpisode.get(`${dataset}/${episodeKey}`) ?? 0) + 1);
      steps.set(dataset, (steps.get(dataset) ?? new Set()).add(`${episodeKey}/${step}`));
    }
    rows.close();
    open.connection.close();
    for (const entry of value.report.entries) {
      expect(entry.draws).toBe(counts.get(entry.dataset));
      expect(entry.distinctSteps).toBe(steps.get(entry.dataset)!.size);
      const most = Math.max(
        ...[...perEpisode].filter(([key]) => key.startsWith(`${entry.dataset}/`)).map(([, n]) => n),
      );
      expect(entry.mostDrawsOfOneEpisode).toBe(most);
      expect(entry.largestDeviation).toBeLessThan(1);
    }
    // The ledger's arithmetic against the rows: eligible is what has a valid chunk step and did not fail.
    for (const { dataset, eligibleSteps } of value.report.entries) {
      const found = await stored(store, dataset);
      let valid = 0;
      for (const [id, one] of found.rows)
        if (found.ledger.get(id)!.entry.success !== false) valid += one.actionValid.filter((n) => n >= 1).length;
      expect(eligibleSteps).toBe(valid);
    }
    expect(value.changes).toEqual(expect.arrayContaining(['droid: tool native becomes canonical']));
  });

  it('leaves out flagged steps, and says which rule took how many', async () => {
    const reader = await openDataset(store, 'droid');
    const ledger = await reader.ledger();
    reader.close();
    const idle = ledger.flatMap(({ entry }) =>
      entry.state === 'kept' && entry.success !== false ? entry.flagRuns.filter((run) => run.flag === 'idle') : [],
    );
    const mixture = { entries: [{ dataset: 'droid', weight: 1, filter: { without_flags: 'idle', min_valid: 0 } }] };
    const { value } = await plan(store, mixture, '--draws', '16');
    const [entry] = value.report.entries;
    expect(entry!.removed['without_flags idle'] ?? 0).toBe(idle.reduce((sum, { start, end }) => sum + end - start, 0));
    expect(entry!.removed['success not-failure']).toBeGreaterThan(0);
  });

  it('takes the same half of the episodes whatever the seed', async () => {
    const half = (salt: number, seed: string) =>
      plan(
        store,
        { entries: [{ dataset: 'droid', weight: 1, filter: { success: 'any', fraction: { share: 0.5, salt } } }] },
        '--draws',
        '16',
        '--seed',
        seed,
      );
    const taken = [];
    for (const salt of [0, 1, 2, 3, 4, 5]) {
      const [one, two] = [await half(salt, '1'), await half(salt, '2')];
      expect(one.value.report?.entries[0]?.eligibleEpisodes).toBe(two.value.report?.entries[0]?.eligibleEpisodes);
      taken.push(one.value.report?.entries[0]?.eligibleEpisodes ?? 0);
    }
    expect(new Set(taken).size).toBeGreaterThan(1);
  });

  it('is listed, shown and dropped', async () => {
    const { value } = await plan(store, PAPER, '--draws', '32', '--seed', '99');
    expect((await prep('plan', 'list', store)).stdout).toContain(value.plan);
    const listed = await prepJson<{ plan: string; draws: number }[]>('plan', 'list', store);
    expect(listed.value).toContainEqual(expect.objectContaining({ plan: value.plan, draws: 32 }));
    expect((await prep('plan', 'show', store, value.plan)).stdout).toMatch(/segment 0: draws 0 to 31/);
    expect((await prep('plan', 'drop', store, value.plan)).code).toBe(0);
    expect((await prep('plan', 'show', store, value.plan)).stderr).toMatch(/unknown-plan .*no such plan/);
  });
});

describe('is refused', () => {
  it.each([
    [{ entries: [] }, /bad-mixture .*entries/],
    [{ entries: [{ dataset: 'droid', weight: 0.5 }] }, /bad-mixture .*entries\.0\.weight/],
    [{ entries: [{ dataset: 'droid', weight: 1, filter: { sucess: 'any' } }] }, /bad-mixture .*sucess/],
    [{ entries: [{ dataset: 'droid', weight: 1, filter: { episode: '(' } }] }, /bad-mixture .*regular expression/],
    [{ entries: [{ dataset: 'droyd', weight: 1 }] }, /unknown-dataset .*droyd/],
    [{ entries: [{ dataset: 'droid', weight: 1, filter: { robot: 'ur5' } }] }, /nothing-eligible .*taken by robot/],
    [
      {
        entries: [
          { dataset: 'droid', weight: 1 },
          { dataset: 'agibot', weight: 1 },
        ],
      },
      /unlike-datasets .*origin of the end effector.*"tool": "canonical"/,
    ],
  ])('%j', async (mixture, message) => {
    const { code, value } = await plan(store, mixture, '--draws', '16');
    expect(code).toBe(value.error?.code === 'unknown-dataset' ? 2 : 1);
    expect(value.message).toMatch(message);
  });

  it('a reference that a dataset has no camera for', async () => {
    const open = await connectStore(store);
    const reader = (await openPlanning(open, 'maniskill'))!;
    const { third } = reader.metadata.roles;
    const mixture = mixtureOf({
      tool: 'canonical',
      reference: 'wrist',
      entries: [{ dataset: 'maniskill', weight: 1 }],
    });
    expect(compatible([['maniskill', reader.metadata]], mixture).harmony.reference).toBe('wrist');
    expect(() => compatible([['maniskill', { ...reader.metadata, roles: { third: third! } }]], mixture)).toThrow(
      /unlike-datasets .*maniskill: no wrist camera.*would be masked/,
    );
    reader.close();
    open.connection.close();
  });

  it('unlike chunks, and axes', async () => {
    const other = await prep(
      'ingest',
      'maniskill',
      '--root',
      new URL('../../fixtures/datasets/maniskill', import.meta.url).pathname,
      '--store',
      store,
      '--as',
      'short',
      '--steps',
      '16',
    );
    const based = await prep(
      'ingest',
      'maniskill',
      '--root',
      new URL('../../fixtures/datasets/maniskill', import.meta.url).pathname,
      '--store',
      store,
      '--as',
      'based',
      '--reference',
      'base',
    );
    expect([other.code, based.code]).toEqual([0, 0]);
    const of = (...names: string[]) => ({
      tool: 'canonical',
      entries: names.map((dataset) => ({ dataset, weight: 1 })),
    });
    expect((await plan(store, of('maniskill', 'short'), '--draws', '16')).value.message).toMatch(
      /unlike-datasets .*chunk.*maniskill.*short.*prep relabel/,
    );
    expect((await plan(store, of('maniskill', 'based'), '--draws', '16')).value.message).toMatch(
      /unlike-datasets .*axes of actions.*based.*maniskill/,
    );
  });

  it('lengths that cut a slot', async () => {
    const { code, value } = await plan(store, PAPER, '--draws', '17');
    expect([code, value.error?.code]).toEqual([2, 'bad-option']);
    expect(
      (await prepJson<{ message: string }>('plan', store, '--mixture', '/nowhere.json', '--draws', '16')).value.message,
    ).toMatch(/bad-mixture .*readable file/);
  });
});
