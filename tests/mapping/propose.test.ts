/** Proposed mappings: what numbers and names prove, what is only guessed, and that a proposal can be ingested as it is. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { CameraDescription, Described, Description, Sample } from '../../sources/describe/description.ts';
import { propose } from '../../sources/mapping/propose/propose.ts';
import { mappingSchema, type WrittenMapping } from '../../sources/mapping/schema.ts';
import { prep, prepJson } from '../cli/run.ts';
import { freshFolder, RELEASE, stored } from '../e2e/demo-set.ts';
import { describeShared, sharedPath } from '../formats/shared-data.ts';
import { expected, ingested, MADE, mappingOf, wordsOf } from './made.ts';

const CAMERA: CameraDescription = {
  ...{ field: 'images/front', codec: 'raw', width: 64, height: 48, fps: null, frames: 20, depth: false },
};

/** 20 rows that move; the numbers of a row by its number. */
function sample(path: string, row: (t: number) => number[], names: readonly string[] = []): Sample {
  const rows = Array.from({ length: 20 }, (_, t) => row(t));
  return { path, width: row(0).length, rows: 20, perStep: true, values: Float64Array.from(rows.flat()), names };
}

function proposed(samples: readonly Sample[], more: Partial<Description> = {}): WrittenMapping {
  const description: Description = {
    ...{ format: 'hdf5', root: '/x', name: 'x', version: '', episodes: 1, lengths: { min: 20, max: 20 }, steps: [20] },
    ...{ attributes: { fps: 10 }, fields: [], cameras: [CAMERA], faults: [] },
    ...more,
  };
  const { mapping } = propose({ description, samples } satisfies Described);
  expect(mappingSchema.safeParse(mapping).error).toBeUndefined();
  return mapping!;
}

const keys = ({ guesses = [] }: WrittenMapping): string[] => guesses.map(({ key }) => key);
const xyz = (t: number): number[] => [0.4 + 0.01 * t, 0.02 * t, 0.3];
const quaternion = (t: number): number[] => [0, 0, Math.sin(0.1 * t), Math.cos(0.1 * t)];
const matrix = (t: number): number[] => {
  const [c, s] = [Math.cos(t / 10), Math.sin(t / 10)];
  return [c, -s, 0, 0.4, s, c, 0, 0.01 * t, 0, 0, 1, 0.3, 0, 0, 0, 1];
};
const GRIPPER = sample('obs/gripper', (t) => [t / 19]);

describe('a pose is found by its name and its numbers', () => {
  it.each<[string, Sample[], object, string[]]>([
    ['4×4', [sample('obs/ee_pose', matrix)], { matrix: 'obs/ee_pose' }, []],
    ['3×4', [sample('obs/ee_pose', (t) => matrix(t).slice(0, 12))], { matrix: 'obs/ee_pose' }, []],
    [
      'unit quaternion behind a position: its order is a guess',
      [sample('obs/ee_pose', (t) => [...xyz(t), ...quaternion(t)])],
      {
        position: { field: 'obs/ee_pose', columns: [0, 3] },
        rotation: { field: 'obs/ee_pose', columns: [3, 7] },
        rotationKind: 'xyzw',
      },
      ['rotationKind'],
    ],
    [
      'order told by the column names',
      [sample('state', (t) => [...xyz(t), ...quaternion(t)], ['x', 'y', 'z', 'qw', 'qx', 'qy', 'qz'])],
      {
        position: { field: 'state', columns: [0, 3] },
        rotation: { field: 'state', columns: [3, 7] },
        rotationKind: 'wxyz',
      },
      [],
    ],
    [
      'two fields, millimetres',
      [sample('obs/tcp_pos', (t) => xyz(t).map((x) => 1000 * x)), sample('obs/tcp_quat_xyzw', quaternion)],
      { position: 'obs/tcp_pos', metresPerUnit: 0.001, rotation: 'obs/tcp_quat_xyzw', rotationKind: 'xyzw' },
      ['metresPerUnit'],
    ],
    [
      'three angles',
      [sample('obs/tcp_pos', xyz), sample('obs/tcp_euler', (t) => [3, 0.1 * t - 1, 0])],
      { position: 'obs/tcp_pos', rotation: 'obs/tcp_euler', rotationKind: 'extrinsic-xyz' },
      ['rotationKind'],
    ],
    [
      'degrees',
      [sample('obs/tcp_pos', xyz), sample('obs/tcp_rpy', (t) => [170, 9 * t - 90, 0])],
      { position: 'obs/tcp_pos', rotation: 'obs/tcp_rpy', rotationKind: 'extrinsic-xyz', angles: 'degrees' },
      ['angles', 'rotationKind'],
    ],
    [
      'a 3×3 matrix beside a position',
      [sample('obs/ee_pos', xyz), sample('obs/ee_rot', (t) => [0, 1, 2, 4, 5, 6, 8, 9, 10].map((i) => matrix(t)[i]!))],
      { position: 'obs/ee_pos', rotation: 'obs/ee_rot', rotationKind: 'matrix' },
      [],
    ],
  ])('%s', (_, samples, pose, guesses) => {
    const mapping = proposed([...samples, GRIPPER]);
    expect(mapping.arms[0]!.pose).toEqual(pose);
    expect(keys(mapping).filter((key) => key.startsWith('arms.0.pose'))).toEqual(
      guesses.map((key) => `arms.0.pose.${key}`),
    );
  });

  it.each<[string, Sample]>([
    ['joints', sample('obs/joint_pos', (t) => [...xyz(t), ...xyz(t), 0])],
    ['a nameless vector without a quaternion', sample('state', (t) => [...xyz(t), ...xyz(t), 0.5])],
    [
      'columns called joints',
      sample('observation.state', (t) => [...xyz(t), ...quaternion(t)], [
        'joint_0',
        'joint_1',
        'joint_2',
        'joint_3',
        'joint_4',
        'joint_5',
        'joint_6',
      ]),
    ],
    ['what never moves', sample('obs/ee_pose', () => matrix(3))],
    ['differences', sample('obs/delta_ee_pose', (t) => [...xyz(t), ...quaternion(t)])],
  ])('%s are none, and that is said', (_, one) => {
    const { mapping, words } = propose({
      description: { ...EMPTY, cameras: [CAMERA] },
      samples: [one, GRIPPER],
    });
    expect(mapping!.arms[0]).not.toHaveProperty('pose');
    expect(words.join(' ')).toMatch(/No end-effector pose was found: joints alone do not say.*no-pose/);
  });

  it('two arms, the right one first; a measured pose before a command', () => {
    const both = ['left', 'right'].map((side) => sample(`obs/${side}_ee_pose`, matrix));
    const grippers = ['left', 'right'].map((side) => sample(`obs/${side}_gripper`, (t) => [t / 19]));
    const { arms, cameras } = proposed([sample('action/ee_pose', matrix), ...both, ...grippers], {
      cameras: ['cam_left_wrist', 'cam_right_wrist', 'cam_high'].map((name) => ({
        ...CAMERA,
        field: `images/${name}`,
      })),
    });
    expect(arms.map(({ pose, openness }) => [pose!.matrix, openness!.field])).toEqual([
      ['obs/right_ee_pose', 'obs/right_gripper'],
      ['obs/left_ee_pose', 'obs/left_gripper'],
    ]);
    expect(cameras.map(({ role, mount }) => [role, mount])).toEqual([
      ['wrist2', 'hand'],
      ['wrist', 'hand'],
      ['third', undefined],
    ]);
  });
});

const EMPTY: Description = {
  ...{ format: 'hdf5', root: '/x', name: 'x', version: '', episodes: 1, lengths: { min: 20, max: 20 }, steps: [20] },
  ...{ attributes: {}, fields: [], cameras: [], faults: [] },
};

describe('grippers', () => {
  it.each<[string, string, (t: number) => number, object, string[]]>([
    ['0 … 1 of unknown polarity', 'obs/gripper', (t) => t / 19, { open: 1, closed: 0 }, ['open']],
    ['−1 … 1', 'obs/gripper', (t) => (t < 10 ? -1 : 1), { open: 1, closed: -1 }, ['open']],
    ['closed by name', 'obs/gripper_closed', (t) => t / 19, { open: 0, closed: 1 }, []],
    ['open by name', 'obs/gripper_open', (t) => t / 19, { open: 1, closed: 0 }, []],
    [
      'metres: the ends that were seen',
      'obs/gripper_width',
      (t) => 0.08 * (t / 19),
      { open: 0.08, closed: 0 },
      ['closed'],
    ],
    ['a range that may go on', 'obs/gripper', (t) => 0.5 * (t / 19), { open: 1, closed: 0 }, ['open', 'closed']],
  ])('%s', (_, path, at, ends, guesses) => {
    const mapping = proposed([sample('obs/ee_pose', matrix), sample(path, (t) => [at(t)])]);
    expect(mapping.arms[0]!.openness).toEqual({ field: path, ...ends });
    expect(keys(mapping).filter((key) => key.startsWith('arms.0.openness'))).toEqual(
      guesses.map((key) => `arms.0.openness.${key}`),
    );
  });
});

describe('the clock', () => {
  const arm = [sample('obs/ee_pose', matrix), GRIPPER];
  it.each<[string, Sample[], Partial<Description>, object]>([
    ['an attribute', [], { attributes: { control_freq: 20 } }, { hz: { attribute: 'control_freq' } }],
    ['even time stamps', [sample('time', (t) => [t * 50])], { attributes: {} }, { hz: 20 }],
    [
      'uneven ones, nanoseconds',
      [sample('timestamp', (t) => [1e8 * (t < 10 ? t : t + 3 * (t - 10))])],
      { attributes: {} },
      { hz: 10, time: { field: 'timestamp', secondsPerUnit: 1e-9 } },
    ],
    ['nothing', [], { attributes: {} }, { hz: 30 }],
  ])('%s', (what, samples, more, clock) => {
    const mapping = proposed([...arm, ...samples], more);
    expect(mapping).toMatchObject(clock);
    expect(keys(mapping).includes('hz')).toBe(what !== 'an attribute');
  });
});

describe('on the command line', () => {
  it.each(['hdf5', 'lerobot'] as const)('%s: the file can be ingested, and its guesses are told', async (set) => {
    const out = join(freshFolder(), 'mapping.json');
    const { code, stderr, stdout } = await prep('inspect', join(MADE, set), '--propose', '--out', out);
    expect([code, stdout]).toEqual([0, '']);
    expect(stderr).toContain(`Next: prep ingest ${set} --mapping ${out} --root ${join(MADE, set)}`);
    const mapping: WrittenMapping = JSON.parse(readFileSync(out, 'utf8'));
    const hand = mappingOf(set) as unknown as WrittenMapping;
    expect(mapping.arms[0]!.pose).toEqual(hand.arms[0]!.pose);
    expect(mapping.arms[0]!.openness).toEqual(hand.arms[0]!.openness);
    expect(mapping.arms[0]!.command).toEqual(hand.arms[0]!.command);
    expect(mapping.cameras.map(({ name, frames, role, intrinsics }) => [name, frames, role, intrinsics])).toEqual(
      hand.cameras.map(({ name, frames, role, intrinsics }) => [name, frames, role, intrinsics]),
    );
    const store = freshFolder();
    const { stderr: told } = await prep('ingest', set, '--mapping', out, ...wordsOf(set, store));
    for (const { key } of mapping.guesses!) expect(told).toContain(`  ${key} = `);
    // What was guessed here is right: the same rows as by the mapping that was written by hand.
    const rows = (await stored(store, set)).rows.get(expected[set][0]!.id)!;
    const own = freshFolder();
    await ingested(set, '--mapping', join(MADE, `${set}.json`), ...wordsOf(set, own));
    const byHand = (await stored(own, set)).rows.get(expected[set][0]!.id)!;
    for (const column of ['action', 'proprio', 'camera', 'time', 'imageHash', 'instruction'] as const)
      expect(rows[column]).toEqual(byHand[column]);
    const again = await prep('inspect', join(MADE, set), '--propose', '--out', out);
    expect([again.code, again.stderr]).toEqual([2, expect.stringMatching(/--out.*one that is there already/)]);
  });

  it('without --out the mapping alone is on stdout', async () => {
    const { stdout } = await prep('inspect', join(MADE, 'hdf5'), '--propose');
    expect(mappingSchema.safeParse(JSON.parse(stdout)).success).toBe(true);
    const { value } = await prepJson<{ mapping: object; known: string[] }>('inspect', join(MADE, 'hdf5'), '--propose');
    expect(value).toMatchObject({ mapping: { format: 'hdf5' }, known: [] });
  });

  it('a known dataset is called by its name', async () => {
    const { stderr } = await prep('inspect', RELEASE, '--propose');
    expect(stderr).toContain(`This looks like droid: use prep ingest droid --root ${RELEASE}`);
  });

  it('nothing to see is no proposal', async () => {
    const folder = freshFolder();
    const empty = join(folder, 'meta');
    expect(existsSync(empty)).toBe(false);
    writeFileSync(join(folder, 'x.hdf5'), '');
    expect((await prep('inspect', folder, '--propose')).code).toBe(1);
  });
});

describeShared('lerobot_made', () => {
  it('names the datasets that are built in', async () => {
    const known = async (path: string) =>
      (await prepJson<{ known: string[] }>('inspect', sharedPath(path), '--propose')).value.known;
    expect(await known('lerobot_made/a1')).toEqual(['interndata_a1']);
    expect(await known('lerobot_made/droid_port')).toEqual(['droid_lerobot']);
    expect(await known('lerobot_made/v30_images')).toEqual([]);
  });
});
