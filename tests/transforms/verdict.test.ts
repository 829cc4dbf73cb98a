/** Verdicts on camera poses against what scipy measures of the same scenes (fixtures/geometry/make_verdicts.py). */
import { describe, expect, it } from 'vitest';
import { type Rigid, rigidFromMatrix, toMatrix34 } from '../../schemas/geometry.ts';
import type { PublishedPose, SourceArm } from '../../schemas/source.ts';
import type { CameraSpec } from '../../schemas/spec.ts';
import { judgePose, type PoseVerdict } from '../../transforms/camera-verdict.ts';
import { soundEpisode } from '../../transforms/sound.ts';
import { readFixture, worst } from '../geometry/golden.ts';
import { at, episodeOf, arm as trackOf } from './case.ts';

interface Case extends Pick<PublishedPose, 'direction' | 'axes' | 'parent' | 'translation'> {
  name: string;
  mount: CameraSpec['mount'];
  arm?: number;
  mean?: number[];
  published: number[];
  truth: number[] | null;
  /** The poses are unusable and kept for the report. */
  keep?: boolean;
  arms: number[][];
  quality: string;
  reason: string | null;
  measures: Record<string, number> | null;
}
const given = readFixture<{ width: number; height: number; k: number[]; tool: number[]; cases: Case[] }>(
  'verdicts.json',
);
const [fx, fy, cx, cy] = given.k as [number, number, number, number];
const cut = (values: number[]): Rigid<'base', 'ee'>[] =>
  Array.from({ length: values.length / 12 }, (_, i) => rigidFromMatrix(values.slice(12 * i, 12 * i + 12)));

function verdict(one: Case, more: Partial<PublishedPose> = {}): PoseVerdict {
  const { direction, axes, parent, mount, mean } = one;
  const published: PublishedPose = {
    kind: 'matrix34',
    values: Float64Array.from(one.published),
    field: 'pose',
    ...(direction ? { direction } : {}),
    ...(axes ? { axes } : {}),
    ...(parent ? { parent } : {}),
    ...more,
  };
  const spec: CameraSpec = {
    name: 'camera',
    mount,
    roles: ['third'],
    principalPoint: 'centre',
    ...(one.arm === undefined ? {} : { arm: one.arm }),
    ...(mean ? { mean: { eeFromCam: mean, metres: 0.05, radians: Math.PI / 18 } } : {}),
  };
  return judgePose(published, {
    arms: one.arms.map(cut),
    spec,
    robot: { arms: one.arms.length, hz: 15, eeOrigin: 'flange', eeFromTool: given.tool },
    image: { width: given.width, height: given.height, k: { fx, fy, cx, cy } },
    at: { camera: 'camera' },
  });
}

describe('verdicts', () => {
  it.each(given.cases.map((one) => [one.name, one] as const))('%s', (_, one) => {
    const found = verdict(one);
    expect([found.quality, found.reason]).toEqual([one.quality, one.reason]);
    if (one.truth && one.quality !== 'unusable') {
      expect(found.poses).toHaveLength(one.truth.length / 12);
      expect(worst(found.poses!.flatMap(toMatrix34), one.truth)).toBeLessThan(1e-9);
      expect(found.translationKnown).toBe(true);
    }
    if (one.reason === 'camera-on-hand') expect(found.poses).toBeNull();
    if (one.measures) expect(found.measures).toMatchObject(one.measures);
  });

  it('a rotation alone is used and never judged by where the camera is', () => {
    for (const one of given.cases.filter(({ truth, quality, mean }) => truth && quality !== 'unusable' && !mean)) {
      const found = verdict(one, { translation: 'unknown' });
      const rotation = (m: readonly number[]): number[] => m.filter((_, i) => i % 4 !== 3);
      // Poses that differ by their translations alone are one rotation.
      const shown = found.poses!.flatMap(toMatrix34);
      const all = Array.from({ length: one.truth!.length / shown.length }, () => shown).flat();
      expect(worst(rotation(all), rotation(one.truth!)), one.name).toBeLessThan(1e-9);
      expect(found.translationKnown).toBe(false);
      expect(found.poses!.every(({ t }) => t.every(Number.isNaN))).toBe(true);
    }
  });

  it('does not change when base, arms and camera are moved together', () => {
    const turn = rigidFromMatrix<'base', 'base'>([0, -1, 0, 2, 1, 0, 0, -3, 0, 0, 1, 0.5]);
    const move = (values: number[]): number[] =>
      cut(values).flatMap(({ r, t }) => {
        const row = (i: number) => turn.r.subarray(3 * i, 3 * i + 3);
        const dot = (a: Float64Array, b: ArrayLike<number>) => a[0]! * b[0]! + a[1]! * b[1]! + a[2]! * b[2]!;
        return [0, 1, 2].flatMap((i) => [
          ...[0, 1, 2].map((k) => dot(row(i), [r[k]!, r[3 + k]!, r[6 + k]!])),
          dot(row(i), t) + turn.t[i]!,
        ]);
      });
    for (const one of given.cases.filter(({ direction }) => !direction)) {
      const published = one.parent === 'ee' ? one.published : move(one.published);
      const moved = verdict({ ...one, published, arms: one.arms.map(move) });
      const { quality, reason, measures } = verdict(one);
      expect([moved.quality, moved.reason], one.name).toEqual([quality, reason]);
      for (const [name, value] of Object.entries(measures))
        expect(Math.abs(moved.measures[name]! - value), `${one.name} ${name}`).toBeLessThan(2e-4);
    }
  });
});

describe('poses that were not recorded', () => {
  const identity = episodeOf([trackOf([at(0, 0, 0)])]);
  const sound = (values: number[], more: Partial<SourceArm> = {}, time?: number[]) =>
    soundEpisode(
      identity,
      {
        steps: 3,
        arms: [
          {
            pose: { kind: 'xyz+rotvec', values: Float64Array.from(values), field: 'ee' },
            opennessMeasured: new Float64Array(3),
            opennessCommanded: new Float64Array(3),
            ...more,
          },
        ],
        cameras: [],
        ...(time ? { time: Float64Array.from(time) } : {}),
      },
      { kind: time ? 'timestamps' : 'index', hz: 10 },
    );
  const still = Array(18).fill(0.3) as number[];
  const joints = (turn: number) => ({ joints: { width: 2, values: Float64Array.from([0, 1, 0, 1, 0, 1 + turn]) } });
  it('a pose that stays while a joint turns', () => {
    expect(() => sound(still, joints(0.02))).toThrow('frozen-pose');
    expect(() => sound(still.with(14, 0.3009), joints(0.02))).toThrow('frozen-pose');
    expect(sound(still.with(14, 0.302), joints(0.02)).steps).toBe(3);
    expect(sound(still, joints(0.009)).steps).toBe(3);
    expect(sound(still).steps).toBe(3);
  });
  it('NaN is NaN, not frozen', () => {
    expect(() => sound(still.with(14, Number.NaN), joints(0.5))).toThrow('not-finite');
  });
  it('millimetres', () => {
    expect(() => sound(still.with(12, 480))).toThrow(/bad-value.*step 2.*millimetres/);
    expect(sound(still.with(12, 99)).steps).toBe(3);
  });
  it.each([
    ['standing', [0, 1, 1], 2],
    ['going back', [0, 2, 1], 2],
    ['NaN', [0, Number.NaN, 2], 1],
    ['infinite', [0, 1, Number.POSITIVE_INFINITY], 2],
    ['NaN at first', [Number.NaN, 1, 2], 0],
  ] as const)('a time that is %s', (_, time, step) => {
    expect(() => sound(still, {}, [...time])).toThrow(new RegExp(`bad-time \\(step ${step}`));
  });
  it('time counts from the first step', () => {
    expect([...sound(still, {}, [1e9, 1e9 + 0.5, 1e9 + 2]).time]).toEqual([0, 0.5, 2]);
    expect(() => sound(still, {}, [0, 1])).toThrow('3 time stamps');
  });
});
