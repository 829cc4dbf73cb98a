/** Ways to write a pose, as a mapping names them → the series that the geometry reads. */
import { expect, it } from 'vitest';
import { mappedPose } from '../../sources/mapping/poses.ts';
import type { FieldRef, MappedPose } from '../../sources/mapping/schema.ts';

/** Two rows of each field. */
const FIELDS: Readonly<Record<string, readonly number[]>> = {
  place: [1000, 2000, 3000, 4000, 5000, 6000],
  turn: [90, 0, -180, 0, 45, 0],
  r: [0, -1, 0, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, -1, 0, 1, 0],
  m34: [0, -1, 0, 10, 1, 0, 0, 20, 0, 0, 1, 30, 1, 0, 0, 40, 0, 0, -1, 50, 0, 1, 0, 60],
  m44: [0, -1, 0, 10, 1, 0, 0, 20, 0, 0, 1, 30, 0, 0, 0, 1, 1, 0, 0, 40, 0, 0, -1, 50, 0, 1, 0, 60, 0, 0, 0, 1],
};
const series = (pose: MappedPose) => {
  const { kind, values, field } = mappedPose(pose, {
    read: (ref: FieldRef, width: number) => {
      const all = Float64Array.from(FIELDS[ref as string]!);
      expect(all.length).toBe(2 * width);
      return all;
    },
    widthOf: (ref: FieldRef) => FIELDS[ref as string]!.length / 2,
  });
  return { kind, values: Array.from(values), field };
};

it('degrees and millimetres', () => {
  const { PI } = Math;
  expect(
    series({
      position: 'place',
      metresPerUnit: 0.001,
      rotation: 'turn',
      rotationKind: 'intrinsic-xyz',
      angles: 'degrees',
    }),
  ).toEqual({
    kind: 'xyz+intrinsic-xyz',
    values: [1, 2, 3, PI / 2, 0, -PI, 4, 5, 6, 0, PI / 4, 0],
    field: 'place + turn',
  });
  expect(series({ position: 'place', rotation: 'turn', rotationKind: 'rotvec' }).values[3]).toBe(90);
});

it('a 3×3 matrix beside a position', () => {
  expect(series({ position: 'place', metresPerUnit: 0.01, rotation: 'r', rotationKind: 'matrix' })).toEqual({
    kind: 'matrix34',
    values: FIELDS.m34,
    field: 'place + r',
  });
});

it('3×4 and 4×4, whose last column alone has a unit', () => {
  const scaled = (values: readonly number[]) => values.map((x) => (x >= 10 ? x / 10 : x));
  expect(series({ matrix: 'm34', metresPerUnit: 0.1 })).toEqual({
    kind: 'matrix34',
    values: scaled(FIELDS.m34!),
    field: 'm34',
  });
  expect(series({ matrix: 'm44', metresPerUnit: 0.1 })).toEqual({
    kind: 'matrix',
    values: scaled(FIELDS.m44!),
    field: 'm44',
  });
});
