/** Features of what a night adds to the plan, where the config asks for them. */
import { availableParallelism } from 'node:os';
import type { ReshardConfig } from '../../schemas/reshard.ts';
import { refuseAboveBudget } from '../../transforms/features/cost.ts';
import { usualBatch } from '../features/graphs.ts';
import { readModel } from '../features/model.ts';
import { needProvider } from '../features/provider.ts';
import { type FeatureReport, makeFeatures } from '../features/run.ts';

type FeatureConfig = NonNullable<ReshardConfig['features']>;

/** Before anything is frozen. @throws PrepError `bad-model`, `provider` */
export function checkFeatures({ model, provider }: FeatureConfig): void {
  readModel(model);
  needProvider(provider);
}

/** Of the whole plan what the set lacks: parts that earlier nights made are found and left. */
export function nightlyFeatures(
  store: string,
  plan: string,
  config: FeatureConfig,
  signal: AbortSignal,
): Promise<FeatureReport> {
  const { model, name, codec, provider, device, batch, part_draws, accept_bytes } = config;
  const request = {
    ...{ store, plan, model },
    set: { codec, images: 'stored' as const, name, partDraws: part_draws },
    device: { provider, device },
    batch: batch ?? usualBatch(provider),
    workers: availableParallelism(),
    part: { index: 0, of: 1 },
    range: null,
    sample: SAMPLE,
    allow: (bytes: number) => refuseAboveBudget(bytes, accept_bytes),
  };
  return makeFeatures(request, { signal, progress: () => undefined });
}

/** Frames on which a new set is calibrated. */
const SAMPLE = 64;
