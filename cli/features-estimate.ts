/** `prep features estimate`: what a feature cache would take, and whether it pays, before anything runs. */
import { type EstimateParts, type EstimateRequest, estimateFeatures } from '../pipelines/features/estimate.ts';
import { readModel } from '../pipelines/features/model.ts';
import { cachedShare, probeSpeed } from '../pipelines/features/probe.ts';
import { EXIT, PrepError } from '../schemas/errors.ts';
import { connectStore, storeToOpen } from '../sinks/store.ts';
import {
  DISKS,
  GPUS,
  type GpuFigures,
  type GpuName,
  type PresetName,
  type SizeName,
  STEPS_PER_SECOND,
} from '../transforms/features/assumptions.ts';
import { assumedOf, estimateText } from './features-text.ts';
import { amount, positive } from './options.ts';
import { openOutput } from './print.ts';

export interface EstimateWords {
  readonly plan?: string;
  readonly table?: string;
  readonly model?: string;
  readonly preset?: PresetName;
  readonly size?: SizeName;
  readonly gpu?: GpuName;
  readonly tflops?: string;
  readonly gpuPrice?: string;
  readonly gpus?: string;
  readonly diskPrice?: string;
  readonly months?: string;
  readonly passes?: string;
  readonly stepsPerSecond?: string;
  readonly batch?: string;
  readonly json?: boolean;
}

export async function estimate(store: string, words: EstimateWords, parts?: EstimateParts): Promise<number> {
  const out = openOutput(words.json ?? false);
  const request = requestOf(store, words);
  const made = await estimateFeatures(request, parts ?? measuredParts(request));
  out.result({ ...made, assumed: assumedOf(words, made) }, estimateText(made, request, words));
  return EXIT.done;
}

/** What this machine and the store can say for themselves. */
function measuredParts({ store: uri, model }: EstimateRequest): EstimateParts {
  const wanted = 'folder' in model ? { fingerprint: readModel(model.folder).fingerprint } : { name: model.preset };
  return {
    probe: probeSpeed,
    async cached(plan) {
      const store = await connectStore(uri);
      return cachedShare(store, plan, wanted).finally(() => store.connection.close());
    },
  };
}

const oneOf = (field: string, expected: string, found: string): PrepError =>
  new PrepError({ code: 'bad-option', at: { field }, expected, found });

function requestOf(store: string, words: EstimateWords): EstimateRequest {
  const { plan, table: dataset, model, preset, size, tflops } = words;
  if ((plan === undefined) === (dataset === undefined))
    throw oneOf('--plan', '--plan ID, --plan latest or --table DATASET', plan === undefined ? 'neither' : 'both');
  if (model !== undefined && (preset !== undefined || size !== undefined))
    throw oneOf('--model', 'a model folder, or --preset and --size', 'both');
  const gpu: GpuFigures = GPUS[words.gpu ?? 'h100'];
  const number = (field: string, text: string | undefined, what: string, otherwise: number, zero = false): number =>
    text === undefined ? otherwise : amount(field, text, what, { zero });
  return {
    store: storeToOpen(store),
    of: plan === undefined ? { dataset: dataset! } : { plan },
    model: model === undefined ? { size: size ?? '2b', preset: preset ?? 'apt-stage1' } : { folder: model },
    prices: {
      rate: number('--tflops', tflops, 'TFLOP/s of one GPU', gpu.effective) * 1e12,
      gpu: number('--gpu-price', words.gpuPrice, 'dollars per GPU-hour', gpu.price),
      disk: number('--disk-price', words.diskPrice, 'dollars per GB and month', DISKS[0].price, true),
      months: number('--months', words.months, 'months', 1, true),
    },
    passes: words.passes === undefined ? null : amount('--passes', words.passes, 'passes over the frames'),
    trainer: {
      gpus: positive('--gpus', words.gpus) ?? 8,
      batch: positive('--batch', words.batch) ?? 256,
      stepsPerSecond: number('--steps-per-second', words.stepsPerSecond, 'training steps a second', STEPS_PER_SECOND),
    },
  };
}
