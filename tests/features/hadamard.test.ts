/** The Hadamard transform against `scipy.linalg.hadamard`, and its laws. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blockOf, butterflies, hadamard } from '../../transforms/features/hadamard.ts';
import { bytes, differences, floats, golden } from './golden.ts';

interface Case {
  readonly hidden: number;
  readonly block: number;
  readonly whole: string;
  readonly sums: string;
  readonly x: string;
  readonly y: string;
}

describe.each(golden<readonly Case[]>('hadamard'))('hadamard of $hidden in blocks of $block', (one) => {
  it('chooses the block', () => expect(blockOf(one.hidden)).toBe(one.block));

  it('is exact on whole numbers', () => {
    const found = Float32Array.from(bytes(one.whole));
    butterflies(found, one.block);
    expect(found).toEqual(floats(one.sums));
  });

  it('is orthonormal, to float32 rounding', () => {
    const found = floats(one.x);
    hadamard(found, one.block);
    expect(differences(found, floats(one.y)).most).toBeLessThan(2e-6);
  });

  it('is its own inverse', () => {
    const found = floats(one.x);
    hadamard(found, one.block);
    hadamard(found, one.block);
    expect(differences(found, floats(one.x)).most).toBeLessThan(2e-6);
  });
});

describe('hadamard', () => {
  it('turns the blocks of a batch as it turns each', () => {
    const block = fc.integer({ min: 0, max: 6 }).map((n) => 2 ** n);
    fc.assert(
      fc.property(block, fc.integer({ min: 1, max: 5 }), fc.integer(), (size, count, seed) => {
        const x = Float32Array.from({ length: size * count }, (_, i) => Math.sin(seed + 1.7 * i));
        const whole = x.slice();
        hadamard(whole, size);
        const apart = Array.from({ length: count }, (_, i) => {
          const one = x.slice(i * size, (i + 1) * size);
          hadamard(one, size);
          return Array.from(one);
        });
        expect(Array.from(whole)).toEqual(apart.flat());
      }),
      { numRuns: 30 },
    );
  });
});
