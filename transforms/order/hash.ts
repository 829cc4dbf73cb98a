/**
 * Keyed 32-bit hashing by which every order is decided. Words are unsigned 32-bit; the Python client computes the same
 * numbers. Mixing function: "lowbias32" of Chris Wellons' hash prospector (bias 0.17).
 */

/** What a key is for: two orders never share numbers. */
export const PURPOSE = { slot: 1, run: 2, step: 3, seed: 4, episode: 5 } as const;

export function mix(x: number): number {
  let h = x;
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
  return (h ^ (h >>> 16)) >>> 0;
}

const GOLDEN = 0x9e3779b9;

/** One more word into a key. */
export const absorb = (key: number, word: number): number => mix(((key ^ word) + GOLDEN) >>> 0);

/** A number up to 2^53 as two words. */
export const low = (x: number): number => x % 2 ** 32;
export const high = (x: number): number => Math.floor(x / 2 ** 32);

/** Key of a seed for a purpose and further words. */
export function keyOf(seed: number, ...words: readonly number[]): number {
  let key = absorb(absorb(0x70726570, low(seed)), high(seed));
  for (const word of words) key = absorb(key, word);
  return key;
}
