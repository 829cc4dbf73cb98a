/** A new set is measured by what the graphs will store, on real frames, before it exists. */
import { beforeAll, expect, it } from 'vitest';
import { firstDraws } from '../../pipelines/features/first-draws.ts';
import { type Graphs, openGraphs } from '../../pipelines/features/graphs.ts';
import { readModel } from '../../pipelines/features/model.ts';
import { storedPictures } from '../../pipelines/features/pictures.ts';
import { firstSet } from '../../pipelines/features/sample.ts';
import { openPlanRows } from '../../pipelines/mixed/plan-rows.ts';
import { readSets } from '../../sinks/features.ts';
import { failure } from '../formats/memory-file.ts';
import { CPU, demoStore, MODEL, planOf, withStore } from './tiny.ts';

let store: string;
let plan: string;
beforeAll(async () => {
  store = await demoStore();
  plan = await planOf(store, 64);
});

/** Begins a set with graphs whose coded results were meddled with. */
const begun = (codec: 'int8' | 'f16', meddle: (graphs: Graphs) => Graphs, sample = 8) =>
  withStore(store, async (opened) => {
    const rows = await openPlanRows(opened, plan);
    const [source, graphs] = [storedPictures(rows, 1), openGraphs(readModel(MODEL), CPU)];
    const wish = {
      model: readModel(MODEL),
      codec,
      images: 'stored',
      name: `set-${codec}`,
      partDraws: undefined,
    } as const;
    const signal = new AbortController().signal;
    const sampling = {
      rows,
      first: await firstDraws(opened, rows),
      source,
      graphs: meddle(graphs),
      sample,
      batch: 3,
      signal,
    };
    try {
      return await firstSet(opened, wish, sampling);
    } finally {
      await Promise.all([source.close(), graphs.close()]);
      rows.close();
    }
  });

const coded = (graphs: Graphs, change: (views: Awaited<ReturnType<Graphs['run']>>['views']) => object): Graphs => ({
  ...graphs,
  async run(job) {
    const result = await graphs.run(job);
    return job.codec ? { ...result, views: change(result.views) } : result;
  },
});

it('registers what it measured on as many frames as it was asked for', async () => {
  const set = await begun('f16', (graphs) => graphs);
  expect(set!.gate).toMatchObject({ frames: 8, taps: [{ tap: 0 }, ...new Array(8).fill({}), { tap: 25 }] });
});

it.each<[string, (graphs: Graphs) => Graphs]>([
  ['views exchanged', (graphs) => coded(graphs, ({ third, wrist }) => ({ third: wrist!, wrist: third! }))],
  [
    'a scale lost',
    (graphs) =>
      coded(graphs, ({ third, wrist }) => ({
        third: { ...third!, scale: third!.scale!.slice().fill(0x3c00, 0, 64) },
        wrist,
      })),
  ],
  [
    'outliers in another order',
    (graphs) =>
      coded(graphs, ({ third, wrist }) => ({ third: { ...third!, side: third!.side!.slice().reverse() }, wrist })),
  ],
])('refuses %s in what the graphs code, and registers nothing', async (_, meddle) => {
  expect(await failure(() => begun('int8', meddle))).toMatchObject({ code: 'bad-codec' });
  expect((await withStore(store, readSets)).map(({ name }) => name)).not.toContain('set-int8');
});
