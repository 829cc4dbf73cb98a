/**
 * How far decoded features are from what was encoded, per tap, and whether that is near enough. An error relative to all
 * channels is blind: outliers carry most of the energy and are kept well, so the *bulk*, without them, is measured too.
 */
import type { Shape } from './int8.ts';

/** Sums and extremes per tap, in float64. */
export interface Gate {
  readonly shape: Shape;
  /** Sums of squares of error and value, of all channels and of the bulk. */
  readonly error: Float64Array;
  readonly energy: Float64Array;
  readonly bulkError: Float64Array;
  readonly bulkEnergy: Float64Array;
  /** Least cosine of a token. */
  readonly cosine: Float64Array;
  readonly bulkCosine: Float64Array;
  /** Largest |x| before encoding; infinite where a value is NaN. */
  readonly largest: Float64Array;
}

export interface TapQuality {
  readonly tap: number | string;
  readonly relRms: number;
  readonly bulkRelRms: number;
  readonly minCosine: number;
  readonly minBulkCosine: number;
  readonly largest: number;
}

export interface Verdict {
  readonly passed: boolean;
  readonly taps: readonly TapQuality[];
  /** Empty where it passed. */
  readonly reasons: readonly string[];
}

/** Shares, not percent. */
export const LIMITS = { bulkRelRms: 0.02, cosine: 0.999 } as const;

export const emptyGate = ({ taps, tokens, hidden }: Shape): Gate => {
  const zeros = (): Float64Array => new Float64Array(taps);
  return {
    shape: { taps, tokens, hidden },
    ...{ error: zeros(), energy: zeros(), bulkError: zeros(), bulkEnergy: zeros(), largest: zeros() },
    ...{ cosine: zeros().fill(1), bulkCosine: zeros().fill(1) },
  };
};

interface Batch {
  /** As they were, and as they come back: [row][tap][token][channel]. */
  readonly values: Float32Array;
  readonly decoded: Float32Array;
  /** Per tap. */
  readonly outliers: readonly ArrayLike<number>[];
}

export function addToGate(gate: Gate, { values, decoded, outliers }: Batch): void {
  const { taps, tokens, hidden } = gate.shape;
  const bulk = outliers.map((channels) => {
    const mask = new Uint8Array(hidden).fill(1);
    for (let i = 0; i < channels.length; i++) mask[channels[i]!] = 0;
    return mask;
  });
  for (let token = 0, from = 0; from < values.length; token++, from += hidden) {
    const tap = Math.floor(token / tokens) % taps;
    addToken(gate, tap, { values, decoded, from, bulk: bulk[tap]! });
  }
}

interface Token {
  readonly values: Float32Array;
  readonly decoded: Float32Array;
  readonly from: number;
  readonly bulk: Uint8Array;
}

/** Bulk and outliers are summed apart: the bulk as a difference of large sums would be lost in rounding. */
function addToken(gate: Gate, tap: number, { values, decoded, from, bulk }: Token): void {
  let [error, xx, yy, xy] = [0, 0, 0, 0];
  let [outError, outXx, outYy, outXy] = [0, 0, 0, 0];
  let largest = gate.largest[tap]!;
  for (let d = 0; d < bulk.length; d++) {
    const x = values[from + d]!;
    const y = decoded[from + d]!;
    const e = y - x;
    // Also true for NaN.
    if (!(Math.abs(x) <= largest)) largest = Math.abs(x);
    if (bulk[d] === 1) {
      error += e * e;
      xx += x * x;
      yy += y * y;
      xy += x * y;
    } else {
      outError += e * e;
      outXx += x * x;
      outYy += y * y;
      outXy += x * y;
    }
  }
  gate.largest[tap] = Number.isNaN(largest) ? Number.POSITIVE_INFINITY : largest;
  gate.bulkError[tap] = gate.bulkError[tap]! + error;
  gate.bulkEnergy[tap] = gate.bulkEnergy[tap]! + xx;
  gate.bulkCosine[tap] = Math.min(gate.bulkCosine[tap]!, cosineOf(xx, yy, xy));
  gate.error[tap] = gate.error[tap]! + error + outError;
  gate.energy[tap] = gate.energy[tap]! + xx + outXx;
  gate.cosine[tap] = Math.min(gate.cosine[tap]!, cosineOf(xx + outXx, yy + outYy, xy + outXy));
}

/** Two zero vectors are alike; a zero vector and another one are not. NaN stays one, and `Math.min` keeps it. */
function cosineOf(xx: number, yy: number, xy: number): number {
  if (xx === 0 || yy === 0) return xx === yy ? 1 : 0;
  return xy / Math.sqrt(xx) / Math.sqrt(yy);
}

/** Adds what another batch gave. Sums differ in their last bits with the order of merging. */
export function mergeGate(into: Gate, more: Gate): void {
  for (const key of ['error', 'energy', 'bulkError', 'bulkEnergy'] as const)
    for (let tap = 0; tap < into.shape.taps; tap++) into[key][tap] = into[key][tap]! + more[key][tap]!;
  for (let tap = 0; tap < into.shape.taps; tap++) {
    into.cosine[tap] = Math.min(into.cosine[tap]!, more.cosine[tap]!);
    into.bulkCosine[tap] = Math.min(into.bulkCosine[tap]!, more.bulkCosine[tap]!);
    into.largest[tap] = Math.max(into.largest[tap]!, more.largest[tap]!);
  }
}

/** Relative error; 0 of nothing is none. */
const relative = (error: number, energy: number): number =>
  energy === 0 && error === 0 ? 0 : Math.sqrt(error / energy);

/** @param tapNames as the model says them @param limit |x| that the codec cannot hold any more: `largestOf(codec)` */
export function judge(gate: Gate, tapNames: readonly (number | string)[], limit: number): Verdict {
  const taps = tapNames.map((tap, i) => ({
    tap,
    relRms: relative(gate.error[i]!, gate.energy[i]!),
    bulkRelRms: relative(gate.bulkError[i]!, gate.bulkEnergy[i]!),
    minCosine: gate.cosine[i]!,
    minBulkCosine: gate.bulkCosine[i]!,
    largest: gate.largest[i]!,
  }));
  const reasons = taps.flatMap((quality) => reasonsOf(quality, limit));
  return { passed: reasons.length === 0, taps, reasons };
}

/** Every comparison is of what is right, so that NaN is refused. */
function reasonsOf({ tap, bulkRelRms, minCosine, minBulkCosine, largest }: TapQuality, limit: number): string[] {
  const checks: readonly [boolean, string][] = [
    [
      bulkRelRms <= LIMITS.bulkRelRms,
      `bulk error ${(100 * bulkRelRms).toFixed(2)} %, at most ${100 * LIMITS.bulkRelRms} %`,
    ],
    [minCosine >= LIMITS.cosine, `cosine ${minCosine.toFixed(5)}, at least ${LIMITS.cosine}`],
    [minBulkCosine >= LIMITS.cosine, `bulk cosine ${minBulkCosine.toFixed(5)}, at least ${LIMITS.cosine}`],
    [largest < limit, `largest value ${largest}, below ${limit}`],
  ];
  return checks.filter(([right]) => !right).map(([, text]) => `tap ${tap}: ${text}`);
}
