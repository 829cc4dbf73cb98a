/**
 * Sylvester's Hadamard transform, H₁ = [1], H₂ₙ = [[H, H], [H, −H]], on consecutive blocks. It spreads a channel over its
 * whole block, so that one scale per token fits all of them (QuaRot, arXiv 2404.00456).
 */

/** The largest power of two that divides `hidden`: one block for 2048, blocks of 32 for 96. */
export const blockOf = (hidden: number): number => hidden & -hidden;

const f = Math.fround;

/** 1/√block as a float32: with it H is its own inverse. */
export const normOf = (block: number): number => f(1 / Math.sqrt(block));

/**
 * In place, without the factor 1/√block; float32 sums in the natural order of stages, so that bits are the same
 * everywhere. Whole numbers stay exact while they are below 2^24.
 */
export function butterflies(values: Float32Array, block: number): void {
  for (let from = 0; from < values.length; from += block) {
    let width = 1;
    for (; 4 * width <= block; width *= 4) twoStages(values, from, { block, width });
    if (width < block) oneStage(values, from, width);
  }
}

/** In place: orthonormal, its own inverse. One multiplication at the end. */
export function hadamard(values: Float32Array, block: number): void {
  butterflies(values, block);
  const norm = normOf(block);
  for (let i = 0; i < values.length; i++) values[i] = f(values[i]! * norm);
}

/** Stages of pairs `width` and `2 · width` apart at once: half the loads and stores, the same sums. */
function twoStages(values: Float32Array, from: number, { block, width }: { block: number; width: number }): void {
  for (let first = from; first < from + block; first += 4 * width)
    for (let i = first; i < first + width; i++) {
      const j = i + width;
      const k = j + width;
      const l = k + width;
      const a = f(values[i]! + values[j]!);
      const b = f(values[i]! - values[j]!);
      const c = f(values[k]! + values[l]!);
      const d = f(values[k]! - values[l]!);
      values[i] = f(a + c);
      values[j] = f(b + d);
      values[k] = f(a - c);
      values[l] = f(b - d);
    }
}

/** The last stage of a block of 2 · `width`. */
function oneStage(values: Float32Array, from: number, width: number): void {
  for (let i = from; i < from + width; i++) {
    const a = values[i]!;
    const b = values[i + width]!;
    values[i] = f(a + b);
    values[i + width] = f(a - b);
  }
}
