/** What frozen features cost: operations, bytes, money, and from how many passes on keeping them pays. Arithmetic only. */
import { PrepError } from '../../schemas/errors.ts';
import { type CodecName, FEATURE_TOKENS, featureBytes, outlierCount } from '../../schemas/features.ts';

/** The numbers of a Qwen3-VL configuration that decide its cost; named as in `model.json`. */
export interface ModelShape {
  readonly text: {
    readonly layers: number;
    readonly hidden: number;
    readonly heads: number;
    readonly kvHeads: number;
    readonly headDim: number;
    readonly mlp: number;
  };
  readonly vision: {
    readonly depth: number;
    readonly hidden: number;
    readonly mlp: number;
    readonly patch: number;
    readonly temporalPatch: number;
    readonly spatialMerge: number;
    readonly deepstackVisualIndexes: readonly number[];
  };
}

const SIDE = 256;
const CHANNELS = 3;

/** Operations of the vision tower with its mergers on one view; a multiply-add is two. Norms and activations are left out. */
export function visionFlops({ vision, text }: ModelShape): number {
  const { depth, hidden, mlp, patch, temporalPatch, spatialMerge, deepstackVisualIndexes } = vision;
  const patches = (SIDE / patch) ** 2;
  const embedding = 2 * patches * CHANNELS * temporalPatch * patch ** 2 * hidden;
  const block = 2 * patches * (4 * hidden ** 2 + 2 * hidden * mlp) + 4 * patches ** 2 * hidden;
  const merged = hidden * spatialMerge ** 2;
  const merger = 2 * (patches / spatialMerge ** 2) * (merged ** 2 + merged * text.hidden);
  return embedding + depth * block + (1 + deepstackVisualIndexes.length) * merger;
}

/** Operations of one text layer on a prompt. Of the attention only what the causal mask lets through: kernels skip the rest. */
export function textLayerFlops({ text }: ModelShape, tokens: number): number {
  const { hidden, heads, kvHeads, headDim, mlp } = text;
  const weights = hidden * (heads + 2 * kvHeads) * headDim + heads * headDim * hidden + 3 * hidden * mlp;
  return 2 * tokens * weights + 2 * heads * headDim * tokens * (tokens + 1);
}

/** A view is its merged tokens between a start and an end token. */
export const promptTokens = (views: number, prefix: number): number => prefix + views * (FEATURE_TOKENS + 2);

/** Operations of a frame up to a text layer. @param layers 0: the vision tower alone */
export const frameFlops = (shape: ModelShape, views: number, { layers, prefix }: { layers: number; prefix: number }) =>
  views * visionFlops(shape) + layers * textLayerFlops(shape, promptTokens(views, prefix));

/** Frames whose features cost the same. */
export interface CostGroup {
  readonly frames: number;
  /** Of one run of the plan. */
  readonly draws: number;
  readonly views: number;
  /** FLOP of one frame, to the last tap and of the vision tower alone. */
  readonly flops: number;
  readonly vision: number;
}

/** What may be kept: outputs of the vision tower (`vit`), or taps of the text model. */
export interface Tier {
  readonly name: 'vit' | 'taps';
  readonly taps: number;
  readonly hidden: number;
}

/** What keeping one tier in one codec means. */
export interface Kept {
  /** All distinct frames: bytes, and FLOP that make them. */
  readonly bytes: number;
  readonly fill: number;
  readonly frames: number;
  /** Means over draws: bytes read, FLOP saved, FLOP that a trainer still spends. */
  readonly bytesPerDraw: number;
  readonly saved: number;
  readonly left: number;
}

const sum = <T>(list: readonly T[], of: (one: T) => number): number => list.reduce((total, one) => total + of(one), 0);

export function kept(groups: readonly CostGroup[], tier: Tier, codec: CodecName): Kept {
  const view = featureBytes({ ...tier, taps: new Array(tier.taps).fill(0) }, codec, outlierCount(tier.hidden));
  const saved = (group: CostGroup): number => (tier.name === 'vit' ? group.vision : group.flops);
  const draws = Math.max(
    1,
    sum(groups, (one) => one.draws),
  );
  return {
    bytes: sum(groups, ({ frames, views }) => frames * views * view),
    fill: sum(groups, (one) => one.frames * saved(one)),
    frames: sum(groups, ({ frames }) => frames),
    bytesPerDraw: sum(groups, (one) => one.draws * one.views * view) / draws,
    saved: sum(groups, (one) => one.draws * saved(one)) / draws,
    left: sum(groups, (one) => one.draws * (one.flops - saved(one))) / draws,
  };
}

export interface Prices {
  /** FLOP/s of one GPU. */
  readonly rate: number;
  /** $ per GPU and hour. */
  readonly gpu: number;
  /** $ per GB (10⁹ bytes) and month, and for how many months. */
  readonly disk: number;
  readonly months: number;
}

export const gpuHours = (flops: number, { rate }: Pick<Prices, 'rate'>): number => flops / rate / 3600;
export const computing = (flops: number, prices: Prices): number => gpuHours(flops, prices) * prices.gpu;
export const monthly = (bytes: number, { disk }: Pick<Prices, 'disk'>): number => (bytes / 1e9) * disk;

/**
 * Passes over the distinct frames above which keeping is cheaper than computing at every draw. Where all frames cost the
 * same and none is kept yet: 1 + b · c_store · months · φ / (f · c_gpu).
 * @param lacking share of the frames that is still to be computed
 */
export function breakEven({ bytes, fill, frames, saved }: Kept, prices: Prices, lacking = 1): number {
  const keeping = lacking * computing(fill, prices) + monthly(bytes, prices) * prices.months;
  return keeping / computing(frames * saved, prices);
}

/** $ of so many passes with the features kept: computing what lacks, the disk, and what the trainer still computes. */
export const keptDollars = (one: Kept, prices: Prices, { passes, lacking }: { passes: number; lacking: number }) =>
  lacking * computing(one.fill, prices) +
  monthly(one.bytes, prices) * prices.months +
  computing(passes * one.frames * one.left, prices);

/** Seconds that a global batch of computing takes. */
export const computeSeconds = (flops: number, { batch, gpus, rate }: { batch: number; gpus: number; rate: number }) =>
  (batch * flops) / (gpus * rate);

/** Bytes a second above which reading a batch is faster than computing it: b · g · φ / f. */
export const fasterAbove = ({ bytesPerDraw, saved }: Kept, { gpus, rate }: { gpus: number; rate: number }): number =>
  (bytesPerDraw * gpus * rate) / saved;

export interface Judged {
  /** Such as `the taps as int8`. */
  readonly what: string;
  readonly breakEven: number;
  readonly passes: number;
  /** Where `passes` is from, such as `you said 10`. */
  readonly source: string;
  /** Share of the frames that is kept already. */
  readonly there: number;
}

export function verdict({ what, breakEven: from, passes, source, there }: Judged): string {
  if (there >= 1) return `read what is cached: every frame has its features already (${what})`;
  if (passes > from) return `cache ${what}: pays from ${passesText(from)} passes on, ${source}`;
  return `recompute online: cheaper unless you train ≥ ${passesText(from)} passes (${what}); ${source}`;
}

export const passesText = (passes: number): string => `${Number(passes.toFixed(passes < 9.95 ? 1 : 0))}`;

/** Bytes that may be written without being asked for: a plan of usual size would fill any disk. */
export const FEATURE_BUDGET = 200e9;

/** @param accepted bytes the user allows. @throws PrepError `feature-budget` */
export function refuseAboveBudget(bytes: number, accepted: number = FEATURE_BUDGET): void {
  if (bytes <= accepted) return;
  throw new PrepError({
    code: 'feature-budget',
    expected: `at most ${sizeText(accepted)} of features`,
    found: sizeText(bytes),
    remedy: `\`prep features estimate\` says whether keeping them pays; if so, --accept-bytes ${sizeText(bytes).replace(' ', '')}`,
  });
}

const UNITS = ['B', 'KB', 'MB', 'GB', 'TB', 'PB'];

/** Rounded up, so that the text accepts what it was made of: `68 TB`. */
export function sizeText(bytes: number): string {
  const step = Math.min(UNITS.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  return `${Math.ceil(bytes / 1000 ** step)} ${UNITS[step]}`;
}
