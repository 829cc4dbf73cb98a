/** Many rows at once against the same formulas one motion at a time, which scipy's numbers hold elsewhere. */
import { describe, expect, it } from 'vitest';
import { motionOfTool, retargetMotion, rot6d, rotationFromRot6d } from '../../schemas/action-geometry.ts';
import { compose, invert, type Rigid, rigidFromMatrix, rotationFromMatrix } from '../../schemas/geometry.ts';
import { HISTORY_BIT, type PrepMetadata, presentBit } from '../../schemas/row.ts';
import { alike, type NumberColumns } from '../../transforms/alike.ts';
import { syntheticShape } from '../sinks/synthetic.ts';

const TOOL = [0, 0, 1, 0.12, 0, 1, 0, -0.02, -1, 0, 0, 0.05, 0, 0, 0, 1];
const [ARMS, CHUNK, STEPS] = [2, 3, 4];

/** Any rotation: Gram–Schmidt of six numbers from a counter. */
function turned<To extends string, From extends string>(seed: number) {
  return rotationFromRot6d<To, From>(
    Array.from({ length: 6 }, (_, i) => Math.sin(1 + seed * 2.3 + i * 1.7)),
    'rows',
  );
}
const vector = (seed: number): number[] => {
  const t = [0, 1, 2].map((i) => Math.cos(seed * 1.9 + i) / 3);
  return [...t, ...rot6d(turned(seed), 'rows'), Math.sin(seed)];
};
const cameraOf = (seed: number): Rigid<'base', 'cam'> => ({
  r: turned(seed),
  t: Float64Array.from([0, 1, 2], (i) => Math.sin(seed + i)),
});
const numbersOf = ({ r, t }: Rigid<'base', 'cam'>): number[] => [
  ...[100, 100, 127.5, 127.5],
  ...[0, 1, 2].flatMap((i) => [r[3 * i]!, r[3 * i + 1]!, r[3 * i + 2]!, t[i]!]),
];
const [third, wrist] = [(step: number) => cameraOf(50 + step), (step: number) => cameraOf(70 + step)];
const ALL = (3 << 16) | HISTORY_BIT | presentBit('third', 'rotation') | presentBit('wrist', 'rotation');

const columns: NumberColumns = {
  steps: STEPS,
  robot: 'toy',
  action: Float32Array.from(Array.from({ length: STEPS * ARMS * CHUNK }, (_, i) => vector(i)).flat()),
  actionValid: new Int16Array(STEPS).fill(CHUNK),
  history: Float32Array.from(Array.from({ length: STEPS * ARMS }, (_, i) => vector(100 + i)).flat()),
  proprio: Float32Array.from(Array.from({ length: STEPS * ARMS }, (_, i) => vector(200 + i)).flat()),
  camera: Float32Array.from(
    Array.from({ length: STEPS }, (_, step) => [...numbersOf(third(step)), ...numbersOf(wrist(step))]).flat(),
  ),
  present: new Int32Array(STEPS).fill(ALL),
};
const robots = { toy: { arms: 2, roles: [], hz: 15, clock: 'index', ee_origin: 'flange', eeFromTool: TOOL } } as const;
const metadata: PrepMetadata = syntheticShape('toy', { robots, arms: ['right', 'left'] }).metadata;
const same = { reference: 'third', tool: 'native', rot6d: 'rows' } as const;

const at = (values: Float32Array, i: number): Float32Array => values.subarray(10 * i, 10 * i + 10);
const motionOf = (v: Float32Array) => ({
  t: Float64Array.from(v.subarray(0, 3)),
  r: rotationFromRot6d<'cam', 'cam'>(v.subarray(3, 9), 'rows'),
});
function expectNear(found: Float32Array, wanted: readonly number[]): void {
  for (const [i, x] of wanted.entries()) expect(Math.abs(found[i]! - x)).toBeLessThan(3e-7);
}

describe('rows made alike', () => {
  it('are the same object where nothing differs', () => expect(alike(columns, metadata, same)).toBe(columns));

  it('keep rotations to the bit where only the tool differs', () => {
    const out = alike(columns, metadata, { ...same, tool: 'canonical' });
    for (let i = 0; i < STEPS * ARMS * CHUNK; i++)
      expect([...at(out.action, i).subarray(3)]).toEqual([...at(columns.action, i).subarray(3)]);
  });

  it.each(['rows', 'columns'] as const)('have another tool and reference, rot6d as %s', (layout) => {
    const out = alike(columns, metadata, { reference: 'wrist', tool: 'canonical', rot6d: layout });
    const tool = rigidFromMatrix<'ee', 'tool'>(TOOL);
    for (let step = 0; step < STEPS; step++)
      for (let arm = 0; arm < ARMS; arm++) {
        const row = step * ARMS + arm;
        const pose = at(columns.proprio, row);
        const camFromEe = rotationFromRot6d<'cam', 'ee'>(pose.subarray(3, 9), 'rows');
        const check = (before: Float32Array, after: Float32Array): void => {
          const moved = motionOfTool(motionOf(before), camFromEe, tool);
          const wanted = retargetMotion(third(step).r, wrist(step).r, moved);
          expectNear(after, [...wanted.t, ...rot6d(wanted.r, layout), before[9]!]);
        };
        check(at(columns.history, row), at(out.history, row));
        for (let k = 0; k < CHUNK; k++) check(at(columns.action, row * CHUNK + k), at(out.action, row * CHUNK + k));
        const camFromTool = compose<'cam', 'ee', 'tool'>(
          { r: camFromEe, t: Float64Array.from(pose.subarray(0, 3)) },
          tool,
        );
        const baseFromTool = compose<'base', 'cam', 'tool'>(third(step), camFromTool);
        const wanted = compose<'cam', 'base', 'tool'>(invert(wrist(step)), baseFromTool);
        expectNear(at(out.proprio, row), [...wanted.t, ...rot6d(rotationFromMatrix(wanted.r), layout), pose[9]!]);
      }
  });

  it('come back', () => {
    const to = { reference: 'wrist', tool: 'canonical', rot6d: 'columns' } as const;
    const back = alike(alike(columns, metadata, to), { ...metadata, ...to }, same);
    for (const name of ['action', 'history', 'proprio'] as const) expectNear(back[name], [...columns[name]]);
  });

  it('have no valid action where the new camera’s rotation is not known, and leave absent arms alone', () => {
    const present = columns.present.slice();
    present[1] = present[1]! & ~presentBit('wrist', 'rotation');
    present[2] = present[2]! & ~(1 << 17);
    const out = alike({ ...columns, present }, metadata, { ...same, reference: 'wrist' });
    expect([...out.actionValid]).toEqual([3, 0, 3, 3]);
    expect([...out.present].map((bits) => (bits & HISTORY_BIT) !== 0)).toEqual([true, false, true, true]);
    expect(out.proprio.subarray(20, 23).every(Number.isNaN)).toBe(true);
    expect(at(out.proprio, 5)).toEqual(at(columns.proprio, 5));
  });
});
