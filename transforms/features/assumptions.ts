/**
 * Figures that an estimate takes as given, each with where it is from. Speeds and prices are assumptions: the estimate prints
 * them as such, and an option replaces each.
 */
import type { ModelShape } from './cost.ts';

export interface GpuFigures {
  /** Dense bf16 with float32 accumulation, TFLOP/s. */
  readonly peak: number;
  /** What a model of this size gets out of it, TFLOP/s: 40 % of the peak, measured on none of them. */
  readonly effective: number;
  /** $ per hour. The order of on-demand rental; no price list stands behind it. */
  readonly price: number;
}

/** Peaks: NVIDIA's data sheets (half of the figure they give with sparsity) and, of the RTX cards, architecture white papers. */
export const GPUS = {
  b200: { peak: 2250, effective: 900, price: 5.5 },
  h200: { peak: 989, effective: 400, price: 3.5 },
  h100: { peak: 989, effective: 400, price: 3 },
  a100: { peak: 312, effective: 125, price: 1.5 },
  l40s: { peak: 362, effective: 145, price: 1 },
  '5090': { peak: 209, effective: 84, price: 0.6 },
  '4090': { peak: 165, effective: 66, price: 0.4 },
} as const satisfies Readonly<Record<string, GpuFigures>>;
export type GpuName = keyof typeof GPUS;

export interface DiskFigures {
  readonly name: string;
  /** $ per GB (10⁹ bytes) and month. */
  readonly price: number;
}

/** Object store and block storage: about the list prices of S3 Standard and EBS gp3. Own NVMe: a guess, $0.10 a GB over five years. */
export const DISKS: readonly [DiskFigures, ...DiskFigures[]] = [
  { name: 'object store', price: 0.023 },
  { name: 'block storage', price: 0.08 },
  { name: 'own NVMe', price: 0.002 },
];

export interface ReadFigures {
  readonly name: string;
  readonly bytesPerSecond: number;
}

/** What a training node reads in long requests: guesses, with 6 GB/s for one PCIe 4 drive. */
export const READS: readonly ReadFigures[] = [
  { name: 'object store', bytesPerSecond: 5e9 },
  { name: '2 NVMe', bytesPerSecond: 12e9 },
  { name: '4 NVMe', bytesPerSecond: 24e9 },
];

/** Bytes of a stored picture, about: 256×256 letterboxed DROID frames at quality 95, 4:4:4. */
export const JPEG_BYTES = 15_360;

/** Training steps a second where none are given: what is asked of the disk grows in proportion. */
export const STEPS_PER_SECOND = 10;

const vision24 = {
  ...{ depth: 24, hidden: 1024, mlp: 4096, patch: 16, temporalPatch: 2, spatialMerge: 2 },
  deepstackVisualIndexes: [5, 11, 17],
};

/** `config.json` of Qwen/Qwen3-VL-{2B,4B,8B}-Instruct. */
export const SIZES = {
  '2b': { text: { layers: 28, hidden: 2048, heads: 16, kvHeads: 8, headDim: 128, mlp: 6144 }, vision: vision24 },
  '4b': { text: { layers: 36, hidden: 2560, heads: 32, kvHeads: 8, headDim: 128, mlp: 9728 }, vision: vision24 },
  '8b': {
    text: { layers: 36, hidden: 4096, heads: 32, kvHeads: 8, headDim: 128, mlp: 12_288 },
    vision: { ...vision24, depth: 27, hidden: 1152, mlp: 4304, deepstackVisualIndexes: [8, 16, 24] },
  },
} as const satisfies Readonly<Record<string, ModelShape>>;
export type SizeName = keyof typeof SIZES;

/** `count` layers spread evenly from the first one on, halves rounded up. */
const spread = (layers: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => Math.floor((i * layers) / count + 0.5));

/** Taps of a preset on a text model of so many layers: tap k is the residual stream after k layers. `vit` has none of those. */
export const PRESETS = {
  'apt-stage1': (layers) => spread(layers, 10),
  'apt-n20': (layers) => spread(layers, 20),
  'gr00t-last': (layers) => [layers],
  'pi-all': (layers) => spread(layers, layers),
  vit: () => [],
} as const satisfies Readonly<Record<string, (layers: number) => number[]>>;
export type PresetName = keyof typeof PRESETS;
