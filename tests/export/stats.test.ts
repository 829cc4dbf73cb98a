/** Statistics of LeRobot exports: laws. Their values are held against numpy's in `export.test.ts`. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { ExportSet } from '../../sinks/export/format.ts';
import { lerobot } from '../../sinks/export/lerobot/lerobot.ts';
import { sampledFrames } from '../../sinks/export/lerobot/pictures.ts';
import { imageStats, mergeStats, newHistogram, numberStats } from '../../sinks/export/lerobot/stats.ts';
import { tarMember } from '../../sinks/export/tar.ts';

const rows = (length: number) =>
  fc.array(fc.array(fc.double({ min: -100, max: 100, noNaN: true }), { minLength: 3, maxLength: 3 }), {
    minLength: length,
    maxLength: 40,
  });

it('of two parts are those of the whole; the outer quantiles are bounds', () => {
  fc.assert(
    fc.property(rows(1), rows(1), (a, b) => {
      const merged = mergeStats(numberStats(a, 3), numberStats(b, 3));
      const whole = numberStats([...a, ...b], 3);
      expect(merged.count).toBe(whole.count);
      for (let i = 0; i < 3; i++) {
        expect([merged.min[i], merged.max[i]]).toEqual([whole.min[i], whole.max[i]]);
        expect(merged.mean[i]).toBeCloseTo(whole.mean[i]!, 9);
        expect(merged.std[i]).toBeCloseTo(whole.std[i]!, 6);
        const [one, two] = [numberStats(a, 3), numberStats(b, 3)];
        expect(merged.q10[i]).toBe(Math.min(one.q10[i]!, two.q10[i]!));
        expect(merged.q90[i]).toBe(Math.max(one.q90[i]!, two.q90[i]!));
      }
    }),
  );
});

it('pass unknown values over', () => {
  const stats = numberStats(
    [
      [1, Number.NaN, 0],
      [3, Number.NaN, Number.NaN],
    ],
    3,
  );
  expect(stats).toMatchObject({ mean: [2, 0, 0], min: [1, 0, 0], max: [3, 0, 0], std: [1, 0, 0], count: 2 });
});

it('of pictures are in 0 … 1', () => {
  const histogram = newHistogram();
  histogram[0][255] = 4;
  histogram[1][0] = 2;
  histogram[1][51] = 2;
  histogram[2][0] = 4;
  expect(imageStats(histogram, 1)).toMatchObject({
    mean: [1, 0.1, 0],
    max: [1, 0.2, 0],
    q50: [1, 0.1, 0],
    std: [0, 0.1, 0],
  });
});

it.each([
  [1, 1],
  [99, 99],
  [101, 100],
  [1000, 177],
  [2000, 299],
  [20_000, 1681],
])('look at as many of %i frames as LeRobot does', (frames, count) => {
  const looked = sampledFrames(frames);
  expect(looked.size).toBe(count);
  expect([Math.min(...looked), Math.max(...looked)]).toEqual([0, frames - 1]);
});

it('LeRobot is refused where episodes have several rates', () => {
  const set = { kind: 'dataset', hz: null, shape: { arms: 1, roles: [], steps: 1 }, image: { width: 16, height: 16 } };
  const create = () => Promise.reject(new Error('nothing is written'));
  expect(() => lerobot(set as unknown as ExportSet, create)).toThrow(/bad-option .*--format.*one rate.*found several/);
});

it('a tar refuses a name that would be cut', () => {
  expect(() => tarMember('x'.repeat(101), new Uint8Array())).toThrow(/at most 100 bytes/);
});
