/** Costs of features against torch's own counts and the arithmetic that is quoted for the 2B. */
import { describe, expect, it } from 'vitest';
import { size } from '../../cli/options.ts';
import { featureBytes } from '../../schemas/features.ts';
import { GPUS, JPEG_BYTES, PRESETS, SIZES } from '../../transforms/features/assumptions.ts';
import * as cost from '../../transforms/features/cost.ts';

/**
 * torch.utils.flop_counter.FlopCounterMode over transformers 5.24 Qwen3VLVisionModel (one 256×256 view) and Qwen3VLTextModel
 * (132 tokens), eager attention, torch 2.15: it counts the masked half of the attention too.
 */
const TORCH = {
  '2b': { vision: 174_751_481_856, text: 376_048_189_440 },
  '4b': { vision: 175_825_223_680, text: 969_472_475_136 },
  '8b': { vision: 240_063_086_592, text: 1_843_959_693_312 },
} as const;

describe('operations', () => {
  it.each(['2b', '4b', '8b'] as const)('of the %s are what torch counts', (name) => {
    const shape: cost.ModelShape = SIZES[name];
    const { heads, headDim, layers } = shape.text;
    const tokens = cost.promptTokens(2, 0);
    const masked = 2 * heads * headDim * tokens * (tokens - 1);
    expect(cost.visionFlops(shape)).toBe(TORCH[name].vision);
    expect(layers * (cost.textLayerFlops(shape, tokens) + masked)).toBe(TORCH[name].text);
  });

  it('of the 2B, in the numbers that are quoted for it', () => {
    const two = SIZES['2b'];
    expect(cost.visionFlops(two) / 1e9).toBeCloseTo(174.8, 1);
    expect(cost.textLayerFlops(two, 132) / 1e9).toBeCloseTo(13.4, 1);
    const frame = (layers: number) => Math.round(cost.frameFlops(two, 2, { layers, prefix: 0 }) / 1e9);
    expect([13, 25].map(frame)).toEqual([523, 683]);
    expect(frame(28)).toBeOneOf([723, 724]);
  });

  it('follow the views and the prefix', () => {
    expect([cost.promptTokens(1, 0), cost.promptTokens(2, 0), cost.promptTokens(2, 3)]).toEqual([66, 132, 135]);
    const frame = (views: number, prefix: number) => cost.frameFlops(SIZES['2b'], views, { layers: 25, prefix });
    expect(frame(1, 0) / frame(2, 0)).toBeCloseTo(0.5, 2);
    expect(frame(2, 3)).toBeGreaterThan(frame(2, 0));
  });
});

describe('presets', () => {
  it.each([
    ['apt-stage1', [0, 3, 6, 8, 11, 14, 17, 20, 22, 25]],
    ['apt-n20', [0, 1, 3, 4, 6, 7, 8, 10, 11, 13, 14, 15, 17, 18, 20, 21, 22, 24, 25, 27]],
    ['gr00t-last', [28]],
    ['pi-all', Array.from({ length: 28 }, (_, i) => i)],
    ['vit', []],
  ] as const)('%s', (name, taps) => expect(PRESETS[name](28)).toEqual(taps));
});

const MIB = 2 ** 20;
const PLAN = 25.6e6;
const two = SIZES['2b'];
const vision = 2 * cost.visionFlops(two);
const group = (draws: number, frames = draws): cost.CostGroup => ({
  ...{ frames, draws, views: 2, vision },
  flops: cost.frameFlops(two, 2, { layers: 25, prefix: 0 }),
});
const taps = (many: number): cost.Tier => ({ name: 'taps', taps: many, hidden: 2048 });
const VIT: cost.Tier = { name: 'vit', taps: 4, hidden: 2048 };
const H100: cost.Prices = { rate: 400e12, gpu: 3, disk: 0.023, months: 1 };

describe('bytes', () => {
  const pair = (many: number, codec: 'f16' | 'int8') =>
    2 * featureBytes({ taps: new Array(many).fill(0), hidden: 2048 }, codec, 0);

  it('are those of the table without kept-apart channels', () => {
    expect(pair(10, 'f16') / MIB).toBe(5);
    expect(pair(20, 'f16') / MIB).toBe(10);
    expect(pair(10, 'int8') / MIB).toBeCloseTo(2.5, 2);
    expect(pair(4, 'int8') / MIB).toBeCloseTo(1, 2);
    expect([134, 67].map((tera, i) => Math.round((PLAN * pair(10, i === 0 ? 'f16' : 'int8')) / 1e12) - tera)).toEqual([
      0, 0,
    ]);
    expect(Math.round((256 * pair(10, 'int8')) / 1e6)).toBe(672);
    expect((256 * 2 * JPEG_BYTES) / 1e6).toBeCloseTo(7.9, 1);
  });

  it('of a plan are within a hundredth of them with those channels', () => {
    const int8 = cost.kept([group(PLAN)], taps(10), 'int8');
    expect(int8.bytes / 1e12 / 67.2).toBeGreaterThan(1);
    expect(int8.bytes / 1e12 / 67.2).toBeLessThan(1.01);
    expect(cost.kept([group(PLAN)], taps(10), 'f16').bytes).toBe(cost.kept([group(PLAN)], taps(10), 'bf16').bytes);
    // Bytes count frames, reading counts draws.
    const drawnTwice = cost.kept([group(2 * PLAN, PLAN)], taps(10), 'int8');
    expect([drawnTwice.bytes, drawnTwice.bytesPerDraw]).toEqual([int8.bytes, int8.bytesPerDraw]);
  });
});

describe('money and time', () => {
  /** The formula by itself: 1 + b · c_store · months · φ / (f · c_gpu). */
  const formula = (bytes: number, flops: number, disk: number) =>
    1 + ((bytes / 1e9) * disk * H100.rate) / (flops * (H100.gpu / 3600));
  const b = 2 * 10 * 64 * 2050;

  it('filling the plan takes 12 GPU-hours and $36', () => {
    const { fill } = cost.kept([group(PLAN)], taps(10), 'int8');
    expect(Math.round(cost.gpuHours(fill, H100))).toBe(12);
    expect(Math.round(cost.computing(fill, H100))).toBe(36);
  });

  it.each([
    ['object store', 0.023, 43],
    ['block storage', 0.08, 148],
    ['own NVMe', 0.002, 5],
  ])('breaks even on %s at $%d after %d passes', (_, disk, passes) => {
    const one: cost.Kept = { ...cost.kept([group(PLAN)], taps(10), 'int8'), bytes: PLAN * b };
    const from = cost.breakEven(one, { ...H100, disk });
    expect(Math.round(from)).toBe(passes);
    expect(from).toBeCloseTo(formula(b, group(1).flops, disk), 6);
  });

  it.each(['f16', 'int8'] as const)(
    'at the break-even both cost the same (%s), more passes favour keeping',
    (codec) => {
      // Datasets with one and two views, drawn unlike their sizes.
      const groups = [group(5000, 1000), { ...group(300, 900), views: 1, flops: 3.3e11, vision: vision / 2 }];
      const frames = 1900;
      const mean = groups.reduce((sum, one) => sum + one.draws * one.flops, 0) / 5300;
      for (const tier of [taps(10), VIT])
        for (const lacking of [1, 0.25]) {
          const one = cost.kept(groups, tier, codec);
          const at = cost.breakEven(one, H100, lacking);
          const gain = (passes: number) =>
            cost.computing(passes * frames * mean, H100) - cost.keptDollars(one, H100, { passes, lacking });
          expect(Math.abs(gain(at))).toBeLessThan(1e-9);
          expect([gain(at * 0.9) < 0, gain(at * 1.1) > 0]).toEqual([true, true]);
        }
    },
  );

  it('of one step', () => {
    const { saved, left } = cost.kept([group(PLAN)], VIT, 'int8');
    expect([saved / 1e9, (saved + left) / 1e9].map((giga) => Math.round(giga))).toEqual([350, 683]);
    const seconds = (gpus: number) => cost.computeSeconds(saved + left, { batch: 256, gpus, rate: H100.rate });
    expect([seconds(1), seconds(8)].map((one) => Math.round(1000 * one))).toEqual([437, 55]);
    const above = (codec: 'f16' | 'int8', tier: cost.Tier) =>
      cost.fasterAbove(cost.kept([group(PLAN)], tier, codec), { gpus: 1, rate: H100.rate }) / 1e9;
    // 1.54 and 1.20 without the channels that int8 keeps apart.
    expect(above('f16', taps(10))).toBeCloseTo(3.07, 2);
    expect(above('int8', taps(10)) / 1.54).toBeLessThan(1.01);
    expect(above('int8', VIT) / 1.2).toBeLessThan(1.012);
  });

  it('an assumed speed is about two fifths of the peak', () => {
    for (const { peak, effective } of Object.values(GPUS)) expect(effective / peak).toBeCloseTo(0.4, 1);
  });
});

describe('the verdict', () => {
  const judged = {
    what: 'the taps as int8',
    breakEven: 43.4,
    passes: 1.08,
    source: 'one run of the plan makes 1.1',
    there: 0,
  };
  it.each([
    [{}, 'recompute online: cheaper unless you train ≥ 43 passes (the taps as int8); one run of the plan makes 1.1'],
    [
      { source: 'you said 10', passes: 10, breakEven: 2.96 },
      'cache the taps as int8: pays from 3 passes on, you said 10',
    ],
    [{ there: 1 }, 'read what is cached: every frame has its features already (the taps as int8)'],
  ])('%j', (other, text) => expect(cost.verdict({ ...judged, ...other })).toBe(text));
});

describe('the budget', () => {
  it('refuses what is above it, with the size to accept', () => {
    expect(() => cost.refuseAboveBudget(200e9)).not.toThrow();
    expect(() => cost.refuseAboveBudget(67.7e12, 68e12)).not.toThrow();
    expect(() => cost.refuseAboveBudget(67.7e12)).toThrow(
      /^feature-budget: expected at most 200 GB of features, found 68 TB; .*--accept-bytes 68TB$/,
    );
  });

  it.each([201e9, 999.5e9, 67.2e12, 1.7e15])('%d: the size that the message names is enough', (bytes) => {
    const named = cost.sizeText(bytes).replace(' ', '');
    expect(() => cost.refuseAboveBudget(bytes, size('--accept-bytes', named))).not.toThrow();
  });

  it.each([
    ['3TB', 3e12],
    ['200 GB', 200e9],
    ['1.5gb', 1.5e9],
    ['1e12', 1e12],
    ['512', 512],
  ])('reads %s', (text, bytes) => expect(size('--accept-bytes', text)).toBe(bytes));
  it.each(['', 'GB', '-3TB', '3 TiB', '1.2.3GB', 'all'])('refuses %j', (text) =>
    expect(() => size('--accept-bytes', text)).toThrow(/bad-option .*expected a size, such as 3TB or 200GB/),
  );
});
