/** Chunks where time stamps are the clock, against scipy (fixtures/geometry/make_clock.py). */
import { describe, expect, it } from 'vitest';
import { rotationFromQuaternion } from '../../schemas/geometry.ts';
import { DEFAULT_LABELS } from '../../schemas/options.ts';
import { HISTORY_BIT } from '../../schemas/row.ts';
import { labelColumns } from '../../transforms/columns.ts';
import { clockGaps } from '../../transforms/flags.ts';
import { soundEpisode } from '../../transforms/sound.ts';
import { readFixture, worst } from '../geometry/golden.ts';
import { arm, camera, camPose, episodeOf, ROBOT } from './case.ts';

interface Clock {
  readonly hz: number;
  readonly dt: number;
  readonly time: number[];
  readonly quaternionXyzw: number[][];
  readonly positions: number[][];
  readonly command: number[];
  readonly camera: number[];
  readonly action: number[][][];
  readonly valid: number[];
  readonly history: number[][];
  readonly historyValid: number[];
}
const given = readFixture<Clock>('clock.json');
const steps = given.time.length;
const track = arm(
  given.positions.map((t, i) => ({
    r: rotationFromQuaternion(given.quaternionXyzw[i]!, 'xyzw'),
    t: new Float64Array(t),
  })),
  given.command,
);
const time = Float64Array.from(given.time, (t) => t - given.time[0]!);
const third = camera('third', { baseFromCam: [camPose(given.camera)] });

describe('labels on a clock of time stamps', () => {
  const columns = labelColumns({
    ...{ steps, arms: [track], robot: ROBOT, hz: given.hz, time, clock: 'timestamps', flagRuns: [] },
    cast: { roles: { third }, reference: third },
    table: { roles: ['third'], arms: 1 },
    labels: { ...DEFAULT_LABELS, dt: given.dt },
    fit: { mode: 'letterbox', size: 256 },
  });
  it('actions equal scipy, across a hole and past the end', () => {
    expect(worst(columns.action, given.action.flat(2))).toBeLessThan(1e-6);
    expect([...columns.actionValid]).toEqual(given.valid);
  });
  it('history equals scipy', () => {
    expect(worst(columns.history, given.history.flat())).toBeLessThan(1e-6);
    expect([...columns.present].map((bits) => (bits & HISTORY_BIT ? 1 : 0))).toEqual(given.historyValid);
  });
});

describe('the time stamps of an episode', () => {
  const identity = { ...episodeOf([track]), hz: given.hz };
  const pose = {
    kind: 'xyz+xyzw',
    field: 'pose',
    values: Float64Array.from(given.positions.flatMap((p, i) => [...p, ...given.quaternionXyzw[i]!])),
  } as const;
  const openness = Float64Array.from(given.command);
  const data = (stamps: readonly number[] | undefined) => ({
    ...{ steps, cameras: [] },
    arms: [{ pose, opennessMeasured: openness, opennessCommanded: openness }],
    ...(stamps ? { time: Float64Array.from(stamps) } : {}),
  });
  const sound = (stamps: readonly number[] | undefined) =>
    soundEpisode(identity, data(stamps), { kind: 'timestamps', hz: 10 });
  it('count from the first step', () => expect([...sound(given.time).time]).toEqual([...time]));
  it('a hole of more than three periods is flagged on both sides', () => {
    expect(clockGaps(sound(given.time))).toEqual([{ flag: 'clock_gap', start: 7, end: 9 }]);
  });
  it.each([
    ['absent', undefined],
    ['backwards', given.time.with(5, 0)],
    ['twice the same', given.time.with(5, given.time[4]!)],
    ['NaN', given.time.with(5, Number.NaN)],
    ['too few', given.time.slice(1)],
  ])('%s: refused', (_, stamps) => expect(() => sound(stamps)).toThrow(/bad-time/));
});
