import { describe, expect, it } from 'vitest';
import { PrepError } from '../../schemas/errors.ts';
import {
  rigidFromMatrix,
  rigidFromVec6,
  rotationFromEuler,
  rotationFromMatrix,
  rotationFromQuaternion,
} from '../../schemas/geometry.ts';

const at = { episode: 'LAB/success/x', step: 7, field: 'cartesian_position' };
const PLACE = 'episode LAB/success/x, step 7, field cartesian_position';

function thrown(make: () => unknown): PrepError {
  try {
    make();
  } catch (error) {
    if (error instanceof PrepError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

const EYE = [1, 0, 0, 0, 1, 0, 0, 0, 1];
const withEntry = (values: readonly number[], i: number, x: number): number[] => values.with(i, x);

describe('a rotation that is none is refused with the value and the place', () => {
  it.each([
    ['scaled by 1.08', EYE.map((x) => 1.08 * x), 'not-rigid', 'not orthonormal by 0.166'],
    ['sheared', withEntry(EYE, 1, 0.05), 'not-rigid', 'not orthonormal by 0.0500'],
    ['just beyond the tolerance', withEntry(EYE, 1, 0.0011), 'not-rigid', '0.00110000'],
    ['a reflection', withEntry(EYE, 8, -1), 'not-rigid', 'determinant -1'],
    ['zero', EYE.map(() => 0), 'not-rigid', 'not orthonormal by 1.00'],
    ['eight numbers', EYE.slice(1), 'not-rigid', '8 numbers'],
    ['NaN', withEntry(EYE, 4, Number.NaN), 'not-finite', 'NaN'],
    ['infinite', withEntry(EYE, 4, Number.POSITIVE_INFINITY), 'not-finite', 'Infinity'],
  ])('%s', (_, matrix, code, words) => {
    const error = thrown(() => rotationFromMatrix(matrix, at));
    expect(error.code).toBe(code);
    expect(error.message).toContain(words);
    expect(error.message).toContain(PLACE);
    expect(error.at).toEqual(at);
  });
  it('and one that is only rounded is taken', () => {
    expect(() => rotationFromMatrix(withEntry(EYE, 1, 0.0009))).not.toThrow();
  });
});

describe('other forms', () => {
  it.each([
    ['zero', [0, 0, 0, 0], 'not-rigid', 'length 0.00'],
    ['too long', [3, 0, 0, 0], 'not-rigid', 'length 3.00'],
    ['three numbers', [1, 0, 0], 'not-rigid', '3 numbers'],
    ['NaN', [1, 0, Number.NaN, 0], 'not-finite', 'NaN'],
  ])('quaternion: %s', (_, q, code, words) => {
    for (const order of ['wxyz', 'xyzw'] as const) {
      const error = thrown(() => rotationFromQuaternion(q, order, at));
      expect(error.code).toBe(code);
      expect(error.message).toContain(words);
      expect(error.message).toContain(PLACE);
    }
  });
  it.each([
    ['five', [1, 2, 3, 4, 5], 'not-rigid', '5 numbers'],
    ['NaN', [1, 2, Number.NaN, 4, 5, 6], 'not-finite', 'NaN'],
  ])('six numbers: %s', (_, vec, code, words) => {
    const error = thrown(() => rigidFromVec6(vec, at));
    expect([error.code, error.message.includes(words), error.message.includes(PLACE)]).toEqual([code, true, true]);
  });
  it('Euler angles: two of them', () => {
    expect(thrown(() => rotationFromEuler([1, 2], 'intrinsic-xyz', at)).message).toContain('2 numbers');
  });
  it('a 4×4 whose last row is not 0 0 0 1, as a transposed one has', () => {
    const m = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0.1, 0.2, 0.3, 1];
    expect(thrown(() => rigidFromMatrix(m, at)).message).toMatch(/0 0 0 1 as the last row, found 0\.1 0\.2 0\.3 1/);
  });
  it('text and null from JSON, which would turn into numbers without a word', () => {
    for (const bad of ['0.5', null, true, undefined]) {
      const vec = [0.4, 0.1, 0.3, 1, 2, bad] as number[];
      const error = thrown(() => rigidFromVec6(vec, at));
      expect(error.code).toBe('not-finite');
      expect(error.message).toContain(PLACE);
    }
  });
});
