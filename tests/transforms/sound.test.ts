import { describe, expect, it } from 'vitest';
import { PrepError } from '../../schemas/errors.ts';
import { toMatrix34 } from '../../schemas/geometry.ts';
import type { SourceData } from '../../schemas/source.ts';
import { soundEpisode } from '../../transforms/sound.ts';
import { golden, worst } from '../geometry/golden.ts';
import { arm, at, episodeOf } from './case.ts';

const CLOCK = { kind: 'index', hz: 15 } as const;
const identity = episodeOf([arm([at(0, 0, 0)])]);
type Pose = SourceData['arms'][number]['pose'];

function data(pose: Partial<Pose>, more: Partial<SourceData> & { openness?: number[] } = {}): SourceData {
  const { openness = [1, 0.5], ...rest } = more;
  const values = new Float64Array([0.5, 0, 0.3, 3.1, 0, 0, 0.5, 0, 0.3, -3.1, 0, 0]);
  return {
    steps: 2,
    arms: [
      {
        pose: { kind: 'xyz+extrinsic-xyz', field: 'cartesian_position', values, ...pose },
        opennessMeasured: Float64Array.from(openness),
        opennessCommanded: Float64Array.from([1, 1]),
      },
    ],
    cameras: [],
    ...rest,
  };
}
function fault(make: () => unknown): PrepError {
  try {
    make();
  } catch (error) {
    if (error instanceof PrepError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('poses in every published form', () => {
  const { kind: _, angles, matrix } = golden.euler.find(({ kind }) => kind === 'extrinsic-xyz')!;
  const intrinsic = golden.euler.find(({ kind }) => kind === 'intrinsic-xyz')!;
  const [wxyz, xyzw] = ['wxyz', 'xyzw'].map((order) => golden.quaternions.find((q) => q.order === order)!);
  const full = (m: number[]) => [...m.slice(0, 3), 1, ...m.slice(3, 6), 2, ...m.slice(6), 3, 0, 0, 0, 1];
  it.each([
    ['xyz+extrinsic-xyz', [1, 2, 3, ...angles], matrix],
    ['xyz+intrinsic-xyz', [1, 2, 3, ...intrinsic.angles], intrinsic.matrix],
    ['xyz+wxyz', [1, 2, 3, ...wxyz!.q], wxyz!.matrix],
    ['xyz+xyzw', [1, 2, 3, ...xyzw!.q], xyzw!.matrix],
    ['matrix', full(matrix), matrix],
  ] as const)('%s', (kind, one, expected) => {
    const values = Float64Array.from([...one, ...one]);
    const [track] = soundEpisode(identity, data({ kind, values }), CLOCK).arms;
    const m = toMatrix34(track!.baseFromEe[1]!);
    expect(worst(m, full(expected).slice(0, 12))).toBeLessThan(1e-14);
  });
});

describe('what is refused, and where', () => {
  const nan = new Float64Array(12).fill(0.1).with(9, Number.NaN);
  const zero = new Float64Array(14);
  it.each([
    ['NaN', data({ values: nan }), 'not-finite', { step: 1, field: 'cartesian_position' }],
    [
      'zero quaternion',
      data({ kind: 'xyz+wxyz', values: zero }),
      'not-rigid',
      { step: 0, field: 'cartesian_position' },
    ],
    ['numbers of another width', data({ kind: 'xyz+wxyz' }), 'field-shape', { field: 'cartesian_position' }],
    ['no step', data({}, { steps: 0 }), 'zero-steps', {}],
    ['openness in millimetres', data({}, { openness: [1, 57] }), 'bad-value', { step: 1, field: 'measured openness' }],
    ['openness NaN', data({}, { openness: [Number.NaN, 1] }), 'not-finite', { step: 0, field: 'measured openness' }],
    ['openness too short', data({}, { openness: [1] }), 'field-shape', { field: 'measured openness' }],
    [
      'frames missing',
      data(
        {},
        { cameras: [{ name: 'front', width: 4, height: 4, frames: { kind: 'memory', frames: [new Uint8Array(1)] } }] },
      ),
      'field-shape',
      { camera: 'front' },
    ],
  ] as const)('%s', (_, bad, code, place) => {
    const error = fault(() => soundEpisode(identity, bad, CLOCK));
    expect(error.code).toBe(code);
    expect(error.at).toEqual(place);
  });
  it('openness a little outside is noise and clipped', () => {
    const [track] = soundEpisode(identity, data({}, { openness: [1.2, -0.2] }), CLOCK).arms;
    expect([...track!.opennessMeasured]).toEqual([1, 0]);
  });
});
