/**
 * Which entry has its turn: integer weights, earliest deadline first (Tijdeman 1980, "The chairman assignment problem"), so that
 * after any number of turns every entry is less than one turn from its share. The sequence repeats after the sum of the weights.
 */
import { PrepError } from '../../schemas/errors.ts';
import { MOST_WEIGHT, SLOT } from '../../schemas/plan.ts';
import { absorb, high, keyOf, low, PURPOSE } from './hash.ts';

export interface Turns {
  /** Sum of the reduced weights. */
  readonly period: number;
  readonly weights: readonly number[];
  /** Entry at a turn. */
  entry(turn: number): number;
  /** Turns of `entry` before `turn`. */
  before(entry: number, turn: number): number;
  /** Turns that the entry of `turn` had before it. */
  rank(turn: number): number;
}

/** @throws PrepError `bad-option` for weights that are not whole numbers above 0, or whose reduced sum is above 65 536 */
export function turnsOf(given: readonly number[]): Turns {
  const weights = reduced(given);
  const period = weights.reduce((a, b) => a + b, 0);
  const { order, ranks } = onePeriod(weights, period);
  const starts = weights.map(() => new Int32Array(0));
  for (const [k, weight] of weights.entries()) starts[k] = new Int32Array(weight);
  for (let i = 0; i < period; i++) starts[order[i]!]![ranks[i]!] = i;
  return {
    period,
    weights,
    entry: (turn) => order[turn % period]!,
    before: (k, turn) => Math.floor(turn / period) * weights[k]! + lowerBound(starts[k]!, turn % period),
    rank: (turn) => Math.floor(turn / period) * weights[order[turn % period]!]! + ranks[turn % period]!,
  };
}

function reduced(weights: readonly number[]): number[] {
  const bad = weights.find((weight) => !Number.isSafeInteger(weight) || weight < 1);
  if (bad !== undefined || weights.length === 0)
    throw new PrepError({
      code: 'bad-option',
      at: { field: 'weight' },
      expected: 'whole numbers above 0',
      found: String(bad ?? 'no entry'),
    });
  const divisor = weights.reduce(greatestDivisor);
  const least = weights.map((weight) => weight / divisor);
  const sum = least.reduce((a, b) => a + b, 0);
  if (sum <= MOST_WEIGHT) return least;
  throw new PrepError({
    code: 'bad-option',
    at: { field: 'weight' },
    expected: `weights whose sum, reduced, is at most ${MOST_WEIGHT}`,
    found: String(sum),
    remedy: 'round them',
  });
}

const greatestDivisor = (a: number, b: number): number => (b === 0 ? a : greatestDivisor(b, a % b));

/** Among the entries that are behind (total · had < turn-in-progress · weight) the one whose next turn is due first. */
function onePeriod(weights: readonly number[], period: number): { order: Int32Array; ranks: Int32Array } {
  const [order, ranks] = [new Int32Array(period), new Int32Array(period)];
  const had = weights.map(() => 0);
  for (let t = 0; t < period; t++) {
    let best = -1;
    for (const [k, weight] of weights.entries()) {
      if (period * had[k]! >= (t + 1) * weight) continue;
      // (had + 1) / weight < (had' + 1) / weight', in whole numbers
      if (best < 0 || (had[k]! + 1) * weights[best]! < (had[best]! + 1) * weight) best = k;
    }
    order[t] = best;
    ranks[t] = had[best]!;
    had[best] = had[best]! + 1;
  }
  return { order, ranks };
}

function lowerBound(sorted: Int32Array, value: number): number {
  let [from, to] = [0, sorted.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (sorted[middle]! < value) from = middle + 1;
    else to = middle;
  }
  return from;
}

/** Permutation of one slot: which of its turns each draw takes. @param into 16 numbers, overwritten */
export function slotOrder(seed: number, slot: number, into: Uint8Array): Uint8Array {
  const key = keyOf(seed, PURPOSE.slot, low(slot), high(slot));
  for (let i = 0; i < SLOT; i++) into[i] = i;
  for (let i = SLOT - 1; i > 0; i--) {
    const j = absorb(key, i) % (i + 1);
    [into[i], into[j]] = [into[j]!, into[i]!];
  }
  return into;
}
