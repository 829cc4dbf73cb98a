/** What a feature set of a plan or a dataset would take, before anything runs: frames, bytes, GPU time, money, and whether it pays. */
import type { Role } from '../../schemas/episode.ts';
import { PrepError } from '../../schemas/errors.ts';
import type { CodecName } from '../../schemas/features.ts';
import { connectStore } from '../../sinks/store.ts';
import {
  DISKS,
  type DiskFigures,
  JPEG_BYTES,
  type PresetName,
  READS,
  type SizeName,
} from '../../transforms/features/assumptions.ts';
import * as cost from '../../transforms/features/cost.ts';
import { type CostedModel, costedFolder, costedSize, hasGraph } from './costed-model.ts';
import { type Counted, type CountedFrames, datasetFrames, planFrames } from './count-frames.ts';
import { type FeatureModel, readModel } from './model.ts';

export interface SizedModel {
  readonly size: SizeName;
  readonly preset: PresetName;
}

export interface EstimateRequest {
  readonly store: string;
  readonly of: { readonly plan: string } | { readonly dataset: string };
  readonly model: { readonly folder: string } | SizedModel;
  /** `rate`: FLOP/s of one GPU that are assumed; a probe's take their place. */
  readonly prices: cost.Prices;
  /** Null: as many as one run of the plan makes. */
  readonly passes: number | null;
  readonly trainer: { readonly gpus: number; readonly batch: number; readonly stepsPerSecond: number };
}

/** What an estimate can ask of others; each may know nothing. */
export interface EstimateParts {
  /** Measured frames a second of a model's first signature; null where no provider but the CPU works. */
  readonly probe?: (model: FeatureModel, frames: number) => Promise<number | null>;
  /** How many of a plan's distinct frames have features already. */
  readonly cached?: (plan: string) => Promise<{ readonly frames: number; readonly of: number }>;
}

/** float32 is for checks, not for keeping. */
const KEPT_AS: readonly CodecName[] = ['f16', 'bf16', 'int8'];

export interface EstimateRow {
  readonly tier: 'none' | cost.Tier['name'];
  readonly codec: CodecName | null;
  /** Of all distinct frames, and of the mean draw. */
  readonly bytes: number;
  readonly bytesPerFrame: number;
  readonly gpuHours: number;
  readonly computeDollars: number;
  readonly dollarsPerMonth: number;
  /** Of `passes` passes. */
  readonly dollars: number;
  readonly breakEven: number | null;
  readonly bytesPerStep: number;
  /** What the trainer must read at its steps a second. */
  readonly bytesPerSecond: number;
  /** Seconds of one step's computing on one GPU and on all. */
  readonly computeSeconds: readonly [number, number];
  /** Seconds to read one step, by kind of disk. */
  readonly readSeconds: readonly { readonly bytesPerSecond: number; readonly seconds: number }[];
  /** Bytes a second above which reading is faster than computing, on one GPU and on all. */
  readonly fasterAbove: readonly [number, number] | null;
}

export interface Estimate {
  readonly plan: string | null;
  readonly draws: number;
  /** Distinct frames with a graph, and all. */
  readonly frames: number;
  readonly allFrames: number;
  readonly datasets: readonly (CountedFrames & { readonly flops: number | null })[];
  readonly model: Omit<CostedModel, 'flops' | 'shape' | 'tiers'> & { readonly visionFlops: number };
  readonly speed: {
    readonly flopsPerSecond: number;
    readonly framesPerSecond: number;
    /** Null: assumed. */
    readonly measured: { readonly frames: number } | null;
  };
  readonly passes: { readonly run: number; readonly said: number | null };
  readonly there: { readonly frames: number; readonly of: number } | null;
  readonly prices: cost.Prices;
  readonly rows: readonly EstimateRow[];
  /** Break-even of the preset as int8 on other disks. */
  readonly disks: readonly (DiskFigures & { readonly breakEven: number })[];
  readonly verdict: string;
}

/** Long enough to fill a few batches, a second or so on a GPU. */
const PROBE_FRAMES = 512;

/** @throws PrepError `unknown-plan`, `unknown-dataset`, `bad-model`, `bad-option` where no frame has a graph */
export async function estimateFeatures(request: EstimateRequest, parts: EstimateParts = {}): Promise<Estimate> {
  const folder = 'folder' in request.model ? readModel(request.model.folder) : null;
  const model = folder ? costedFolder(folder) : costedSize(request.model as SizedModel);
  const counted = await count(request, model.views);
  const groups = costGroups(counted, model);
  const frames = groups.reduce((sum, one) => sum + one.frames, 0);
  if (frames === 0) throw noFrames(request, model);
  const measured = folder ? ((await parts.probe?.(folder, PROBE_FRAMES)) ?? null) : null;
  const rate = measured === null ? request.prices.rate : measured * model.flops(folder!.signatures[0]!);
  const prices = { ...request.prices, rate };
  const there = counted.plan === null ? null : ((await parts.cached?.(counted.plan)) ?? null);
  const passes = request.passes ?? draws(groups) / frames;
  const own = model.tiers.at(-1)!;
  const share = there && there.of > 0 ? there.frames / there.of : 0;
  const work = { groups, own, prices, passes, there: share, request };
  const rows = [noneRow(work), ...model.tiers.flatMap((tier) => KEPT_AS.map((codec) => keptRow(work, tier, codec)))];
  const { flops: _, shape, tiers: __, ...said } = model;
  return {
    plan: counted.plan,
    draws: counted.draws,
    frames,
    allFrames: counted.groups.reduce((sum, one) => sum + one.frames, 0),
    datasets: counted.groups.map((one) => ({
      ...one,
      flops: hasGraph(model, one.views) ? model.flops(one.views) : null,
    })),
    model: { ...said, visionFlops: cost.visionFlops(shape) },
    speed: {
      flopsPerSecond: rate,
      framesPerSecond: rate / cost.kept(groups, own, 'int8').saved,
      measured: measured === null ? null : { frames: PROBE_FRAMES },
    },
    passes: { run: draws(groups) / frames, said: request.passes },
    there,
    prices,
    rows,
    disks: DISKS.map((disk) => ({
      ...disk,
      breakEven: cost.breakEven(cost.kept(groups, own, 'int8'), { ...prices, disk: disk.price }, 1 - share),
    })),
    verdict: judge(rows, work),
  };
}

async function count({ store: uri, of }: EstimateRequest, views: readonly Role[]): Promise<Counted> {
  const store = await connectStore(uri);
  try {
    return 'plan' in of ? await planFrames(store, of.plan, views) : await datasetFrames(store, of.dataset, views);
  } finally {
    store.connection.close();
  }
}

const costGroups = ({ groups }: Counted, model: CostedModel): cost.CostGroup[] =>
  groups
    .filter(({ views }) => hasGraph(model, views))
    .map(({ frames, draws, views }) => {
      const flops = model.flops(views);
      // An exported graph may leave out what its taps do not need, so its tower may take less than the whole one.
      const vision = Math.min(flops, views.length * cost.visionFlops(model.shape));
      return { frames, draws, views: views.length, flops, vision };
    });

const draws = (groups: readonly cost.CostGroup[]): number => groups.reduce((sum, one) => sum + one.draws, 0);

const noFrames = ({ of }: EstimateRequest, { signatures }: CostedModel): PrepError =>
  new PrepError({
    code: 'bad-option',
    at: { field: 'plan' in of ? '--plan' : '--table' },
    expected: `frames with the views ${signatures.join(' or ')}`,
    found: 'none',
    remedy: '`prep status` says which cameras a dataset has',
  });

interface Work {
  /** What the preset keeps; the other tier is for comparison. */
  readonly own: cost.Tier;
  readonly groups: readonly cost.CostGroup[];
  readonly prices: cost.Prices;
  readonly passes: number;
  /** Share of the frames that have features. */
  readonly there: number;
  readonly request: Pick<EstimateRequest, 'of' | 'trainer' | 'passes'>;
}

function noneRow(work: Work): EstimateRow {
  const { groups, passes, prices } = work;
  const count = draws(groups);
  const frames = groups.reduce((sum, one) => sum + one.frames, 0);
  const flops = groups.reduce((sum, one) => sum + one.draws * one.flops, 0) / count;
  const jpegs = (groups.reduce((sum, one) => sum + one.draws * one.views, 0) / count) * JPEG_BYTES;
  const dollars = cost.computing(passes * frames * flops, prices);
  return {
    ...{ tier: 'none', codec: null, bytes: 0, bytesPerFrame: 0, dollarsPerMonth: 0, breakEven: null },
    gpuHours: cost.gpuHours(passes * frames * flops, prices),
    computeDollars: dollars,
    dollars,
    ...stepOf(work, jpegs, flops),
    fasterAbove: null,
  };
}

function keptRow(work: Work, tier: cost.Tier, codec: CodecName): EstimateRow {
  const { prices, passes } = work;
  // What is there is of the set that was asked for.
  const lacking = tier === work.own ? 1 - work.there : 1;
  const one = cost.kept(work.groups, tier, codec);
  const { gpus } = work.request.trainer;
  const fill = lacking * one.fill;
  return {
    tier: tier.name,
    codec,
    bytes: one.bytes,
    bytesPerFrame: one.bytes / one.frames,
    gpuHours: cost.gpuHours(fill, prices),
    computeDollars: cost.computing(fill, prices),
    dollarsPerMonth: cost.monthly(one.bytes, prices),
    dollars: cost.keptDollars(one, prices, { passes, lacking }),
    breakEven: cost.breakEven(one, prices, lacking),
    ...stepOf(work, one.bytesPerDraw, one.left),
    fasterAbove: [1, gpus].map((many) => cost.fasterAbove(one, { gpus: many, rate: prices.rate })) as [number, number],
  };
}

function stepOf({ request, prices }: Work, bytesPerDraw: number, flops: number) {
  const { gpus, batch, stepsPerSecond } = request.trainer;
  const bytesPerStep = bytesPerDraw * batch;
  return {
    bytesPerStep,
    bytesPerSecond: bytesPerStep * stepsPerSecond,
    computeSeconds: [1, gpus].map((many) => cost.computeSeconds(flops, { batch, gpus: many, rate: prices.rate })) as [
      number,
      number,
    ],
    readSeconds: READS.map(({ bytesPerSecond }) => ({ bytesPerSecond, seconds: bytesPerStep / bytesPerSecond })),
  };
}

/** Judged is what the preset keeps; where only the vision outputs pay, those. */
function judge(rows: readonly EstimateRow[], { passes, request, there }: Work): string {
  const own = ownRow(rows);
  const vision = rows.find(({ tier, codec }) => tier === 'vit' && codec === 'int8')!;
  const pays = ({ breakEven }: EstimateRow): boolean => passes > breakEven!;
  const { tier, breakEven } = !pays(own) && there < 1 && pays(vision) ? vision : own;
  const what = tier === 'vit' ? 'the vision outputs as int8' : 'the taps as int8';
  return cost.verdict({ what, breakEven: breakEven!, passes, source: sourceOf(request, passes), there });
}

function sourceOf({ passes: said, of }: Work['request'], passes: number): string {
  if (said !== null) return `you said ${cost.passesText(said)}`;
  return 'plan' in of ? `one run of the plan makes ${cost.passesText(passes)}` : 'one is taken without --passes';
}

/** What the preset keeps, in the codec that takes least. */
export const ownRow = (rows: readonly EstimateRow[]): EstimateRow => rows.findLast(({ codec }) => codec === 'int8')!;
