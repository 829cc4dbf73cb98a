/** A keyed permutation of 0 … size − 1 that needs no memory: Feistel over a rectangle, cycle walking back into the range. */
import { absorb, mix } from './hash.ts';

/** Enough that neighbours and halves are independent (tested by chi square); even, so that both halves change. */
const ROUNDS = 6;

export interface Bijection {
  readonly size: number;
  /** Where `x` goes. O(1); the expected number of walks is below 2. */
  at(x: number): number;
  /** Where `y` comes from. */
  inverse(y: number): number;
}

/**
 * Generalised Feistel of Black and Rogaway (2002), "Ciphers with arbitrary finite domains", method 3: x = right · a + left
 * with left < a = ⌈√size⌉ and right < b = ⌈size / a⌉. @param size at most 2^42
 */
export function bijection(size: number, key: number): Bijection {
  const a = ceilRoot(size);
  const b = Math.ceil(size / a);
  const keys = Array.from({ length: ROUNDS }, (_, round) => absorb(key, round));
  const walk = (x: number): number => {
    let left = x % a;
    let right = (x - left) / a;
    for (let round = 0; round < ROUNDS; round += 2) {
      left += shift(right, keys[round]!, a);
      if (left >= a) left -= a;
      right += shift(left, keys[round + 1]!, b);
      if (right >= b) right -= b;
    }
    return right * a + left;
  };
  const back = (y: number): number => {
    let left = y % a;
    let right = (y - left) / a;
    for (let round = ROUNDS - 2; round >= 0; round -= 2) {
      right -= shift(left, keys[round + 1]!, b);
      if (right < 0) right += b;
      left -= shift(right, keys[round]!, a);
      if (left < 0) left += a;
    }
    return right * a + left;
  };
  const until = (step: (x: number) => number, x: number): number => {
    let y = step(x);
    while (y >= size) y = step(y);
    return y;
  };
  return { size, at: (x) => until(walk, x), inverse: (y) => until(back, y) };
}

/** A number below `range` from the other half: a hash scaled down, exact in float64 while `range` is below 2^21. */
const shift = (half: number, key: number, range: number): number =>
  Math.floor((mix((half ^ key) >>> 0) * range) / 2 ** 32);

/** ⌈√n⌉ without trusting the last bit of a square root. */
function ceilRoot(n: number): number {
  let root = Math.max(1, Math.floor(Math.sqrt(n)) - 1);
  while (root * root < n) root++;
  return root;
}
