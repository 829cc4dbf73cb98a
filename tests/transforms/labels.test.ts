/** Chunks, history and proprioception against scipy (fixtures/geometry/labels.json), and what holds past the end. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rigidFromMatrix, rotationFromQuaternion } from '../../schemas/geometry.ts';
import type { LabelOptions } from '../../schemas/options.ts';
import { HISTORY_BIT } from '../../schemas/row.ts';
import { readFixture, worst } from '../geometry/golden.ts';
import { arm, at, camPose, labelsOf, ROBOT } from './case.ts';

interface Setting extends Partial<Pick<LabelOptions, 'interpolation' | 'rot6d'>> {
  readonly name: string;
  readonly hz: number;
  readonly dt: number;
  readonly steps?: number;
  readonly camera?: 'moving';
  readonly tool?: boolean;
  readonly valid: number[];
  readonly historyValid: number[];
  /** Per shown step. */
  readonly action: number[][];
  readonly history: number[][];
  readonly proprio: number[][];
}
interface Labels {
  readonly shown: number[];
  readonly quaternionXyzw: number[][];
  readonly positions: number[][];
  readonly commanded: number[];
  readonly measured: number[];
  readonly camera: number[];
  readonly moving: number[][];
  readonly eeFromTool: number[];
  readonly settings: Setting[];
}

const given = readFixture<Labels>('labels.json');
const track = {
  ...arm(
    given.positions.map((t, i) => ({
      r: rotationFromQuaternion(given.quaternionXyzw[i]!, 'xyzw'),
      t: new Float64Array(t),
    })),
    given.commanded,
  ),
  opennessMeasured: new Float64Array(given.measured),
};
/** float32 of numbers up to 4, plus the 7 decimals of the fixture. */
const FLOAT32 = 5e-7;

describe.each(given.settings)('labels, $name ($hz Hz, dt $dt)', (setting) => {
  const { hz, dt, steps = 32, rot6d = 'rows', interpolation = 'linear', tool } = setting;
  const cameras = setting.camera === 'moving' ? given.moving : [given.camera];
  const found = labelsOf(track, cameras.map(camPose), {
    ...{ dt, steps, rot6d, interpolation },
    tool: tool ? 'canonical' : 'native',
    robot: { ...ROBOT, hz, eeFromTool: given.eeFromTool },
  });
  const part = (values: Float32Array, step: number, width: number) => values.subarray(step * width, (step + 1) * width);

  it.each(given.shown.map((step, row) => ({ step, row })))('step $step equals scipy', ({ step, row }) => {
    expect(worst(part(found.action, step, 10 * steps), setting.action[row]!)).toBeLessThan(FLOAT32);
    expect(worst(part(found.history, step, 10), setting.history[row]!)).toBeLessThan(FLOAT32);
    expect(worst(part(found.proprio, step, 10), setting.proprio[row]!)).toBeLessThan(FLOAT32);
  });
  it('counts the steps inside the episode', () => {
    expect([...found.actionValid]).toEqual(setting.valid);
    expect([...found.present].map((bits) => (bits & HISTORY_BIT ? 1 : 0))).toEqual(setting.historyValid);
  });
});

const EYE = camPose([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]);

describe('by hand', () => {
  // Base axes as camera axes; the hand moves 1 cm per step along x and closes at step 2.
  const line = arm([at(0, 0, 0), at(0.01, 0, 0), at(0.02, 0, 0)], [1, 1, 0]);
  const motion = (x: number, gripper: number): number[] => [x, 0, 0, 1, 0, 0, 0, 1, 0, gripper].map(Math.fround);
  it('step 0 of three: two steps inside, then the last one repeats', () => {
    const { action, actionValid } = labelsOf(line, [EYE], { steps: 4 });
    expect([...action.subarray(0, 40)]).toEqual(
      [motion(0.01, 1), motion(0.02, -1), motion(0.02, -1), motion(0.02, -1)].flat(),
    );
    expect([...actionValid]).toEqual([2, 1, 0]);
  });
  it('history looks back one dt and stands still at the first step', () => {
    const { history } = labelsOf(line, [EYE]);
    expect([...history]).toEqual([motion(0, 1), motion(-0.01, 1), motion(-0.01, 1)].flat());
  });
  it('an episode of one step has an identity chunk, none of it valid', () => {
    const { action, actionValid } = labelsOf(arm([at(1, 2, 3)]), [EYE], { steps: 2 });
    expect([...action]).toEqual([motion(0, 1), motion(0, 1)].flat());
    expect([...actionValid]).toEqual([0]);
  });
});

describe('every episode', () => {
  const setting = fc.record({
    count: fc.integer({ min: 1, max: 30 }),
    hz: fc.constantFrom(3, 5, 10, 15, 20, 30, 50),
    dt: fc.constantFrom(1 / 15, 0.1, 0.05, 2 / 15, 1),
    steps: fc.integer({ min: 1, max: 40 }),
  });
  it('has as many valid chunk steps as fit, and repeats the last pose and command after them', () =>
    fc.assert(
      fc.property(setting, ({ count, hz, dt, steps }) => {
        const moving = arm(
          Array.from({ length: count }, (_, i) => at(0.01 * i * i, 0, 0)),
          Array.from({ length: count }, (_, i) => i % 2),
        );
        const { action, actionValid } = labelsOf(moving, [EYE], { dt, steps, robot: { ...ROBOT, hz } });
        const last = 0.01 * (count - 1) ** 2;
        for (let i = 0; i < count; i++) {
          const room = Math.floor((count - 1 - i + 1e-3) / (dt * hz) + 1e-9);
          expect(actionValid[i]).toBe(Math.min(steps, room));
          for (let k = room + 1; k <= steps; k++) {
            const o = (i * steps + k - 1) * 10;
            expect(action[o]).toBeCloseTo(last - 0.01 * i * i, 5);
            expect(action[o + 9]).toBe(2 * ((count - 1) % 2) - 1);
          }
        }
      }),
      { numRuns: 60 },
    ));
  it('keeps its numbers when base and camera move together', () => {
    const moved = rigidFromMatrix<'base', 'base'>(given.moving[3]!);
    const turn = (m: number[]): number[] => {
      const [a, b] = [moved, camPose(m)];
      const t = [0, 1, 2].map(
        (i) => a.r[3 * i]! * b.t[0]! + a.r[3 * i + 1]! * b.t[1]! + a.r[3 * i + 2]! * b.t[2]! + a.t[i]!,
      );
      const r = (i: number, j: number): number =>
        [0, 1, 2].reduce((sum, k) => sum + a.r[3 * i + k]! * b.r[3 * k + j]!, 0);
      return [0, 1, 2].flatMap((i) => [r(i, 0), r(i, 1), r(i, 2), t[i]!]);
    };
    const flat = (pose: (typeof track.baseFromEe)[number]): number[] =>
      [0, 1, 2].flatMap((i) => [pose.r[3 * i]!, pose.r[3 * i + 1]!, pose.r[3 * i + 2]!, pose.t[i]!]);
    const there = {
      ...track,
      baseFromEe: track.baseFromEe.map((pose) => rigidFromMatrix<'base', 'ee'>(turn(flat(pose)))),
    };
    const [here, away] = [labelsOf(track, [camPose(given.camera)]), labelsOf(there, [camPose(turn(given.camera))])];
    for (const column of ['action', 'history', 'proprio'] as const)
      expect(worst(away[column], here[column])).toBeLessThan(FLOAT32);
  });
});
