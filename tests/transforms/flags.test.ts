import { describe, expect, it } from 'vitest';
import { rotationFromEuler } from '../../schemas/geometry.ts';
import { FLAGS, flagBit } from '../../schemas/row.ts';
import { flagColumn, idleRuns, outsideKeepRanges, wholeEpisode } from '../../transforms/flags.ts';
import { arm, at, episodeOf } from './case.ts';

/** An episode whose joint-velocity commands are `values`, one joint; the arm itself stands still. */
function commanded(values: readonly number[], width = 1) {
  const steps = values.length / width;
  const poses = Array.from({ length: steps }, () => at(0.5, 0, 0.3));
  return episodeOf([arm(poses)], { jointVelocityCommand: { width, values: Float64Array.from(values) } });
}
/** `still` changes of less than the threshold, between moving ends. */
const withStill = (still: number): number[] => [0, 0.1, 0.2, ...Array(still).fill(0.2), 0.3, 0.4];
const ranges = (runs: readonly { start: number; end: number }[]) => runs.map(({ start, end }) => [start, end]);

describe('idle, by commands', () => {
  it.each([
    [6, []],
    [7, [[3, 10]]],
    [8, [[3, 11]]],
  ])('%i still steps', (still, expected) => {
    expect(ranges(idleRuns(commanded(withStill(still))))).toEqual(expected);
  });
  it('to the last step of the episode', () => {
    expect(ranges(idleRuns(commanded([0, 0.1, ...Array(7).fill(0.1)])))).toEqual([[2, 9]]);
  });
  it('never at step 0, which has no step before it', () => {
    expect(ranges(idleRuns(commanded(Array(9).fill(0))))).toEqual([[1, 9]]);
  });
  it('a change of 0.0009 is still, one of 0.001 moves', () => {
    const ramp = (step: number) => Array.from({ length: 12 }, (_, i) => i * step);
    expect(idleRuns(commanded(ramp(0.0009)))).toHaveLength(1);
    expect(idleRuns(commanded(ramp(0.00101)))).toEqual([]);
  });
  it('a constant command stands still even if it is not zero (openpi)', () => {
    expect(idleRuns(commanded(Array(10).fill(0.7)))).toHaveLength(1);
  });
  it('one of several joints suffices to move', () => {
    const two = Array.from({ length: 12 }, (_, i) => [0, 0.01 * i]).flat();
    expect(idleRuns(commanded(two, 2))).toEqual([]);
  });
  it('a NaN command breaks a run on both sides', () => {
    const values = [...Array(8).fill(0.2), Number.NaN, ...Array(9).fill(0.2)];
    // Still at 1…7, not at 8 (NaN) nor 9 (after NaN), still at 10…17.
    expect(ranges(idleRuns(commanded(values)))).toEqual([
      [1, 8],
      [10, 18],
    ]);
    expect(idleRuns(commanded(Array(20).fill(Number.NaN)))).toEqual([]);
  });
});

describe('idle, by motion where a dataset has no joint velocities', () => {
  const hz = 10;
  const line = (metres: number) => episodeOf([arm(Array.from({ length: 12 }, (_, i) => at(metres * i, 0, 0)))], { hz });
  it.each([
    // 5 mm/s at 10 Hz is 0.5 mm a step.
    ['slower than 5 mm/s', line(0.00049), 1],
    ['faster', line(0.00051), 0],
  ])('%s', (_, episode, count) => expect(idleRuns(episode)).toHaveLength(count));
  it.each([
    [0.0029, 1],
    [0.0031, 0],
  ])('turning %d rad a step (0.03 rad/s are 0.003)', (angle, count) => {
    const turning = Array.from({ length: 12 }, (_, i) => ({
      r: rotationFromEuler<'base', 'ee'>([0, 0, angle * i], 'extrinsic-xyz'),
      t: new Float64Array(3),
    }));
    expect(idleRuns(episodeOf([arm(turning)], { hz }))).toHaveLength(count);
  });
  it.each([
    [0.0049, 1],
    [0.0051, 0],
  ])('opening %d a step (0.05 a second are 0.005)', (open, count) => {
    const poses = Array.from({ length: 12 }, () => at(0, 0, 0));
    const opening = arm(
      poses,
      poses.map((_, i) => open * i),
    );
    expect(idleRuns(episodeOf([opening], { hz }))).toHaveLength(count);
  });
  it('not while the other arm moves', () => {
    const still = Array.from({ length: 12 }, () => at(0, 0, 0));
    const moving = Array.from({ length: 12 }, (_, i) => at(0.01 * i, 0, 0));
    expect(idleRuns(episodeOf([arm(still), arm(still)], { hz }))).toHaveLength(1);
    expect(idleRuns(episodeOf([arm(still), arm(moving)], { hz }))).toEqual([]);
  });
});

describe('other evidence', () => {
  it('outside of the keep ranges, whose end is exclusive', () => {
    const runs = outsideKeepRanges(10, [
      [1, 3],
      [5, 9],
    ]);
    expect(ranges(runs)).toEqual([
      [0, 1],
      [3, 5],
      [9, 10],
    ]);
    expect(runs.every(({ flag }) => flag === 'outside_keep_ranges')).toBe(true);
  });
  it('no file lists the episode: nothing; a file that keeps nothing: all of it', () => {
    expect(outsideKeepRanges(10, null)).toEqual([]);
    expect(ranges(outsideKeepRanges(10, []))).toEqual([[0, 10]]);
    expect(ranges(outsideKeepRanges(4, [[0, 99]]))).toEqual([]);
  });
  it('a flag of the whole episode', () => {
    expect(wholeEpisode('failure', 3, true)).toEqual([{ flag: 'failure', start: 0, end: 3 }]);
    expect(wholeEpisode('failure', 3, false)).toEqual([]);
  });
  it('the column has the bits that the metadata names, for ever', () => {
    const column = flagColumn(4, [
      { flag: 'idle', start: 0, end: 2 },
      { flag: 'failure', start: 1, end: 4 },
      { flag: 'outside_keep_ranges', start: 3, end: 4 },
    ]);
    expect([...column]).toEqual([1, 3, 2, 2 + 128]);
    expect(FLAGS.map(flagBit)).toEqual([1, 2, 4, 8, 16, 32, 64, 128]);
  });
});
