/** Rules of a filter on single episodes, from what a ledger says. */
import { describe, expect, it } from 'vitest';
import { eligible, hashShare, lastValidStep, lastValidStepOf } from '../../pipelines/plan/eligible.ts';
import type { CameraCalibration } from '../../schemas/episode.ts';
import type { Filter } from '../../schemas/mixture.ts';
import type { PlannableEpisode } from '../../sinks/planning.ts';
import { syntheticShape } from '../sinks/synthetic.ts';

const { metadata } = syntheticShape();
const camera = (quality: CameraCalibration['quality']): CameraCalibration => ({
  source: 'release',
  intrinsics_source: 'release',
  quality,
  reason: null,
  detail: null,
  measures: {},
});
const EPISODE: PlannableEpisode = {
  episode: 'LAB/success/1',
  episodeKey: 12_345_678_901_234n,
  steps: 100,
  robot: 'toy',
  hz: 15,
  instructions: [' ', 'pick'],
  split: 'train',
  success: null,
  flagRuns: [
    { flag: 'idle', start: 10, end: 20 },
    { flag: 'idle', start: 15, end: 30 },
    { flag: 'clock_gap', start: 95, end: 100 },
  ],
  calibration: { ext1: camera('good'), hand: camera('unusable') },
};
const judge = (filter: Filter, change: Partial<PlannableEpisode> = {}, reference: 'third' | 'wrist' = 'third') =>
  eligible({ ...EPISODE, ...change }, { filter, metadata, reference }, (valid) => lastValidStep(100, valid, 1));

describe('a filter', () => {
  it.each<[Filter, Partial<PlannableEpisode>, string | null]>([
    [{}, {}, null],
    [{ robot: ['toy'] }, {}, null],
    [{ robot: ['ur5'] }, {}, 'robot'],
    [{ split: ['val'] }, {}, 'split'],
    [{ episode: '^LAB/' }, {}, null],
    [{ episode: '^OTHER/' }, {}, 'episode'],
    [{ not_episode: 'success' }, {}, 'not_episode'],
    [{}, { success: false }, 'success not-failure'],
    [{ success: 'any' }, { success: false }, null],
    [{ success: 'success' }, {}, 'success success'],
    [{ has_instruction: true }, {}, null],
    [{ has_instruction: true }, { instructions: ['  '] }, 'has_instruction'],
    [{ min_steps: 101 }, {}, 'min_steps'],
    [{ calibration: ['karlp-superset'] }, {}, 'calibration'],
    [{ quality: ['good'] }, {}, null],
    [{ quality: ['suspect'] }, {}, 'quality'],
  ])('%j on %j: %s', (filter, change, rule) => {
    const { ranges, removed } = judge(filter, change);
    if (rule === null) expect(ranges).toEqual([{ start: 0, end: 99 }]);
    else expect([ranges, removed]).toEqual([[], [[rule, 100]]]);
  });

  it('takes steps with a flag, where runs overlap too', () => {
    const { ranges, removed } = judge({ without_flags: ['idle', 'clock_gap'] });
    expect(ranges).toEqual([
      { start: 0, end: 10 },
      { start: 30, end: 95 },
    ]);
    expect(removed).toEqual([
      ['min_valid 1', 1],
      ['without_flags idle', 20],
      ['without_flags clock_gap', 4],
    ]);
  });

  it('leaves no episode whose new reference camera is not known', () => {
    expect(judge({}, {}, 'wrist').removed).toEqual([['reference', 100]]);
    expect(judge({}, { calibration: { hand: camera('unchecked') } }, 'wrist').ranges).toHaveLength(1);
    expect(judge({}, { calibration: {} }, 'wrist').removed).toEqual([['reference', 100]]);
    // The table's own camera was judged when the episode was kept.
    expect(judge({}, { calibration: {} }).ranges).toHaveLength(1);
  });
});

it('the last valid step by time stamps is that of the even clock where they are even', () => {
  for (const hz of [5, 15, 30])
    for (const valid of [0, 1, 7, 32])
      for (const steps of [2, 9, 200]) {
        const time = Float64Array.from({ length: steps }, (_, i) => i / hz);
        const dt = 1 / 15;
        expect(Math.max(-1, lastValidStepOf(time, valid, dt))).toBe(Math.max(-1, lastValidStep(steps, valid, dt * hz)));
      }
});

it('a share of keys is about that share, and nests with the share', () => {
  const shares = Array.from({ length: 20_000 }, (_, i) =>
    hashShare((BigInt(i) * 0x9e3779b97f4a7c15n) & 0x7fff_ffff_ffff_ffffn, 3),
  );
  const half = shares.filter((share) => share < 0.5).length / shares.length;
  // Five deviations of 20 000 draws.
  expect(Math.abs(half - 0.5)).toBeLessThan(5 * Math.sqrt(0.25 / shares.length));
  expect(Math.min(...shares)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...shares)).toBeLessThan(1);
});
