/** Features of what a night adds to the plan, where the config asks for them. */
import { availableParallelism } from 'node:os';
import { mixtureOf } from '../../schemas/mixture.ts';
import type { ReshardConfig } from '../../schemas/reshard.ts';
import type { Store } from '../../sinks/store.ts';
import { refuseAboveBudget } from '../../transforms/features/cost.ts';
import { usualBatch, usualStreams } from '../features/graphs.ts';
import { readModel } from '../features/model.ts';
import { needProvider } from '../features/provider.ts';
import { refuseTrained } from '../features/refuse.ts';
import { type FeatureReport, makeFeatures } from '../features/run.ts';
import { registeredSet } from '../features/set.ts';

type FeatureConfig = NonNullable<ReshardConfig['features']>;

/** Before anything is frozen. @throws PrepError `bad-model`, `provider`, and `bad-option` where the mixture trains the model or the set's name is another's */
export async function checkFeatures(store: Store, { features, mixture }: ReshardConfig): Promise<void> {
  if (!features) return;
  const model = readModel(features.model);
  needProvider(features.provider);
  refuseTrained(mixtureOf(mixture), model.languageModel ? 'language' : 'vision', model.preset ?? model.model.name);
  await registeredSet(store, { model, ...wishOf(features) });
}

const wishOf = ({ codec, name, part_draws }: FeatureConfig) => ({
  codec,
  images: 'stored' as const,
  name,
  partDraws: part_draws,
});

/** Of the whole plan what the set lacks: parts that earlier nights made are found and left. */
export function nightlyFeatures(
  store: string,
  plan: string,
  config: FeatureConfig,
  signal: AbortSignal,
): Promise<FeatureReport> {
  const { model, provider, device, streams, batch, accept_bytes } = config;
  const request = {
    ...{ store, plan, model },
    set: wishOf(config),
    device: { provider, device, streams: streams ?? usualStreams(provider) },
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
