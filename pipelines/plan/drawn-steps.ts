/** Which steps a plan draws: one bit per eligible step, filled by going through the draws once. */
import type { Segment } from '../../schemas/plan.ts';
import type { DrawnSteps } from '../../sinks/lacking.ts';
import { segmentOrder } from '../../transforms/order/draws.ts';
import type { Domain } from './domain.ts';

/** Drawn ordinals of each domain. */
export type Marks = ReadonlyMap<number, Uint8Array>;

export const newMarks = (domains: ReadonlyMap<number, Pick<Domain, 'size'>>): Marks =>
  new Map([...domains].map(([id, { size }]) => [id, new Uint8Array(Math.ceil(size / 8))]));

export function mark(marks: Marks, domain: number, ordinal: number): void {
  const bits = marks.get(domain);
  if (bits) bits[ordinal >>> 3]! |= 1 << (ordinal & 7);
}

/** Marks the draws of one dataset's entries. */
export function markDraws(marks: Marks, segment: Segment, dataset: string): void {
  const order = segmentOrder(segment);
  const mine = segment.entries.map((entry) => entry.dataset === dataset);
  for (let t = segment.start; t < segment.start + segment.draws; t++) {
    const { entry, domain, ordinal } = order.draw(t);
    if (mine[entry]) mark(marks, domain, ordinal);
  }
}

/** @param domains of one dataset */
export function drawnSteps(domains: ReadonlyMap<number, Domain>, marks: Marks): DrawnSteps {
  const drawn = [...marks].flatMap(([id, bits]) => {
    const domain = domains.get(id);
    return domain ? [{ domain, bits }] : [];
  });
  return {
    of(episodeKey) {
      const lists = drawn.map(({ domain, bits }) => drawnOf(domain, bits, episodeKey));
      const steps = lists.length === 1 ? lists[0]! : [...new Set(lists.flat())];
      return Int32Array.from(steps).sort();
    },
  };
}

function drawnOf({ keys, starts, ends, firsts }: Domain, bits: Uint8Array, episodeKey: bigint): number[] {
  const steps: number[] = [];
  for (let i = firstRange(keys, episodeKey); keys[i] === episodeKey; i++) {
    const before = firsts[i]! - starts[i]!;
    for (let step = starts[i]!; step < ends[i]!; step++) {
      const ordinal = before + step;
      const byte = bits[ordinal >>> 3]!;
      // Few of an episode's steps are drawn: eight are passed over together.
      if (byte === 0) step += 7 - (ordinal & 7);
      else if (byte & (1 << (ordinal & 7))) steps.push(step);
    }
  }
  return steps;
}

/** Index of the first range of a key, or of what would stand there. */
function firstRange(keys: BigInt64Array, key: bigint): number {
  let [from, to] = [0, keys.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (keys[middle]! < key) from = middle + 1;
    else to = middle;
  }
  return from;
}
