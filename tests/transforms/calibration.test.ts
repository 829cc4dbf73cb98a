/** Which published numbers become a camera, which do not, and what the ledger says of it. */
import { describe, expect, it } from 'vitest';
import type { CameraFacts, PoseCandidate } from '../../schemas/episode.ts';
import { compose, invert, type Rigid, rigidFromVec6, rotationFromMatrix } from '../../schemas/geometry.ts';
import type { PublishedPose } from '../../schemas/source.ts';
import type { CameraSpec } from '../../schemas/spec.ts';
import { calibrate } from '../../transforms/calibration.ts';
import { judgeHand } from '../../transforms/camera-geometry.ts';
import { checkIntrinsics, publishedIntrinsics } from '../../transforms/intrinsics.ts';
import { golden } from '../geometry/golden.ts';
import { arm, at, episodeOf, ROBOT } from './case.ts';

/** The hand 1 m in front of the camera: camera at (0.5, -1, 0.3), looking along +y; x right = base x, y down = −z. */
const POSES = Array.from({ length: 10 }, (_, i) => at(0.4 + 0.02 * i, 0, 0.3));
const GOOD = [0.5, -1, 0.3, -Math.PI / 2, 0, 0];
const SPEC: CameraSpec = { name: 'ext', mount: 'fixed', roles: ['third'], principalPoint: 'centre' };
const ASSUMED = { fx: 528, fy: 528, cx: 639.5, cy: 359.5, width: 1280, height: 720 };
const K = [520, 521, 640, 360];

interface Asked {
  readonly poses?: readonly PoseCandidate[];
  readonly released?: readonly number[];
  readonly k?: readonly number[];
  readonly spec?: Partial<CameraSpec>;
  readonly track?: readonly Rigid<'base', 'ee'>[];
}
const frames = { kind: 'memory', frames: [] } as const;
const vec6Pose = (vec: readonly number[]): PublishedPose => ({
  kind: 'xyz+extrinsic-xyz',
  values: Float64Array.from(vec),
  field: 'extrinsics',
});
function calibrated({ poses = [], released, k, spec, track = POSES }: Asked) {
  const name = 'ext';
  const episode = episodeOf([arm(track)], {
    cameras: [{ name, width: 320, height: 180, frames, ...(released ? { pose: vec6Pose(released) } : {}) }],
  });
  const size = { width: 1280, height: 720 };
  const intrinsics = k ? { source: 'karlp-intrinsics', serial: '111', values: k, ...size } : null;
  const facts: Record<string, CameraFacts> = poses.length > 0 || k ? { [name]: { poses, intrinsics } } : {};
  return calibrate({ episode, robot: ROBOT, specs: [{ ...SPEC, assumed: ASSUMED, ...spec }], facts })[0]!;
}
const candidate = (source: string, vec: readonly number[]): PoseCandidate => ({
  source,
  serial: '111',
  pose: vec6Pose(vec),
});
const withEntry = (i: number, x: number): number[] => GOOD.with(i, x);
/** xyz + extrinsic xyz of a pose, for poses made by matrices; independent of the code: atan2 of the entries of Rz·Ry·Rx. */
function vec6({ r, t }: { r: ArrayLike<number>; t: ArrayLike<number> }): number[] {
  const b = Math.atan2(-r[6]!, Math.hypot(r[0]!, r[3]!));
  return [t[0]!, t[1]!, t[2]!, Math.atan2(r[7]!, r[8]!), b, Math.atan2(r[3]!, r[0]!)];
}
const PUBLISHED = rigidFromVec6<'base', 'cam'>(GOOD);
const turned = (m: number[]): number[] => vec6({ t: PUBLISHED.t, r: m });
const [a, b, c, d, e, f, g, h, i] = [...PUBLISHED.r] as [
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
];

describe('one published pose of a fixed camera', () => {
  it('that is right is unchecked, with its measures', () => {
    const { baseFromCam, calibration } = calibrated({ released: GOOD });
    expect(calibration).toEqual({
      source: 'release',
      intrinsics_source: 'assumed',
      quality: 'unchecked',
      reason: null,
      detail: null,
      measures: { ee_distance: expect.closeTo(1.0017, 3), tool_in_front: 1, tool_in_view: 1 },
    });
    expect([...baseFromCam![0]!.t]).toEqual([0.5, -1, 0.3]);
  });
  it.each([
    ['zeros', [0, 0, 0, 0, 0, 0], 'zero-extrinsics', '6 zeros'],
    ['NaN', withEntry(1, Number.NaN), 'not-finite', 'NaN'],
    ['five numbers', GOOD.slice(0, 5), 'not-rigid', '5 numbers'],
    ['degrees', withEntry(3, -90), 'bad-angle', '90, as degrees'],
    ['millimetres', [500, -1000, 300, ...GOOD.slice(3)], 'bad-translation', 'millimetres?'],
    ['in the hand', [0.49, 0, 0.3, ...GOOD.slice(3)], 'bad-translation', '0.1 … 3 m'],
    ['turned away', withEntry(5, Math.PI), 'ee-behind-camera', 'projection check'],
    ['looking past', withEntry(5, 1.2), 'ee-outside-view', 'projection check'],
    ['transposed', turned([a, d, g, b, e, h, c, f, i]), 'ee-behind-camera', 'projection check'],
    ['OpenGL axes', turned([a, -b, -c, d, -e, -f, g, -h, -i]), 'ee-behind-camera', 'projection check'],
    ['inverted', vec6(invert(PUBLISHED)), 'ee-outside-view', 'projection check'],
  ])('%s: unusable', (_, published, code, words) => {
    const { baseFromCam, calibration } = calibrated({ released: published });
    expect(baseFromCam).toBeNull();
    expect(calibration).toMatchObject({ source: 'none', quality: 'unusable', reason: code });
    expect(calibration.detail).toContain(words);
    expect(calibration.detail).toMatch(/^release: /);
  });
  it('none at all: missing, and nothing in its place', () => {
    const { baseFromCam, calibration } = calibrated({});
    expect(baseFromCam).toBeNull();
    expect(calibration).toMatchObject({ source: 'none', quality: 'unusable', reason: 'missing-calibration' });
  });
  it.each([
    [9, 'unusable'],
    [8, 'suspect'],
    [6, 'unchecked'],
  ])('the hand behind it in most steps: %i, %s', (behind, quality) => {
    // Beyond −1 on y the hand is behind the camera; 9 of 10 leaves 10 % in front, which still counts as never.
    const track = POSES.map((pose, step) =>
      step < behind + (quality === 'unusable' ? 1 : 0) ? at(0.5, -2, 0.3) : pose,
    );
    const { calibration } = calibrated({ released: GOOD, track: quality === 'unchecked' ? track.slice(2) : track });
    expect([calibration.quality, calibration.measures.tool_in_front]).toEqual([
      quality,
      { unusable: 0, suspect: 0.2, unchecked: 0.5 }[quality],
    ]);
  });
});

describe('several sources', () => {
  const [superset, cam2base] = [candidate('karlp-superset', GOOD), candidate('karlp-cam2base', withEntry(2, 0.31))];
  it('superset before cam2base before release', () => {
    const released = withEntry(2, 0.32);
    const from = (poses: PoseCandidate[]) => calibrated({ poses, released });
    expect(from([superset, cam2base]).calibration.source).toBe('karlp-superset');
    expect(from([cam2base]).calibration.source).toBe('karlp-cam2base');
    expect(from([]).calibration.source).toBe('release');
    expect(from([cam2base]).baseFromCam![0]!.t[2]).toBe(0.31);
  });
  it('a bad better source falls back, and the reason stays on record with its serial', () => {
    const broken = candidate('karlp-superset', withEntry(3, -90));
    const { calibration, baseFromCam } = calibrated({ poses: [broken, cam2base], released: GOOD });
    expect(calibration).toMatchObject({ source: 'karlp-cam2base', quality: 'unchecked', reason: 'bad-angle' });
    expect(calibration.detail).toMatch(/karlp-superset: bad-angle \(camera ext, serial 111, field extrinsics\)/);
    expect(baseFromCam![0]!.t[2]).toBe(0.31);
  });
  it('a suspect better source yields to an unchecked worse one', () => {
    const track = POSES.map((pose, step) => (step < 8 ? at(0.5, -2, 0.3) : pose));
    const other = vec6(rigidFromVec6<'base', 'cam'>([0.5, -3, 0.3, -Math.PI / 2, 0, 0]));
    const { calibration } = calibrated({ poses: [superset, candidate('karlp-cam2base', other)], track });
    expect(calibration).toMatchObject({ source: 'karlp-cam2base', quality: 'unchecked', reason: 'ee-behind-camera' });
  });
  it('all bad: the first one names the reason', () => {
    const { calibration } = calibrated({ poses: [candidate('karlp-superset', [1, 2])], released: [0, 0, 0, 0, 0, 0] });
    expect(calibration).toMatchObject({ source: 'none', quality: 'unusable', reason: 'not-rigid' });
    expect(calibration.detail).toMatch(/karlp-superset: .*2 numbers.*; release: .*6 zeros/s);
  });
});

describe('a camera on the hand', () => {
  const mean = { eeFromCam: [0, 0, 1, 0.05, -1, 0, 0, 0, 0, -1, 0, 0.02], metres: 0.05, radians: Math.PI / 18 };
  const spec: Partial<CameraSpec> = { mount: 'hand', arm: 0, roles: ['wrist'], mean };
  const mount = (more: readonly number[] = [0, 0, 0]): Rigid<'ee', 'cam'> => ({
    r: rotationFromMatrix([0, 0, 1, -1, 0, 0, 0, -1, 0]),
    t: new Float64Array([0.05 + more[0]!, more[1]!, 0.02 + more[2]!]),
  });
  it('moves with the hand from the pose published for step 0', () => {
    const released = vec6(compose(POSES[0]!, mount([0.01, 0, 0])));
    const { baseFromCam, calibration } = calibrated({ released, spec });
    expect(calibration).toMatchObject({ quality: 'unchecked', measures: { mount_metres: 0.01, mount_radians: 0 } });
    expect(baseFromCam).toHaveLength(POSES.length);
    for (const [step, pose] of baseFromCam!.entries()) expect(pose.t[0]).toBeCloseTo(POSES[step]!.t[0]! + 0.06, 12);
  });
  it.each([
    [0.049, 'unchecked'],
    [0.051, 'unusable'],
  ])('%d m off its mount: %s', (off, quality) => {
    const { calibration, baseFromCam } = calibrated({ released: vec6(compose(POSES[0]!, mount([0, off, 0]))), spec });
    expect(calibration.quality).toBe(quality);
    if (quality === 'unusable') {
      expect(calibration.reason).toBe('hand-camera-off-mount');
      expect(calibration.detail).toContain('51 mm and 0.0° from the fleet');
      expect(baseFromCam).toBeNull();
    }
  });
  it.each([
    [9.9, 'unchecked'],
    [10.1, 'unusable'],
  ])('%d° off its mount: %s', (degrees, quality) => {
    const spin = rigidFromVec6<'cam', 'cam'>([0, 0, 0, 0, 0, (degrees * Math.PI) / 180]);
    const scene = { eeFromTool: null, image: { width: 320, height: 180, k: null } };
    expect(judgeHand(compose(mount(), spin), mean, scene).quality).toBe(quality);
  });
  it('without a fleet to compare with, only a wrong unit is seen', () => {
    const far = vec6(compose(POSES[0]!, mount([50, 0, 0])));
    const { mean: _, ...lonely } = spec;
    expect(calibrated({ released: far, spec: lonely }).calibration).toMatchObject({ reason: 'bad-translation' });
    expect(calibrated({ released: vec6(compose(POSES[0]!, mount())), spec: lonely }).calibration.reason).toBeNull();
  });
});

describe('intrinsics', () => {
  it('published for 1280×720, stored for the 320×180 frame', () => {
    const { intrinsics, assumedIntrinsics, calibration } = calibrated({ released: GOOD, k: K });
    // (640 − 639.5)/4 + 159.5
    expect(intrinsics).toEqual({ fx: 130, fy: 130.25, cx: 159.625, cy: 89.625 });
    expect([assumedIntrinsics, calibration.intrinsics_source]).toEqual([false, 'karlp-intrinsics']);
  });
  it('counted from the corner of the first pixel', () => {
    // The corner of the image's middle, 640, is 639.5 from a pixel centre: the middle stays the middle.
    const { intrinsics } = calibrated({ released: GOOD, k: K, spec: { principalPoint: 'corner' } });
    expect([intrinsics?.cx, intrinsics?.cy]).toEqual([159.5, 89.5]);
  });
  it('the fleet mean is used and said', () => {
    const { intrinsics, assumedIntrinsics, calibration } = calibrated({ released: GOOD });
    expect(intrinsics).toEqual({ fx: 132, fy: 132, cx: 159.5, cy: 89.5 });
    expect([assumedIntrinsics, calibration.intrinsics_source]).toEqual([true, 'assumed']);
  });
  it('bad ones leave the pose, fall back to the mean and keep the reason', () => {
    const { baseFromCam, assumedIntrinsics, calibration } = calibrated({ released: GOOD, k: [0, 0, 0, 0] });
    expect([baseFromCam !== null, assumedIntrinsics]).toEqual([true, true]);
    expect(calibration).toMatchObject({ quality: 'unchecked', reason: 'bad-intrinsics' });
    expect(calibration.detail).toMatch(/assumed: bad-intrinsics \(serial 111, field intrinsic\.fx\)/);
  });
  it('none known: null, and the view is not judged', () => {
    const { intrinsics, calibration } = calibrated({ released: withEntry(5, 1.2), spec: { assumed: undefined! } });
    expect(intrinsics).toBeNull();
    expect(calibration).toMatchObject({ intrinsics_source: 'none', quality: 'unchecked' });
    expect(calibration.measures).not.toHaveProperty('tool_in_view');
  });
  it.each([
    ['three', [1, 2, 3], /field intrinsic\).*four numbers, found 3/],
    ['text', [520, '521', 640, 360], /intrinsic\.fy.*"521"/],
    ['null', [520, 521, null, 360], /intrinsic\.cx.*null/],
    ['NaN', [520, 521, 640, Number.NaN], /intrinsic\.cy/],
    ['negative', [-520, 521, 640, 360], /intrinsic\.fx.*-520/],
    ['a metre', [0.004, 0.004, 640, 360], /intrinsic\.fx.*0\.2 and 10 image sides of 1280/],
    ['of half the size', [260, 260, 319.5, 179.5], /principal point cx.*1280x720.*319\.5/],
    ['of twice the size', [1040, 1040, 1279.5, 719.5], /principal point cx.*1280x720.*1279\.5/],
  ])('%s is refused by name', (_, values, words) => {
    expect(() => checkIntrinsics(values, { width: 1280, height: 720 })).toThrow(words);
  });
  it('errors carry the serial', () => {
    const facts = { source: 's', serial: '24400334', values: [0, 0, 0, 0], width: 1280, height: 720 };
    expect(() => publishedIntrinsics(facts, { width: 320, height: 180 })).toThrow(/serial 24400334/);
  });
  it.each(golden.intrinsics)('scaled $from → $to as numpy does', ({ from, to, k, scaled }) => {
    const facts = { source: 's', serial: '1', values: k, width: from[0], height: from[1] };
    const found = publishedIntrinsics(facts, { width: to[0], height: to[1] });
    for (const [j, key] of (['fx', 'fy', 'cx', 'cy'] as const).entries()) expect(found[key]).toBeCloseTo(scaled[j]!, 9);
  });
});
