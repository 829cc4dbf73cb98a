/** Which draws of a plan are the first of their step: the frames that features are made for, in the order of training. */
import type { Store } from '../../sinks/store.ts';
import { openDomains, type PlanRows } from '../mixed/plan-rows.ts';

export interface FirstDraws {
  /** Whether no draw before this one is of the same step. */
  is(draw: number): boolean;
  /** First draws from `from` up to, not including, `to`. */
  count(from: number, to: number): number;
}

/**
 * One walk over all draws with one bit per step of the drawn episodes (160 MB for 1.26 G steps). Passes do not repeat a
 * step, but entries may overlap, and a later segment may draw what an earlier one has drawn.
 */
export async function firstDraws(store: Store, rows: PlanRows): Promise<FirstDraws> {
  const numbers = await stepNumbers(store, rows);
  const seen = new Uint8Array(Math.ceil(numbers.size / 8));
  const first = new Uint8Array(Math.ceil(rows.draws / 8));
  for (let draw = 0; draw < rows.draws; draw++) {
    const { dataset, episodeKey, step } = rows.place(draw);
    const number = numbers.of(dataset, episodeKey) + step;
    const bit = 1 << (number & 7);
    const byte = Math.floor(number / 8);
    if (seen[byte]! & bit) continue;
    seen[byte]! |= bit;
    first[draw >>> 3]! |= 1 << (draw & 7);
  }
  const is = (draw: number): boolean => (first[draw >>> 3]! & (1 << (draw & 7))) !== 0;
  return {
    is,
    count(from, to) {
      let count = 0;
      for (let draw = from; draw < to; draw++) if (is(draw)) count++;
      return count;
    },
  };
}

interface StepNumbers {
  readonly size: number;
  /** Number of an episode's step 0. */
  of(dataset: string, episodeKey: bigint): number;
}

async function stepNumbers(store: Store, { plan, segments }: PlanRows): Promise<StepNumbers> {
  const datasets = new Map<number, string>();
  for (const { segment } of segments)
    for (const { dataset, runs } of segment.entries)
      for (const { pieces } of runs) for (const { domain } of pieces) datasets.set(domain, dataset);
  const lengths = new Map<string, Map<bigint, number>>();
  for (const [id, { keys, ends }] of await openDomains(store, plan, segments)) {
    const dataset = datasets.get(id);
    if (dataset === undefined) continue;
    const own = lengths.get(dataset) ?? new Map<bigint, number>();
    lengths.set(dataset, own);
    for (const [i, key] of keys.entries()) own.set(key, Math.max(own.get(key) ?? 0, ends[i]!));
  }
  let size = 0;
  for (const own of lengths.values())
    for (const [key, length] of own) {
      own.set(key, size);
      size += length;
    }
  return { size, of: (dataset, key) => lengths.get(dataset)!.get(key)! };
}
