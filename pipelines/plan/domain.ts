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
  readonly buckets: Uint32Array;
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

/** @param starts one per range; ranges of an episode need not stand together. What is sorted already is taken as it is. */
export function sorted(keys: BigInt64Array, starts: Int32Array, ends: Int32Array, notes: Int32Array): Domain {
  // Comparing halves is several times faster than comparing BigInts; the top bit of a key is never set.
  const halves = new Uint32Array(keys.buffer, keys.byteOffset, keys.length * 2);
  const compare = (a: number, b: number): number =>
    halves[2 * a + 1]! - halves[2 * b + 1]! || halves[2 * a]! - halves[2 * b]! || starts[a]! - starts[b]!;
  let ordered = true;
  for (let i = 1; i < keys.length && ordered; i++) ordered = compare(i - 1, i) <= 0;
  if (ordered) return counted({ keys, starts, ends, notes });
  const order = Uint32Array.from({ length: keys.length }, (_, i) => i).sort(compare);
  const pick = <T extends BigInt64Array | Int32Array>(values: T): T => {
    const out = new (values.constructor as new (length: number) => T)(values.length);
    for (let i = 0; i < order.length; i++) out[i] = values[order[i]!]!;
    return out;
  };
  return counted({ keys: pick(keys), starts: pick(starts), ends: pick(ends), notes: pick(notes) });
}

function counted(ranges: Pick<Domain, 'keys' | 'starts' | 'ends' | 'notes'>): Domain {
  const { starts, ends } = ranges;
  const firsts = new Float64Array(starts.length);
  let size = 0;
  for (let i = 0; i < starts.length; i++) {
    firsts[i] = size;
    size += ends[i]! - starts[i]!;
  }
  return { ...ranges, size, firsts, buckets: bucketsOf(firsts, size) };
}

/** For every so many ordinals the range that holds the first of them: where a search begins. About one range per bucket. */
function bucketsOf(firsts: Float64Array, size: number): Uint32Array {
  const count = Math.max(1, firsts.length);
  const buckets = new Uint32Array(count);
  let range = 0;
  for (let bucket = 0; bucket < count; bucket++) {
    const ordinal = Math.floor((bucket * size) / count);
    while (range + 1 < firsts.length && firsts[range + 1]! <= ordinal) range++;
    buckets[bucket] = range;
  }
  return buckets;
}

/** Index of the range that holds an ordinal: from its bucket's first range on, which is rarely more than a few away. */
export function rangeOf({ firsts, buckets, size }: Domain, ordinal: number): number {
  let range = buckets[Math.min(buckets.length - 1, Math.floor((ordinal * buckets.length) / size))]!;
  // Rounding may have put the ordinal into the bucket behind its own.
  while (firsts[range]! > ordinal) range--;
  while (range + 1 < firsts.length && firsts[range + 1]! <= ordinal) range++;
  return range;
}
