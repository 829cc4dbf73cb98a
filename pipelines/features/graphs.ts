/** The graphs of a model, run by a thread of their own. */
import type { GraphJob, GraphResult, GraphStart } from './graph-job.ts';
import type { FeatureModel, GraphOutput } from './model.ts';
import { openThread } from './thread.ts';

export interface Graphs {
  readonly provider: string;
  /** @throws PrepError `provider`, `not-finite`, `bad-codec` (`record`: the frame's number in the job) */
  run(job: GraphJob): Promise<GraphResult>;
  close(): Promise<void>;
}

export interface Device {
  /** As ONNX Runtime calls it: cpu, cuda, … */
  readonly provider: string;
  readonly device: number;
}

export function openGraphs(model: FeatureModel, { provider, device }: Device): Graphs {
  const start: GraphStart = {
    folder: model.folder,
    provider,
    device,
    taps: model.taps.length,
    hidden: model.hidden,
    weights: model.files['weights.bin']?.bytes ?? 0,
    outputs: exportedOutputs(model),
  };
  const thread = openThread<GraphJob, GraphResult>('graph-worker', start);
  return { provider, run: (job) => thread.run(job, [job.images.buffer]), close: () => thread.close() };
}

/** Outputs for which every signature has a graph. */
export function exportedOutputs({ signatures, files }: FeatureModel): GraphOutput[] {
  const has = (output: GraphOutput): boolean =>
    signatures.every((views) => `${views.join('+')}.${output}.onnx` in files);
  return (['f32', 'f16', 'int8'] as const).filter(has);
}

/** Frames of a batch: a GPU wants some 8000 tokens per product. */
export const usualBatch = (provider: string): number => (provider === 'cpu' ? 4 : 64);
