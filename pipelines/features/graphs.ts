/** The graphs of a model, run by a thread of their own. */
import type { GraphJob, GraphResult, GraphStart } from './graph-job.ts';
import type { FeatureModel, GraphOutput } from './model.ts';
import { openThread } from './thread.ts';

export interface Graphs {
  /** Jobs that are computed at the same time. */
  readonly streams: number;
  /** @throws PrepError `provider`, `not-finite`, `bad-codec` (`record`: the frame's number in the job) */
  run(job: GraphJob): Promise<GraphResult>;
  close(): Promise<void>;
}

export interface Device {
  /** As ONNX Runtime calls it: cpu, cuda, … */
  readonly provider: string;
  readonly device: number;
  /** Threads with sessions of their own: results of one are copied out while another computes. */
  readonly streams: number;
}

export function openGraphs(model: FeatureModel, { provider, device, streams }: Device): Graphs {
  const start: GraphStart = {
    folder: model.folder,
    provider,
    device,
    taps: model.taps.length,
    hidden: model.hidden,
    weights: model.files['weights.bin']?.bytes ?? 0,
    outputs: exportedOutputs(model),
  };
  // The codec's float32 products would lose 13 bits on tensor cores, and the binding has no option for it; bfloat16 is not touched.
  if (provider !== 'cpu') process.env.NVIDIA_TF32_OVERRIDE ??= '0';
  const threads = Array.from({ length: streams }, () => openThread<GraphJob, GraphResult>('graph-worker', start));
  let turn = 0;
  return {
    streams,
    run: (job) => threads[turn++ % streams]!.run(job, [job.images.buffer]),
    close: async () => void (await Promise.all(threads.map((thread) => thread.close()))),
  };
}

/** Outputs for which every signature has a graph. */
export function exportedOutputs({ signatures, files }: FeatureModel): GraphOutput[] {
  const has = (output: GraphOutput): boolean =>
    signatures.every((views) => `${views.join('+')}.${output}.onnx` in files);
  return (['f32', 'f16', 'int8'] as const).filter(has);
}

/** Frames of a batch: a GPU wants some 8000 tokens per product. */
export const usualBatch = (provider: string): number => (provider === 'cpu' ? 4 : 64);

/** A CPU is busy with one; on a GPU the second holds the weights a second time. */
export const usualStreams = (provider: string): number => (provider === 'cpu' ? 1 : 2);
