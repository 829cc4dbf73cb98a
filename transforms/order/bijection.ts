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
 * with left < a = ⌈√size⌉ and right < b = ⌈size / a⌉. @param size below 2^52
 */
export function bijection(size: number, key: number): Bijection {
  const a = ceilRoot(size);
  const b = Math.ceil(size / a);
  const keys = Array.from({ length: ROUNDS }, (_, round) => absorb(key, round));
  const walk = (x: number): number => {
    let left = x % a;
    let right = (x - left) / a;
    for (let round = 0; round < ROUNDS; round += 2) {
      left = (left + mix((right ^ keys[round]!) >>> 0)) % a;
      right = (right + mix((left ^ keys[round + 1]!) >>> 0)) % b;
    }
    return right * a + left;
  };
  const back = (y: number): number => {
    let left = y % a;
    let right = (y - left) / a;
    for (let round = ROUNDS - 2; round >= 0; round -= 2) {
      right = modulo(right - mix((left ^ keys[round + 1]!) >>> 0), b);
      left = modulo(left - mix((right ^ keys[round]!) >>> 0), a);
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

const modulo = (x: number, n: number): number => ((x % n) + n) % n;

/** ⌈√n⌉ without trusting the last bit of a square root. */
function ceilRoot(n: number): number {
  let root = Math.max(1, Math.floor(Math.sqrt(n)) - 1);
  while (root * root < n) root++;
  return root;
}
