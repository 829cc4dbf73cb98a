/** What stands in a row where something is absent or unknown, and a track as the same episode again. */
import { describe, expect, it } from 'vitest';
import type { Camera, LedgerEntry } from '../../schemas/episode.ts';
import { DEFAULT_LABELS } from '../../schemas/options.ts';
import type { PublishedPose } from '../../schemas/source.ts';
import { type LabelInput, labelColumns, trackOf } from '../../transforms/columns.ts';
import { episodeFromTrack, releaseText, storedCameras } from '../../transforms/from-track.ts';
import { soundEpisode } from '../../transforms/sound.ts';
import { golden } from '../geometry/golden.ts';
import { arm, at, camera, camPose, episodeOf, ROBOT } from './case.ts';

const track = arm([at(0, 0, 0), at(0.01, 0, 0)]);
const pose = camPose(golden.compose.a);
const k = { fx: 130, fy: 130, cx: 159.5, cy: 89.5 };
const third = camera('ext', { intrinsics: k, baseFromCam: [pose] });
const wrist = camera('hand');

function input(more: Partial<LabelInput> = {}): LabelInput {
  return {
    steps: 2,
    hz: 15,
    time: new Float64Array([0, 1 / 15]),
    clock: 'index',
    arms: [track],
    robot: ROBOT,
    cast: { roles: { third, wrist }, reference: third },
    flagRuns: [{ flag: 'idle', start: 1, end: 2 }],
    table: { roles: ['third', 'third2', 'wrist'], arms: 2 },
    labels: { ...DEFAULT_LABELS, steps: 3 },
    fit: { mode: 'letterbox', size: 256 },
    ...more,
  };
}

describe('a row', () => {
  const columns = labelColumns(input());
  const all = (values: ArrayLike<number>, holds: (x: number) => boolean) => Array.from(values).every(holds);
  it('an arm that the episode lacks is 0 and has no bit', () => {
    expect([columns.action.length, columns.history.length, columns.proprio.length]).toEqual([2 * 2 * 30, 40, 40]);
    for (const step of [0, 1]) {
      expect(all(columns.action.subarray(step * 60 + 30, step * 60 + 60), (x) => x === 0)).toBe(true);
      expect(all(columns.action.subarray(step * 60, step * 60 + 30), (x) => x === 0)).toBe(false);
      expect(all(columns.proprio.subarray(step * 20 + 10, step * 20 + 20), (x) => x === 0)).toBe(true);
    }
    expect((columns.present[0]! >> 16) & 3).toBe(1);
  });
  it('two arms are arm-major within a step', () => {
    const other = arm([at(0, 0, 0), at(0, 0.02, 0)]);
    const both = labelColumns(input({ arms: [track, other], cast: { roles: {}, reference: null } }));
    // Reference base: axes of the base, step 0, k = 1.
    expect([...both.action.subarray(0, 3)].map((x) => +x.toFixed(6))).toEqual([0.01, 0, 0]);
    expect([...both.action.subarray(30, 33)].map((x) => +x.toFixed(6))).toEqual([0, 0.02, 0]);
    expect((both.present[0]! >> 16) & 3).toBe(3);
  });
  it('camera numbers: known ones in place, unknown and absent ones NaN, with their bits', () => {
    const one = columns.camera.subarray(0, 48);
    // 320×180 → 256×144: (159.5 − 159.5)·0.8 + 127.5; y the same plus the bar of 56.
    expect([...one.subarray(0, 4)]).toEqual([104, 104, 127.5, 127.5]);
    expect([...one.subarray(4, 16)]).toEqual(golden.compose.a.slice(0, 12).map(Math.fround));
    expect(all(one.subarray(16), Number.isNaN)).toBe(true);
    // third: image, intrinsics, rotation, translation; third2: nothing; wrist: image only; arm 0; history from step 1 on.
    expect(columns.present[0]).toBe(0b1111 | (1 << 8) | (1 << 16));
    expect(columns.present[1]).toBe(0b1111 | (1 << 8) | (1 << 16) | (1 << 20));
  });
  it('flags and valid steps', () => {
    expect([...columns.flags]).toEqual([0, 1]);
    expect([...columns.actionValid]).toEqual([1, 0]);
  });
  it('reference base: proprioception is the pose in base', () => {
    const { proprio } = labelColumns(input({ cast: { roles: {}, reference: null }, table: { roles: [], arms: 1 } }));
    expect([...proprio.subarray(10)]).toEqual([0.01, 0, 0, 1, 0, 0, 0, 1, 0, 1].map(Math.fround));
  });
});

describe('a track', () => {
  const values = Float64Array.from(golden.euler.slice(0, 6).flatMap(({ angles }, i) => [0.1 * i, 0.2, 0.3, ...angles]));
  const openness = Float64Array.from([0, 0.1, 0.35, 0.7, 0.9, 1]);
  const pose6 = { kind: 'xyz+extrinsic-xyz', values, field: 'pose' } as const;
  const data = {
    ...{ steps: 6, cameras: [] },
    arms: [{ pose: pose6, opennessMeasured: openness, opennessCommanded: openness.toReversed() }],
  };
  const episode = soundEpisode({ ...episodeOf([track]), hz: 15 }, data, { kind: 'index', hz: 15 });
  const moving = camera('hand', { baseFromCam: golden.motions.map((m) => camPose(m.baseFromCam)) }, { source: 'none' });
  const labels = (arms: LabelInput['arms'], cameras: readonly Camera[]) => {
    const cast = { roles: { third: cameras[0]!, wrist: cameras[1]! }, reference: cameras[1]! };
    return labelColumns(input({ steps: 6, arms, cast, table: { roles: ['third', 'wrist'], arms: 1 }, flagRuns: [] }));
  };
  it('gives the same labels to the last bit', () => {
    const published = {
      kind: 'xyz+extrinsic-xyz',
      values: new Float64Array([1, 2, Number.NaN, 4, 5, 6]),
      field: 'ext',
    };
    const frames = { kind: 'memory', frames: [] } as const;
    const ext = { name: 'ext', width: 320, height: 180, frames, pose: published as PublishedPose };
    const stored = trackOf(episode, [third, moving], releaseText({ cameras: [ext] }, ['go']));
    const entry = { episode: 'e', length: 6, instructions: ['go', 'and'], calibration: {} } as unknown as LedgerEntry;
    const again = episodeFromTrack(entry, stored);
    expect(again.told).toEqual(['go']);
    expect(again.episode.cameras[0]).toEqual(ext);
    const cameras = storedCameras(stored, { ext: third.calibration, hand: moving.calibration });
    expect(cameras).toEqual([third, moving]);
    expect(labels(again.episode.arms, cameras)).toEqual(labels(episode.arms, [third, moving]));
    expect([...stored.time]).toEqual([0, 1, 2, 3, 4, 5].map((i) => i / 15));
  });
});
