/** Laws of chunks on a clock of time stamps: what no shift, stretch or even spacing of time may change. */
import { describe, expect, it } from 'vitest';
import { type Rigid, rotationFromVector } from '../../schemas/geometry.ts';
import { armLabels, type ChunkOptions } from '../../transforms/labels.ts';
import { worst } from '../geometry/golden.ts';
import { arm } from './case.ts';

/** Park–Miller, so that every run has the same episodes. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
}

const HZ = 10;
function episode(seed: number, steps: number) {
  const next = numbers(seed);
  const poses: Rigid<'base', 'ee'>[] = [];
  let [turn, place] = [
    [0, 0, 0],
    [0.4, 0, 0.3],
  ];
  for (let i = 0; i < steps; i++) {
    turn = turn.map((x) => x + 0.3 * (next() - 0.5));
    place = place.map((x) => x + 0.05 * (next() - 0.5));
    poses.push({ r: rotationFromVector(turn), t: Float64Array.from(place) });
  }
  const track = arm(
    poses,
    poses.map(() => next()),
  );
  // Holes of up to eight periods, never less than a tenth of one.
  const gaps = poses.map(() => (next() < 0.15 ? 8 * next() : 0.5 + next()));
  const time = new Float64Array(steps);
  for (let i = 1; i < steps; i++) time[i] = time[i - 1]! + Math.max(0.1, gaps[i]!) / HZ;
  return { track, time };
}
const camera = { rotations: [rotationFromVector<'base', 'cam'>([1.9, 0.2, -1.1])], origins: [new Float64Array(3)] };
const options = (more: Partial<ChunkOptions>): ChunkOptions => ({
  hz: HZ,
  time: null,
  dt: 1 / 15,
  steps: 12,
  rot6d: 'rows',
  interpolation: 'linear',
  eeFromTool: null,
  ...more,
});
const seeds = [1, 2, 3, 4, 5, 6, 7, 8].map((seed) => [seed, 4 + 5 * seed] as const);

describe.each(seeds)('episode %i of %i steps', (seed, steps) => {
  const { track, time } = episode(seed, steps);
  const labels = (more: Partial<ChunkOptions>) => armLabels(track, camera, options(more));
  const same = (a: ReturnType<typeof labels>, b: ReturnType<typeof labels>): void => {
    expect(worst(a.action, [...b.action])).toBeLessThan(1e-6);
    expect(worst(a.history, [...b.history])).toBeLessThan(1e-6);
    expect([...a.valid]).toEqual([...b.valid]);
    expect([...a.historyValid]).toEqual([...b.historyValid]);
  };
  it.each([1 / 15, 0.1, 0.25, 0.013])('even stamps are the index: dt %f', (dt) => {
    same(labels({ dt, time: Float64Array.from(time, (_, i) => i / HZ) }), labels({ dt }));
  });
  it('another beginning of time', () => {
    same(labels({ time: time.map((t) => t + 1234.5) }), labels({ time }));
  });
  it('a slower clock with a longer dt', () => {
    same(labels({ time: time.map((t) => 4 * t), dt: 4 / 15, hz: HZ / 4 }), labels({ time }));
  });
  it('steps that add nothing: dt at a stamp gives that very pose', () => {
    const dt = time[1]!;
    const [, , , , , , , , , gripper] = labels({ time, dt, steps: 1 }).action;
    expect(gripper).toBeCloseTo(2 * track.opennessCommanded[1]! - 1, 6);
  });
  it('a longer chunk begins with the shorter, and is valid no less', () => {
    const [short, long] = [labels({ time, steps: 5 }), labels({ time, steps: 12 })];
    for (let i = 0; i < steps; i++) {
      expect([...long.action.subarray(120 * i, 120 * i + 50)]).toEqual([...short.action.subarray(50 * i, 50 * i + 50)]);
      expect(Math.min(5, long.valid[i]!)).toBe(short.valid[i]);
    }
  });
  it('valid says how many targets lie before the last stamp', () => {
    const { valid } = labels({ time });
    for (let i = 0; i < steps; i++) {
      const inside = Math.floor((time.at(-1)! - time[i]! + 1e-3 / HZ) * 15);
      expect(valid[i]).toBe(Math.min(12, inside));
    }
  });
});
