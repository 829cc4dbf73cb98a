/** Cameras of model files against MuJoCo, the ViperX against matrix exponentials (fixtures/rigs/make.py). */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { toMatrix34 } from '../../schemas/geometry.ts';
import { mjcfCamera, renderedIntrinsics } from '../../sources/calibration/mjcf.ts';
import { viperxPose, viperxSeries } from '../../sources/rigs/viperx.ts';
import { worst } from '../geometry/golden.ts';

const read = <T>(name: string): T =>
  JSON.parse(readFileSync(new URL(`../../fixtures/rigs/${name}`, import.meta.url), 'utf8'));
const models = read<Record<string, { xml: string; moving: string[]; cameras: Record<string, number[]> }>>('mjcf.json');

describe('cameras of a model file', () => {
  it.each(Object.entries(models))('%s', (_, { xml, moving, cameras }) => {
    for (const [name, [...expected]] of Object.entries(cameras)) {
      const found = mjcfCamera(xml, name);
      if (moving.includes(name)) expect(found, name).toBeNull();
      else {
        const fovy = expected.pop()!;
        expect(worst(toMatrix34(found!.worldFromCam), expected), name).toBeLessThan(1e-12);
        expect(found!.fovy, name).toBeCloseTo((fovy * Math.PI) / 180, 12);
      }
    }
  });
  it('one that is not there', () => {
    expect(mjcfCamera(models.robosuite!.xml, 'sideview')).toBeNull();
  });
  it.each(['orthographic="true"', 'projection="orthographic"', 'sensorsize="0.01 0.01" resolution="64 64"'])(
    'no field of view: %s',
    (lens) => {
      expect(mjcfCamera(`<mujoco><worldbody><camera name="c" ${lens}/></worldbody></mujoco>`, 'c')).toBeNull();
    },
  );
  it.each([
    ['no model', '<robot name="c"/>'],
    ['half a position', '<mujoco><worldbody><camera name="c" pos="1 2"/></worldbody></mujoco>'],
    ['words', '<mujoco><worldbody><camera name="c" quat="a b c d"/></worldbody></mujoco>'],
    ['a quaternion of nothing', '<mujoco><worldbody><camera name="c" quat="0 0 0 0"/></worldbody></mujoco>'],
    ['no axis', '<mujoco><worldbody><camera name="c" zaxis="0 0 0"/></worldbody></mujoco>'],
    ['axes along one line', '<mujoco><worldbody><camera name="c" xyaxes="1 0 0 2 0 0"/></worldbody></mujoco>'],
    [
      'an unknown sequence',
      '<mujoco><compiler eulerseq="abc"/><worldbody><camera name="c" euler="1 2 3"/></worldbody></mujoco>',
    ],
  ])('refused: %s', (_, xml) => {
    expect(() => mjcfCamera(xml, 'c')).toThrow(/bad-metadata|not-rigid|not-finite/);
  });
  it('intrinsics: half the height is half the field of view', () => {
    const fovy = (45 * Math.PI) / 180;
    expect(renderedIntrinsics(fovy, { width: 320, height: 240 })).toEqual([
      expect.closeTo(120 / Math.tan(fovy / 2), 12),
      expect.closeTo(120 / Math.tan(fovy / 2), 12),
      160,
      120,
    ]);
  });
});

describe('the ViperX 300', () => {
  const { joints, poses } = read<{ joints: number[][]; poses: number[][] }>('viperx.json');
  it.each(joints.map((q, i) => [i, q] as const))('pose %i', (i, q) => {
    expect(worst(toMatrix34(viperxPose(q)), poses[i]!)).toBeLessThan(1e-12);
  });
  it('a series of them', () => {
    const series = viperxSeries(Float64Array.from(joints.flat()), 'qpos');
    expect(series.kind).toBe('matrix34');
    expect(worst(series.values, poses.flat())).toBeLessThan(1e-12);
  });
});
