import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Fit, fitIntrinsics, placement } from '../../transforms/letterbox.ts';
import { type IntrinsicsCase, SIZE, table } from './expected.ts';

const MODES: readonly Fit['mode'][] = ['letterbox', 'crop', 'stretch'];
const side = fc.integer({ min: 1, max: 4096 });
const numbers = (p: ReturnType<typeof placement>) => [p.scaledWidth, p.scaledHeight, p.offsetX, p.offsetY];

describe.each(table.intrinsics.map((row) => [`${row.width}x${row.height} ${row.fit}`, row] as const))(
  '%s',
  (_, row) => {
    const fit: Fit = { mode: row.fit, size: SIZE };

    test('lies where the table of numpy says', () => {
      expect(numbers(placement(row.width, row.height, fit))).toEqual(row.placement);
    });

    test('a point projected through the fitted intrinsics is the resized pixel, to 1e-6 px', () => {
      for (const [i, point] of row.points.entries()) {
        const [u, v] = project(row, fit, point);
        expect(u).toBeCloseTo(row.pixels[i]![0], 6);
        expect(v).toBeCloseTo(row.pixels[i]![1], 6);
      }
    });
  },
);

function project({ width, height, k }: IntrinsicsCase, fit: Fit, [x, y, z]: readonly [number, number, number]) {
  const [fx, fy, cx, cy] = k;
  const fitted = fitIntrinsics({ fx, fy, cx, cy }, { width, height }, fit);
  return [(fitted.fx * x) / z + fitted.cx, (fitted.fy * y) / z + fitted.cy] as const;
}

test('known placements', () => {
  const at = (width: number, height: number, mode: Fit['mode']) =>
    numbers(placement(width, height, { mode, size: 256 }));
  expect(at(320, 180, 'letterbox')).toEqual([256, 144, 0, 56]);
  expect(at(180, 320, 'letterbox')).toEqual([144, 256, 56, 0]);
  expect(at(323, 181, 'letterbox')).toEqual([256, 143, 0, 56]); // bars of 56 and 57: the odd row is below
  expect(at(320, 180, 'crop')).toEqual([455, 256, -100, 0]);
  expect(at(320, 180, 'stretch')).toEqual([256, 256, 0, 0]);
  expect(at(4000, 3, 'letterbox')).toEqual([256, 1, 0, 127]); // never thinner than a pixel
});

test('letterbox: the picture lies inside the square and touches two sides; crop: it covers the square', () => {
  fc.assert(
    fc.property(side, side, (width, height) => {
      const box = placement(width, height, { mode: 'letterbox', size: SIZE });
      expect(Math.max(box.scaledWidth, box.scaledHeight)).toBe(SIZE);
      expect(Math.min(box.offsetX, box.offsetY)).toBe(0);
      const bars = [SIZE - box.scaledWidth - 2 * box.offsetX, SIZE - box.scaledHeight - 2 * box.offsetY];
      for (const unevenness of bars) expect([0, 1]).toContain(unevenness);
      const cover = placement(width, height, { mode: 'crop', size: SIZE });
      expect(Math.min(cover.scaledWidth, cover.scaledHeight)).toBe(SIZE);
      expect(cover.offsetX + cover.scaledWidth).toBeGreaterThanOrEqual(SIZE);
      expect(cover.offsetY + cover.scaledHeight).toBeGreaterThanOrEqual(SIZE);
      expect(Math.max(cover.offsetX, cover.offsetY)).toBeLessThanOrEqual(0);
    }),
  );
});

test('the centre of the picture stays its centre, and a picture of the right size keeps its intrinsics', () => {
  fc.assert(
    fc.property(side, side, fc.constantFrom(...MODES), (width, height, mode) => {
      const fit: Fit = { mode, size: SIZE };
      const k = { fx: width, fy: height, cx: (width - 1) / 2, cy: (height - 1) / 2 };
      const { scaledWidth, scaledHeight, offsetX, offsetY } = placement(width, height, fit);
      const fitted = fitIntrinsics(k, { width, height }, fit);
      expect(fitted.cx).toBeCloseTo(offsetX + (scaledWidth - 1) / 2, 9);
      expect(fitted.cy).toBeCloseTo(offsetY + (scaledHeight - 1) / 2, 9);
      expect(fitted.fx).toBeCloseTo(scaledWidth, 9);
      expect(fitted.fy).toBeCloseTo(scaledHeight, 9);
    }),
  );
  const k = { fx: 201.5, fy: 199.25, cx: 120.125, cy: 130.75 };
  for (const mode of MODES) expect(fitIntrinsics(k, { width: 256, height: 256 }, { mode, size: 256 })).toEqual(k);
});
