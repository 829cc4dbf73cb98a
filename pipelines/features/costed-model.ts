/** A model as far as its cost goes: from a model folder, or from the published configuration of a size. */
import { z } from 'zod';
import type { Role } from '../../schemas/episode.ts';
import { PrepError } from '../../schemas/errors.ts';
import { signatureName } from '../../schemas/features.ts';
import { PRESETS, type PresetName, SIZES, type SizeName } from '../../transforms/features/assumptions.ts';
import * as cost from '../../transforms/features/cost.ts';
import type { FeatureModel } from './model.ts';

export interface CostedModel {
  readonly name: string;
  readonly preset: string | null;
  /** What may be kept; last what the preset keeps. */
  readonly tiers: readonly cost.Tier[];
  readonly taps: readonly (number | string)[];
  readonly views: readonly Role[];
  readonly signatures: readonly string[];
  readonly shape: cost.ModelShape;
  /** FLOP of a frame of so many views. */
  readonly flops: (views: readonly Role[]) => number;
}

const shapeSchema = z.object({
  text: z.object({
    layers: z.int(),
    hidden: z.int(),
    heads: z.int(),
    kvHeads: z.int(),
    headDim: z.int(),
    mlp: z.int(),
  }),
  vision: z.object({
    depth: z.int(),
    hidden: z.int(),
    mlp: z.int(),
    patch: z.int(),
    temporalPatch: z.int(),
    spatialMerge: z.int(),
    deepstackVisualIndexes: z.array(z.int()),
  }),
});

/** @throws PrepError `bad-model` where its description lacks what decides the cost */
export function costedFolder(model: FeatureModel): CostedModel {
  const parsed = shapeSchema.safeParse(model.model);
  if (!parsed.success)
    throw new PrepError({
      code: 'bad-model',
      at: { file: model.folder },
      expected: 'the widths and depths of the model',
      found: z.prettifyError(parsed.error).split('\n')[0]!,
      remedy: 'export it again with tools/qwen3vl',
    });
  const shape = parsed.data;
  const layers = Math.max(0, ...model.taps.filter((tap) => typeof tap === 'number'));
  const prefix = model.prompt.prefixIds.length;
  const vit = vitTier(shape);
  const taps: cost.Tier = { name: 'taps', taps: model.taps.length, hidden: model.hidden };
  return {
    name: model.model.name,
    preset: model.preset,
    tiers: model.tapPoint === 'vision' ? [vit] : [vit, taps],
    taps: model.taps,
    views: model.views,
    signatures: model.signatures.map(signatureName),
    shape,
    flops: (views) => model.flops[signatureName(views)] ?? cost.frameFlops(shape, views.length, { layers, prefix }),
  };
}

const vitTier = ({ vision, text }: cost.ModelShape): cost.Tier => ({
  name: 'vit',
  taps: 1 + vision.deepstackVisualIndexes.length,
  hidden: text.hidden,
});

/** Views of the paper's stage 1, and a prompt without prefix. */
export function costedSize({ size, preset }: { readonly size: SizeName; readonly preset: PresetName }): CostedModel {
  const shape: cost.ModelShape = SIZES[size];
  const taps = PRESETS[preset](shape.text.layers);
  const vit = vitTier(shape);
  return {
    name: `Qwen3-VL ${size.toUpperCase()}`,
    preset,
    tiers: taps.length === 0 ? [vit] : [vit, { name: 'taps', taps: taps.length, hidden: shape.text.hidden }],
    taps,
    views: ['third', 'wrist'],
    signatures: ['third+wrist', 'third'],
    shape,
    flops: (views) => cost.frameFlops(shape, views.length, { layers: Math.max(0, ...taps), prefix: 0 }),
  };
}

/** Rows with other views have no features of this model. */
export const hasGraph = ({ signatures }: Pick<CostedModel, 'signatures'>, views: readonly Role[]): boolean =>
  signatures.includes(signatureName(views));
