/** The eligible steps of one domain, counted by ordinals: episodes by key, then steps. Typed arrays, because there may be a million. */
import type { StepRange } from './eligible.ts';

export interface Domain {
  /** Number of eligible steps. */
  readonly size: number;
  /** One per range, ascending by key, then start. */
  readonly keys: BigInt64Array;
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  /** Ordinal of each range's first step. */
  readonly firsts: Float64Array;
  /** What the caller gave with each episode. */
  readonly notes: Int32Array;
}

export interface DomainBuilder {
  add(episodeKey: bigint, ranges: readonly StepRange[], note: number): void;
  build(): Domain;
}

export function domainBuilder(): DomainBuilder {
  let count = 0;
  let [keys, starts, ends, notes] = [
    new BigInt64Array(1024),
    new Int32Array(1024),
    new Int32Array(1024),
    new Int32Array(1024),
  ];
  return {
    add(episodeKey, ranges, note) {
      for (const { start, end } of ranges) {
        if (count === keys.length) {
          [keys, starts, ends, notes] = [grown(keys), grown(starts), grown(ends), grown(notes)];
        }
        keys[count] = episodeKey;
        starts[count] = start;
        ends[count] = end;
        notes[count] = note;
        count++;
      }
    },
    build: () =>
      sorted(keys.subarray(0, count), starts.subarray(0, count), ends.subarray(0, count), notes.subarray(0, count)),
  };
}

function grown<T extends BigInt64Array | Int32Array>(values: T): T {
  const larger = new (values.constructor as new (length: number) => T)(values.length * 2);
  (larger as Int32Array).set(values as Int32Array);
  return larger;
}

/** @param starts one per range; ranges of an episode need not stand together */
export function sorted(keys: BigInt64Array, starts: Int32Array, ends: Int32Array, notes: Int32Array): Domain {
  // Comparing halves is several times faster than comparing BigInts.
  const halves = new Uint32Array(keys.buffer, keys.byteOffset, keys.length * 2);
  const order = Uint32Array.from({ length: keys.length }, (_, i) => i).sort(
    (a, b) => halves[2 * a + 1]! - halves[2 * b + 1]! || halves[2 * a]! - halves[2 * b]! || starts[a]! - starts[b]!,
  );
  const pick = <T extends BigInt64Array | Int32Array>(values: T): T => {
    const out = new (values.constructor as new (length: number) => T)(values.length);
    for (let i = 0; i < order.length; i++) out[i] = values[order[i]!]!;
    return out;
  };
  const [sortedStarts, sortedEnds] = [pick(starts), pick(ends)];
  const firsts = new Float64Array(order.length);
  let size = 0;
  for (let i = 0; i < order.length; i++) {
    firsts[i] = size;
    size += sortedEnds[i]! - sortedStarts[i]!;
  }
  return { size, keys: pick(keys), starts: sortedStarts, ends: sortedEnds, firsts, notes: pick(notes) };
}

/** Index of the range that holds an ordinal. O(log ranges). */
export function rangeOf({ firsts }: Domain, ordinal: number): number {
  let [from, to] = [0, firsts.length];
  while (to - from > 1) {
    const middle = (from + to) >>> 1;
    if (firsts[middle]! <= ordinal) from = middle;
    else to = middle;
  }
  return from;
}
