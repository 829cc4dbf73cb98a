import { describe, expect, it } from 'vitest';
import {
  flangeFromTool,
  motionInCamera,
  motionOfTool,
  poseAfterMotion,
  retargetMotion,
  rot6d,
  rotationFromRot6d,
} from '../../schemas/action-geometry.ts';
import {
  angleBetween,
  compose,
  fromMatrix34,
  interpolate,
  invert,
  quaternionWxyz,
  rigidFromMatrix,
  rigidFromVec6,
  rotationFromEuler,
  rotationFromMatrix,
  rotationFromQuaternion,
  toMatrix34,
} from '../../schemas/geometry.ts';
import { project } from '../../transforms/camera-geometry.ts';
import { fromCorner, scaleIntrinsics } from '../../transforms/intrinsics.ts';
import { golden, worst } from './golden.ts';

const first12 = (m: readonly number[]): number[] => m.slice(0, 12);

describe('rotations against scipy', () => {
  it.each(golden.euler)('Euler $kind $angles', ({ kind, angles, matrix }) => {
    expect(worst(rotationFromEuler(angles, kind), matrix)).toBeLessThan(1e-14);
  });
  it.each(golden.quaternions)('quaternion $order $q', ({ order, q, matrix }) => {
    const r = rotationFromQuaternion(q, order);
    expect(worst(r, matrix)).toBeLessThan(1e-14);
    expect(worst(rotationFromQuaternion(quaternionWxyz(r), 'wxyz'), matrix)).toBeLessThan(1e-14);
  });
  it.each(golden.slerp)('Slerp over $angle rad at $s', ({ angle, s, a, b, matrix }) => {
    const [from, to] = [rotationFromMatrix<'base', 'ee'>(a), rotationFromMatrix<'base', 'ee'>(b)];
    const t = new Float64Array(3);
    const between = interpolate({ r: from, t }, { r: to, t }, s).r;
    // Near π the axis itself is only known to rounding / (π − angle).
    expect(worst(between, matrix)).toBeLessThan(Math.PI - angle < 1e-5 ? 1e-9 : 1e-12);
    expect(angleBetween(from, to)).toBeCloseTo(angle, 12);
    expect(angleBetween(from, between)).toBeCloseTo(s * angle, 9);
  });
  it.each(golden.six)('six numbers, $layout', ({ layout, six, exact, of, matrix }) => {
    expect(rot6d(of, layout)).toEqual(exact);
    expect(worst(rotationFromRot6d(six, layout), matrix)).toBeLessThan(1e-14);
  });
  it.each(golden.rounded)('a rotation published with 5 decimals is orthonormalised', ({ exact, published }) => {
    const r = rotationFromMatrix(published);
    expect(worst(r, exact)).toBeLessThan(2e-5);
    for (let i = 0; i < 3; i++)
      for (let j = 0; j < 3; j++) {
        const dot = [0, 1, 2].reduce((sum, k) => sum + r[3 * k + i]! * r[3 * k + j]!, 0);
        expect(Math.abs(dot - (i === j ? 1 : 0))).toBeLessThan(1e-15 * 4);
      }
  });
});

describe('poses against numpy', () => {
  const { a, b, product, inverse } = golden.compose;
  it('compose, invert, both matrix forms', () => {
    const baseFromCam = rigidFromMatrix<'base', 'cam'>(a);
    const camFromEe = rigidFromMatrix<'cam', 'ee'>(first12(b));
    expect(worst(toMatrix34(compose(baseFromCam, camFromEe)), first12(product))).toBeLessThan(1e-14);
    expect(worst(toMatrix34(invert(baseFromCam)), first12(inverse))).toBeLessThan(1e-14);
  });
  it('writes and reads 3×4 without touching a bit', () => {
    const numbers = first12(a);
    expect(toMatrix34(fromMatrix34(numbers))).toEqual(numbers);
  });
  it('takes six numbers as metres and extrinsic xyz', () => {
    const { angles, matrix } = golden.euler.find(({ kind }) => kind === 'extrinsic-xyz')!;
    const pose = rigidFromVec6([1, 2, 3, ...angles]);
    expect([...pose.t]).toEqual([1, 2, 3]);
    expect(worst(pose.r, matrix)).toBeLessThan(1e-14);
  });
});

describe.each(golden.motions)('motion $# against numpy', (given) => {
  const cam = rigidFromMatrix<'base', 'cam'>(given.baseFromCam);
  const other = rigidFromMatrix<'base', 'cam'>(given.newBaseFromCam);
  const now = rigidFromMatrix<'base', 'ee'>(given.now);
  const then = rigidFromMatrix<'base', 'ee'>(given.then);
  const tool = rigidFromMatrix<'ee', 'tool'>(given.eeFromTool);
  const motion = motionInCamera(cam.r, now, then);
  const same = (found: { t: Float64Array; r: Float64Array }, wanted: { t: number[]; r: number[] }): void => {
    expect(worst(found.t, wanted.t)).toBeLessThan(1e-13);
    expect(worst(found.r, wanted.r)).toBeLessThan(1e-13);
  };
  it('is R_ce·rel·R_ceᵀ', () => same(motion, given.motion));
  it('leads back to the pose', () => {
    expect(worst(toMatrix34(poseAfterMotion(cam.r, now, motion)), first12(given.then))).toBeLessThan(1e-13);
  });
  it('is re-targeted to another camera', () => same(retargetMotion(cam.r, other.r, motion), given.retargeted));
  it('is moved to the tool and back to the flange', () => {
    const camFromEe = rigidFromMatrix<'cam', 'ee'>(given.camFromEe);
    same(motionOfTool(motion, camFromEe.r, tool), given.ofTool);
    const baseFromTool = rigidFromMatrix<'base', 'tool'>(given.baseFromTool);
    expect(worst(toMatrix34(flangeFromTool(baseFromTool, tool)), first12(given.now))).toBeLessThan(1e-13);
  });
});

describe('pixels against numpy', () => {
  const [fx, fy, cx, cy] = golden.projection.k as [number, number, number, number];
  it('projects by x = fx·X/Z + cx, never from behind', () => {
    for (const [i, point] of golden.projection.points.entries()) {
      expect(worst(project({ fx, fy, cx, cy }, point)!, golden.projection.pixels[i]!)).toBeLessThan(1e-10);
      expect(project({ fx, fy, cx, cy }, [point[0]!, point[1]!, -point[2]!])).toBeNull();
    }
    expect(project({ fx, fy, cx, cy }, [0, 0, 0])).toBeNull();
  });
  it.each(golden.intrinsics)('scales intrinsics $from → $to', ({ from, to, k, scaled }) => {
    const size = ([width, height]: [number, number]) => ({ width, height });
    const found = scaleIntrinsics({ fx: k[0]!, fy: k[1]!, cx: k[2]!, cy: k[3]! }, size(from), size(to));
    expect(worst([found.fx, found.fy, found.cx, found.cy], scaled)).toBeLessThan(1e-11);
  });
  it('moves a corner-based principal point by half a pixel', () => {
    // MuJoCo's cx = W/2 of a 640×480 image is the middle, which is 319.5 from the first pixel's centre.
    expect(fromCorner({ fx: 500, fy: 501, cx: 320, cy: 240 })).toEqual({ fx: 500, fy: 501, cx: 319.5, cy: 239.5 });
  });
});
