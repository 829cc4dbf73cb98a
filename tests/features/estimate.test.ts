/** Counted frames against a plain list of all draws; what the command prints. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { viewsOf } from '../../pipelines/features/count-frames.ts';
import { type EstimateRequest, estimateFeatures } from '../../pipelines/features/estimate.ts';
import { fingerprintOf } from '../../pipelines/features/model.ts';
import { openPlanRows } from '../../pipelines/mixed/plan-rows.ts';
import type { Role } from '../../schemas/episode.ts';
import { type ModelDocument, modelSchema } from '../../schemas/features.ts';
import { presentBit } from '../../schemas/row.ts';
import { connectStore } from '../../sinks/store.ts';
import { GPUS, PRESETS, SIZES } from '../../transforms/features/assumptions.ts';
import { prep, prepJson } from '../cli/run.ts';
import { freshFolder, ingestDemo } from '../e2e/demo-set.ts';
import { mixedStore, plan } from '../plan/plan-store.ts';

const H100 = { rate: 400e12, gpu: 3, disk: 0.023, months: 1 };

describe('the views of an episode', () => {
  const roles = { third: ['a', 'b'], third2: ['a', 'b'], wrist: ['w'] };
  const robots = { one: { roles: ['third', 'third2', 'wrist'] }, blind: { roles: ['third'] } } as never;
  const of = (robot: string, ...cameras: string[]) =>
    viewsOf({ robot, calibration: Object.fromEntries(cameras.map((name) => [name, {} as never])) }, { roles, robots }, [
      'wrist',
      'third',
      'third2',
    ]);
  it.each<[string, string[], Role[]]>([
    ['one', ['a', 'b', 'w'], ['wrist', 'third', 'third2']],
    ['one', ['b', 'w'], ['wrist', 'third']],
    ['one', [], []],
    ['blind', ['a', 'b', 'w'], ['third']],
  ])('of robot %s with cameras %j are %j', (robot, cameras, views) => expect(of(robot, ...cameras)).toEqual(views));
});

const request = (store: string, of: EstimateRequest['of'], model: EstimateRequest['model']): EstimateRequest => ({
  ...{ store, of, model, prices: H100, passes: null },
  trainer: { gpus: 8, batch: 256, stepsPerSecond: 10 },
});
const STAGE1 = { size: '2b', preset: 'apt-stage1' } as const;

describe('frames of a plan over four datasets', () => {
  let store: string;
  let id: string;
  beforeAll(async () => {
    store = await mixedStore();
    // Two entries of one dataset draw the same steps.
    const entries = [
      { dataset: 'droid', weight: 3, name: 'all', filter: { success: 'any' } },
      { dataset: 'droid', weight: 2, name: 'again', filter: { success: 'success' } },
      { dataset: 'agibot', weight: 1 },
      { dataset: 'maniskill', weight: 1 },
      { dataset: 'interndata_m1', weight: 1 },
    ];
    const { code, value } = await plan(store, { preset: 'apt-stage2', entries }, '--draws', '80', '--seed', '3');
    expect(code, JSON.stringify(value)).toBe(0);
    id = value.plan;
  }, 180_000);

  it('are those of a plain list of its draws, and their views those of the rows', async () => {
    const opened = await connectStore(store);
    const rows = await openPlanRows(opened, id);
    const draws = Array.from({ length: rows.draws }, (_, draw) => draw);
    const frames = new Map<string, Set<string>>();
    const placed = draws.map(rows.place);
    const { present } = await rows.rows(draws, false);
    for (const [i, { dataset, episodeKey, step }] of placed.entries()) {
      const views = (['third', 'wrist'] as const).filter((role) => present[i]! & presentBit(role, 'image'));
      const key = `${dataset} ${views.join('+')}`;
      frames.set(key, (frames.get(key) ?? new Set()).add(`${episodeKey}/${step}`));
    }
    rows.close();
    opened.connection.close();
    const made = await estimateFeatures(request(store, { plan: id }, STAGE1));
    const counted = made.datasets.map((one) => [`${one.dataset} ${one.views.join('+')}`, one.frames]);
    expect(Object.fromEntries(counted)).toEqual(Object.fromEntries([...frames].map(([key, set]) => [key, set.size])));
    expect(made.draws).toBe(80);
    expect(made.datasets.reduce((sum, one) => sum + one.draws, 0)).toBeCloseTo(80, 9);
    expect(made.allFrames).toBeLessThan(80);
    const bytes = made.datasets.reduce((sum, one) => sum + one.frames * one.views.length * 10 * 64 * 2048 * 2, 0);
    expect(made.rows.find(({ tier, codec }) => tier === 'taps' && codec === 'f16')?.bytes).toBe(bytes);
  });

  it('what is there already need not be computed again', async () => {
    const ask = request(store, { plan: id }, STAGE1);
    const own = async (there: number) =>
      (await estimateFeatures(ask, { cached: async (name) => ({ frames: name === id ? there : 0, of: 4 }) })).rows.at(
        -1,
      )!;
    const [none, half] = [await own(0), await own(2)];
    expect(half.gpuHours / none.gpuHours).toBeCloseTo(0.5, 9);
    expect(none.breakEven! - half.breakEven!).toBeGreaterThan(0);
    const all = await estimateFeatures(ask, { cached: async () => ({ frames: 4, of: 4 }) });
    expect(all.verdict).toMatch(/^read what is cached/);
  });
});

/** A model folder whose graphs know one view only. */
function modelFolder(signatures: Role[][]): string {
  const folder = join(freshFolder(), 'model');
  mkdirSync(folder);
  const described = {
    ...{ format: 'prep-qwen3vl', version: 1, precision: 'bf16', preset: 'apt-stage1', tapPoint: 'hf_hidden_states' },
    ...{ taps: [0, 3], languageModel: true, hidden: 2048, tokens: 64, views: ['third', 'wrist'], signatures },
    model: { name: 'made up', revision: 'r', sha256: {}, ...SIZES['2b'] },
    image: { width: 256, height: 256 },
    prompt: { prefixIds: [], positionRule: '', signatures: {} },
    codec: { block: 2048, signs: new Array(2048).fill(1) },
    ...{ files: {}, flops: { third: 2e11, 'third+wrist': 4e11 }, fingerprint: '0'.repeat(64) },
  };
  const fingerprint = fingerprintOf(modelSchema.parse(described) as ModelDocument);
  writeFileSync(join(folder, 'model.json'), JSON.stringify({ ...described, fingerprint }));
  return folder;
}

describe('a model folder', () => {
  let store: string;
  beforeAll(async () => {
    store = freshFolder();
    await ingestDemo(store);
  }, 120_000);
  const both: Role[][] = [['third', 'wrist'], ['third']];

  it('says its own taps and operations, and a probe the speed', async () => {
    const ask = request(store, { dataset: 'droid' }, { folder: modelFolder(both) });
    const made = await estimateFeatures(ask, { probe: async () => 100 });
    expect(made.speed).toMatchObject({ framesPerSecond: 100, flopsPerSecond: 4e13, measured: { frames: 512 } });
    expect(made.rows.at(-1)).toMatchObject({ tier: 'taps', codec: 'int8', bytesPerFrame: 2 * 2 * 64 * 2066 });
    expect(made.rows.at(-1)!.gpuHours).toBeCloseTo(64 / 100 / 3600, 12);
    expect((await estimateFeatures(ask, { probe: async () => null })).speed.measured).toBeNull();
  });

  it('without a graph for the views is refused', async () => {
    const ask = request(store, { dataset: 'droid' }, { folder: modelFolder([['third']]) });
    await expect(estimateFeatures(ask)).rejects.toThrow(
      /bad-option .*expected frames with the views third, found none/,
    );
  });

  it('prep features estimate prints tables, what is assumed, and the verdict last', async () => {
    const { code, stdout, stderr } = await prep('features', 'estimate', store, '--table', 'droid');
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^dataset droid: 64 frames\ndataset {2}views/);
    expect(stdout).toMatch(/^droid {4}third\+wrist {2}64 .*683 GFLOP$/m);
    expect(stdout).toMatch(/^taps +int8 +2\.6 MB +169\.2 MB/m);
    expect(stdout).toMatch(/^assumed, not known:\n {2}400 TFLOP\/s effective of one h100.*not measured/m);
    expect(stdout.trimEnd().split('\n').at(-1)).toBe(
      'verdict: recompute online: cheaper unless you train ≥ 44 passes (the taps as int8); one is taken without --passes',
    );
  });

  it('as JSON, with everything given nothing but disks is assumed', async () => {
    const given = '--gpu-price 2 --disk-price 0 --months 2 --passes 7 --tflops 300 --steps-per-second 4 --gpus 1';
    const words = ['features', 'estimate', store, '--table', 'droid', '--preset', 'vit', ...given.split(' ')];
    const { code, value } = await prepJson<{ rows: { tier: string }[]; assumed: string[]; verdict: string }>(...words);
    expect(code).toBe(0);
    expect(value.rows.map(({ tier }) => tier)).toEqual(['none', 'vit', 'vit', 'vit']);
    expect(value.assumed).toEqual([expect.stringMatching(/^disks read at/), 'reading costs no money']);
    expect(value.verdict).toBe('cache the vision outputs as int8: pays from 1 passes on, you said 7');
  });

  it.each([
    [[], /expected --plan ID, --plan latest or --table DATASET, found neither/],
    [['--plan', 'x', '--table', 'droid'], /found both/],
    [['--table', 'droid', '--model', 'x', '--size', '2b'], /field --model.*found both/],
    [['--table', 'droid', '--gpu-price', '0'], /field --gpu-price.*expected dollars per GPU-hour, a number above 0/],
    [['--table', 'nope'], /unknown-dataset/],
    [['--table', 'droid', '--gpu', 'x'], /Allowed choices are h100/],
  ])('wrong words %j exit 2', async (words, text) => {
    const { code, stderr } = await prep('features', 'estimate', store, ...words);
    expect([code, stderr]).toEqual([2, expect.stringMatching(text)]);
  });

  it('its help offers the presets, sizes and cards there are', async () => {
    const { stdout } = await prep('features', 'estimate', '--help');
    for (const name of [...Object.keys(PRESETS), ...Object.keys(SIZES), ...Object.keys(GPUS)])
      expect(stdout).toContain(`"${name}"`);
  });
});
