/** The second pass reads what the plan printed, and no byte twice. */
import { describe, expect, it } from 'vitest';
import { requestOf } from '../../cli/ingest.ts';
import { runIngest } from '../../pipelines/ingest.ts';
import { openIngest } from '../../pipelines/ingest-plan.ts';
import { openStoreSink } from '../../pipelines/store-sink.ts';
import type { IngestSummary } from '../../schemas/report.ts';
import { freshFolder, KARLP } from '../e2e/demo-set.ts';
import { openCounter, sums } from './counter.ts';
import { AGIBOT, DROID, ingest, M1, planOver, ROBOMIMIC, type TestSet } from './sets.ts';

async function counted({ dataset, root }: TestSet, store: string, plan: string) {
  const counter = openCounter();
  const words = dataset === 'droid' ? { calibration: KARLP, third2: 'other' } : {};
  const request = requestOf(dataset, { root, store, plan, workers: '1', ...words });
  const open = await openIngest({ ...request, source: { ...request.source, through: counter.through } });
  const sink = await openStoreSink(open);
  const signal = new AbortController().signal;
  const summary: IngestSummary = await runIngest(open, sink, { signal, progress: () => undefined });
  await open.container.close();
  open.table.sideFiles?.close();
  return { summary, counter };
}

/** Metadata of a set are read at every start; what the plan prints is on top of them. */
const counts = (path: string): boolean => !path.startsWith('meta/');

describe.each([DROID, M1, AGIBOT, ROBOMIMIC])('$dataset', (set) => {
  it('reads as printed', { timeout: 300_000 }, async () => {
    const store = freshFolder();
    await ingest(set, store, '--index-only');
    const { plan, reading } = await planOver([set], store);
    const { summary, counter } = await counted(set, store, plan);
    expect(summary).toMatchObject({ state: 'done', rows: reading[0]!.steps, damagedShards: [] });
    const { total, again } = sums(counter, counts);
    expect(again).toBe(0);
    if (set === DROID) expect(total).toBe(reading[0]!.bytes);
    else expect(total).toBeLessThanOrEqual(reading[0]!.bytes);
    expect(total).toBeGreaterThan(0);
    // Nothing is left, so nothing is read.
    const second = await counted(set, store, plan);
    expect(second.summary).toMatchObject({ state: 'nothing-to-do', rows: 0 });
    expect(sums(second.counter, counts).total).toBe(0);
  });
});
