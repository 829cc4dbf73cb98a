/** A camera pose in every published form is one pose (scipy: fixtures/geometry/make_clock.py), and what no form may hold. */
import { describe, expect, it } from 'vitest';
import { toMatrix34 } from '../../schemas/geometry.ts';
import type { PublishedPose } from '../../schemas/source.ts';
import { cameraPoses } from '../../transforms/poses.ts';
import { readFixture, worst } from '../geometry/golden.ts';

interface Form extends Pick<PublishedPose, 'kind' | 'axes' | 'direction'> {
  readonly values: number[];
}
const given = readFixture<{ true: number[]; forms: Form[] }>('camera_poses.json');
const published = ({ values, ...form }: Form): PublishedPose =>
  ({ ...form, values: Float64Array.from(values), field: 'pose' }) as PublishedPose;
const poses = (form: Form, steps = 1) => cameraPoses<'base'>(published(form), steps, { camera: 'front' });

describe('a published camera pose', () => {
  it.each(given.forms.map((form) => [`${form.kind}, ${form.axes}, ${form.direction}`, form] as const))(
    '%s',
    (_, form) => {
      expect(worst(toMatrix34(poses(form)[0]!), given.true)).toBeLessThan(1e-12);
    },
  );
  const form = given.forms[0]!;
  const twice = { ...form, values: [...form.values, ...form.values] };
  it('once, or once per step', () => {
    expect(poses(form, 5)).toHaveLength(1);
    expect(poses(twice, 2)).toHaveLength(2);
  });
  it.each([
    ['neither one nor one per step', twice, 'field-shape'],
    ['half a pose', { ...form, values: form.values.slice(1) }, 'not-rigid'],
    ['zeros', { ...form, values: form.values.map(() => 0) }, 'zero-extrinsics'],
    ['degrees', { ...form, values: form.values.with(4, 45) }, 'bad-angle'],
    ['a quaternion of norm 1.7', { ...form, kind: 'xyz+wxyz', values: [1, 2, 3, 1.7, 0, 0, 0] }, 'not-rigid'],
    ['NaN', { ...form, values: form.values.with(1, Number.NaN) }, 'not-finite'],
    ['a reflection', { ...form, kind: 'matrix34', values: [-1, 0, 0, 1, 0, 1, 0, 1, 0, 0, 1, 1] }, 'not-rigid'],
  ] as [string, Form, string][])('%s: %s', (_, bad, code) => expect(() => poses(bad, 3)).toThrow(code));
  it('a rotation alone: the translation is not known, whatever stands there', () => {
    const unknown = {
      ...published({ ...form, values: form.values.with(0, Number.NaN) }),
      translation: 'unknown',
    } as const;
    const [pose] = cameraPoses<'base'>(unknown, 1, {});
    expect([...pose!.t]).toEqual([Number.NaN, Number.NaN, Number.NaN]);
    const rotation = [0, 1, 2, 4, 5, 6, 8, 9, 10].map((i) => given.true[i]!);
    expect(worst(pose!.r, rotation)).toBeLessThan(1e-12);
  });
});
