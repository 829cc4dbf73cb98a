/** Labels against the truth of a simulator that knows nothing of us: two whole episodes, six steps of each. */
import { afterAll, describe, expect, it } from 'vitest';
import { fromMatrix34, invert, transformPoint } from '../../schemas/geometry.ts';
import { HISTORY_BIT } from '../../schemas/row.ts';
import { judgeFixed, project } from '../../transforms/camera-geometry.ts';
import { scaleIntrinsics } from '../../transforms/intrinsics.ts';
import { fitIntrinsics } from '../../transforms/letterbox.ts';
import { readFixture, worst } from '../geometry/golden.ts';
import { arm, labelsOf, ROBOT } from './case.ts';

interface CameraTruth {
  readonly baseFromCam: number[];
  /** fx fy cx cy by image size. */
  readonly k: Readonly<Record<'1280x720' | '320x180' | '256', [number, number, number, number]>>;
  readonly action: number[][];
  readonly history: number[][];
  readonly proprio: number[][];
  readonly tipPixel: number[][];
}
interface Truth {
  readonly shown: number[];
  readonly episodes: readonly {
    readonly name: string;
    readonly steps: number;
    readonly baseFromEe: number[];
    readonly measured: number[];
    readonly commanded: number[];
    readonly valid: number[];
    readonly historyValid: number[];
    readonly cameras: Readonly<Record<'ext1' | 'ext2' | 'wrist', CameraTruth>>;
    readonly tool015: { readonly action: number[][]; readonly proprio: number[][] };
  }[];
}

const truth = readFixture<Truth>('droid_sim.json');
const TIP = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0.15, 0, 0, 0, 1];
const poses = <To extends string, From extends string>(m: number[]) =>
  Array.from({ length: m.length / 12 }, (_, i) => fromMatrix34<To, From>(m.slice(12 * i, 12 * i + 12)));

/** The conventions' promise, in metres and rotation entries. */
const PROMISED = 1e-5;
let achieved = 0;
const near = (found: Float32Array, expected: readonly number[][], shown: readonly number[], width: number): void => {
  for (const [row, step] of shown.entries()) {
    const error = worst(found.subarray(step * width, (step + 1) * width), expected[row]!);
    achieved = Math.max(achieved, error);
    expect(error).toBeLessThan(PROMISED);
  }
};
afterAll(() => console.log(`droid_sim: largest error of a label ${achieved.toExponential(2)} (allowed ${PROMISED})`));

describe.each(truth.episodes)('$name', (episode) => {
  const shown = truth.shown.map((step) => (step < 0 ? episode.steps + step : step));
  const track = {
    ...arm(poses<'base', 'ee'>(episode.baseFromEe), episode.commanded),
    opennessMeasured: new Float64Array(episode.measured),
  };

  it.each(['ext1', 'ext2', 'wrist'] as const)('action, history and proprioception in %s', (name) => {
    const camera = episode.cameras[name];
    const found = labelsOf(track, poses(camera.baseFromCam));
    near(found.action, camera.action, shown, 320);
    near(found.history, camera.history, shown, 10);
    near(found.proprio, camera.proprio, shown, 10);
    expect([...found.actionValid]).toEqual(episode.valid);
    expect([...found.present].map((bits) => (bits & HISTORY_BIT ? 1 : 0))).toEqual(episode.historyValid);
  });
  it('the tool 0.15 m along z', () => {
    const robot = { ...ROBOT, eeFromTool: TIP };
    const found = labelsOf(track, poses(episode.cameras.ext1.baseFromCam), { robot, tool: 'canonical' });
    near(found.action, episode.tool015.action, shown, 320);
    near(found.proprio, episode.tool015.proprio, shown, 10);
  });
  it.each(['ext1', 'ext2', 'wrist'] as const)('pixels and intrinsics of %s', (name) => {
    const { k, baseFromCam, tipPixel } = episode.cameras[name];
    const named = ([fx, fy, cx, cy]: [number, number, number, number]) => ({ fx, fy, cx, cy });
    const small = scaleIntrinsics(named(k['1280x720']), { width: 1280, height: 720 }, { width: 320, height: 180 });
    expect(worst(Object.values(small), k['320x180'])).toBeLessThan(1e-9);
    const fitted = fitIntrinsics(small, { width: 320, height: 180 }, { mode: 'letterbox', size: 256 });
    expect(worst(Object.values(fitted), k['256'])).toBeLessThan(1e-9);
    const cameras = poses<'base', 'cam'>(baseFromCam);
    for (const [row, step] of shown.entries()) {
      const tip = transformPoint(track.baseFromEe[step]!, [0, 0, 0.15]);
      const seen = transformPoint(invert(cameras[cameras.length === 1 ? 0 : step]!), tip);
      expect(worst(project(small, seen)!, tipPixel[row]!)).toBeLessThan(1e-5);
    }
  });
  it.each(['ext1', 'ext2'] as const)('the true pose of %s passes its judgement', (name) => {
    const { k, baseFromCam } = episode.cameras[name];
    const [fx, fy, cx, cy] = k['320x180'];
    const scene = { eeFromTool: null, image: { width: 320, height: 180, k: { fx, fy, cx, cy } } };
    const judgement = judgeFixed(poses<'base', 'cam'>(baseFromCam)[0]!, track.baseFromEe, scene);
    expect(judgement).toMatchObject({ quality: 'unchecked', reason: null, measures: { tool_in_front: 1 } });
  });
});
