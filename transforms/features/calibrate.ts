/** Which channels of a tap are kept apart: those of largest mean square over a calibration set. */
import type { Shape } from './int8.ts';

/** Sums of squares, [tap][channel]. The sums of several calibration sets may be added up. */
export interface Squares extends Shape {
  readonly sums: Float64Array;
}

export const emptySquares = ({ taps, tokens, hidden }: Shape): Squares => ({
  ...{ taps, tokens, hidden },
  sums: new Float64Array(taps * hidden),
});

/** @param values [row][tap][token][channel] */
export function addSquares({ taps, tokens, hidden, sums }: Squares, values: Float32Array): void {
  for (let token = 0, from = 0; from < values.length; token++, from += hidden) {
    const to = (Math.floor(token / tokens) % taps) * hidden;
    for (let d = 0; d < hidden; d++) {
      const x = values[from + d]!;
      sums[to + d] = sums[to + d]! + x * x;
    }
  }
}

export function mergeSquares(into: Squares, { sums }: Squares): void {
  for (let i = 0; i < sums.length; i++) into.sums[i] = into.sums[i]! + sums[i]!;
}

/** Per tap the `count` channels of largest mean square, ascending; of equal ones the lower (numpy's stable argsort of −x²). */
export function outliersOf({ taps, hidden, sums }: Squares, count: number): number[][] {
  return Array.from({ length: taps }, (_, tap) => {
    const own = sums.subarray(tap * hidden, (tap + 1) * hidden);
    const order = Array.from(own.keys()).sort((a, b) => own[b]! - own[a]!);
    return order.slice(0, count).sort((a, b) => a - b);
  });
}
