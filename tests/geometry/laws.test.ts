/** Laws that hold for every pose, not for chosen ones. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
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
  composeRotations,
  identityRotation,
  interpolateRotation,
  invert,
  invertRotation,
  type Rigid,
  type Rotation,
  rotate,
  rotationFromQuaternion,
  toMatrix34,
  transformPoint,
} from '../../schemas/geometry.ts';
import { worst } from './golden.ts';

const unit = fc.double({ min: -1, max: 1, noNaN: true, noDefaultInfinity: true });
const quaternion = fc
  .tuple(unit, unit, unit, unit)
  .map((q) => q.map((x) => x / Math.hypot(...q)))
  .filter((q) => q.every(Number.isFinite));
const metres = fc.tuple(unit, unit, unit).map((v) => new Float64Array(v.map((x) => 2 * x)));
const rotation = <A extends string, B extends string>(): fc.Arbitrary<Rotation<A, B>> =>
  quaternion.map((q) => rotationFromQuaternion<A, B>(q, 'wxyz'));
const pose = <A extends string, B extends string>(): fc.Arbitrary<Rigid<A, B>> =>
  fc.record({ r: rotation<A, B>(), t: metres });
const [cam, ee] = [pose<'base', 'cam'>(), pose<'base', 'ee'>()];
const TINY = 1e-12;

const sameMotion = (a: { t: Float64Array; r: Float64Array }, b: { t: Float64Array; r: Float64Array }): void => {
  expect(worst(a.t, b.t)).toBeLessThan(TINY);
  expect(worst(a.r, b.r)).toBeLessThan(TINY);
};

describe('rigid transforms', () => {
  it('inverse of a product is the product of inverses, backwards', () =>
    fc.assert(
      fc.property(cam, pose<'cam', 'ee'>(), (a, b) => {
        const [left, right] = [invert(compose(a, b)), compose(invert(b), invert(a))];
        expect(worst(toMatrix34(left), toMatrix34(right))).toBeLessThan(TINY);
        const p = transformPoint(invert(a), transformPoint(a, b.t));
        expect(worst(p, b.t)).toBeLessThan(TINY);
      }),
    ));
  it('rot6d round trip in both layouts', () =>
    fc.assert(
      fc.property(rotation(), fc.constantFrom('rows' as const, 'columns' as const), (r, layout) => {
        expect(worst(rotationFromRot6d(rot6d(r, layout), layout), r)).toBeLessThan(TINY);
      }),
    ));
  it('interpolation runs at constant speed and is symmetric', () =>
    fc.assert(
      fc.property(
        rotation<'base', 'ee'>(),
        rotation<'base', 'ee'>(),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (a, b, s) => {
          const whole = angleBetween(a, b);
          // At exactly half a turn there are two shortest ways.
          fc.pre(whole < Math.PI - 1e-3);
          const between = interpolateRotation(a, b, s);
          expect(Math.abs(angleBetween(a, between) - s * whole)).toBeLessThan(1e-9);
          expect(worst(between, interpolateRotation(b, a, 1 - s))).toBeLessThan(1e-10);
        },
      ),
    ));
});

describe('the camera-frame action', () => {
  it('does not change when base and camera move together', () =>
    fc.assert(
      fc.property(cam, ee, ee, pose<'base', 'base'>(), (c, now, then, moved) => {
        const there = motionInCamera(compose(moved, c).r, compose(moved, now), compose(moved, then));
        sameMotion(there, motionInCamera(c.r, now, then));
      }),
    ));
  it('does change when the camera turns alone', () =>
    fc.assert(
      fc.property(cam, ee, ee, rotation<'base', 'base'>(), (c, now, then, turned) => {
        const moved = then.t.map((x, i) => x - now.t[i]!);
        // A turn about the direction of motion leaves its translation as it is.
        fc.pre(worst(rotate(turned, moved), moved) > 1e-3);
        const there = motionInCamera(composeRotations(turned, c.r), now, then);
        expect(worst(there.t, motionInCamera(c.r, now, then).t)).toBeGreaterThan(1e-4);
      }),
    ));
  it('pose → action → pose and action → pose → action are the identity', () =>
    fc.assert(
      fc.property(cam, ee, ee, (c, now, then) => {
        const motion = motionInCamera(c.r, now, then);
        const back = poseAfterMotion(c.r, now, motion);
        expect(worst(toMatrix34(back), toMatrix34(then))).toBeLessThan(TINY);
        sameMotion(motionInCamera(c.r, now, back), motion);
      }),
    ));
  it('re-targeting there is what that camera sees, and back is where it began', () =>
    fc.assert(
      fc.property(cam, cam, ee, ee, (c, d, now, then) => {
        const motion = motionInCamera(c.r, now, then);
        const there = retargetMotion(c.r, d.r, motion);
        sameMotion(there, motionInCamera(d.r, now, then));
        sameMotion(retargetMotion(d.r, c.r, there), motion);
      }),
    ));
  it('for the tool equals the motion of the tool', () =>
    fc.assert(
      fc.property(cam, ee, ee, metres, (c, now, then, d) => {
        const eeFromTool: Rigid<'ee', 'tool'> = { r: identityRotation(), t: d };
        const camFromEe = composeRotations<'cam', 'base', 'ee'>(invertRotation(c.r), now.r);
        const tip = (pose: Rigid<'base', 'ee'>): Rigid<'base', 'ee'> => ({ r: pose.r, t: transformPoint(pose, d) });
        const found = motionOfTool(motionInCamera(c.r, now, then), camFromEe, eeFromTool);
        sameMotion(found, motionInCamera(c.r, tip(now), tip(then)));
      }),
    ));
});
