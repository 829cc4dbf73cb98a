/** What is wrong with a mapping file is said by its key, before anything is read of the dataset. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { globPattern } from '../../sources/mapping/layout.ts';
import { openMapping } from '../../sources/mapping/spec.ts';
import { prep } from '../cli/run.ts';
import { freshFolder } from '../e2e/demo-set.ts';
import { changed, type Json, mappingFile, mappingOf, wordsOf } from './made.ts';

const [arm] = mappingOf('hdf5').arms as [Json & { pose: Json; openness: Json }];
const [camera] = mappingOf('hdf5').cameras as [Json];
const arms = (part: Json) => ({ arms: [{ ...arm, ...part }] });
const cameras = (part: Json) => ({ cameras: [{ ...camera, ...part }] });

describe('a bad mapping names the key', () => {
  it.each<[string, Json, RegExp]>([
    ['an unknown key', { armes: [] }, /Unrecognized key: "armes"/],
    ['an unknown key further down', cameras({ frame: 'x' }), /cameras\.0: Unrecognized key: "frame"/],
    ['no format', { format: 'zarr' }, /format: .*"hdf5"\|"lerobot"\|"rlds"/],
    ['a name that no table can have', { name: 'my runs' }, /name: letters, digits and _/],
    ['no arms', { arms: [] }, /arms: /],
    ['three arms', { arms: [arm, arm, arm] }, /arms: /],
    [
      'a rotation without its kind',
      arms({ pose: { position: 'a', rotation: 'b' } }),
      /arms\.0\.pose: either matrix, or/,
    ],
    ['a pose twice', arms({ pose: { ...arm.pose, matrix: 'c' } }), /arms\.0\.pose: either matrix, or/],
    [
      'an unknown rotation',
      arms({ pose: { ...arm.pose, rotationKind: 'euler' } }),
      /arms\.0\.pose\.rotationKind: .*"wxyz"/,
    ],
    ['a unit of nothing', arms({ pose: { ...arm.pose, metresPerUnit: 0 } }), /arms\.0\.pose\.metresPerUnit: /],
    [
      'columns backwards',
      arms({ openness: { ...arm.openness, field: { field: 'a', columns: [3, 3] } } }),
      /arms\.0\.openness\.field/,
    ],
    [
      'open as closed',
      arms({ openness: { field: 'a', open: 1, closed: 1 } }),
      /arms\.0\.openness: open and closed are the same/,
    ],
    ['no cameras', { cameras: [] }, /cameras: /],
    ['an unknown role', cameras({ role: 'head' }), /cameras\.0\.role: .*"third"/],
    ['a camera without frames', { cameras: [{ name: 'front', role: 'third' }] }, /cameras\.0\.frames: /],
    ['a tool that is no 4×4', { robot: { eeFromTool: [1, 0, 0] } }, /robot\.eeFromTool: /],
    ['a rate of nothing', { hz: 0 }, /hz: /],
    ['a guess without a check', { guesses: [{ key: 'hz', why: 'x' }] }, /guesses\.0\.check: /],
  ])('%s', async (_, change, message) => {
    await expect(openMapping(changed('hdf5', change))).rejects.toMatchObject({
      code: 'bad-metadata',
      message: expect.stringMatching(message),
    });
    await expect(openMapping(changed('hdf5', change))).rejects.toThrow(/CONTRIBUTING\.md, "A mapping file"/);
  });

  it('no JSON, no file', async () => {
    const file = join(freshFolder(), 'mapping.json');
    writeFileSync(file, '{ format: hdf5 }');
    await expect(openMapping(file)).rejects.toMatchObject({ code: 'bad-metadata', at: { file: 'mapping.json' } });
    await expect(openMapping('/nowhere/mapping.json')).rejects.toMatchObject({ code: 'source-missing' });
  });
});

describe('on the command line', () => {
  const store = '/nowhere/store';
  it.each<[string, string[], number, RegExp]>([
    ['no mapping', ['hdf5'], 2, /^prep: usage .*--mapping FILE.*`prep inspect PATH --propose --out mapping\.json`/],
    ['one where none is due', ['droid', '--mapping', mappingFile('hdf5')], 2, /^prep: usage .*only for hdf5, lerobot/],
    [
      'one for another format',
      ['lerobot', '--mapping', mappingFile('hdf5')],
      1,
      /field format\): expected lerobot, found hdf5/,
    ],
    [
      'a name that another dataset has',
      [changed('hdf5', { name: 'bridge' })],
      1,
      /field name\): expected a name that no dataset/,
    ],
    [
      'a field that is not there',
      [
        'lerobot',
        '--mapping',
        changed('lerobot', { arms: [{ pose: { matrix: 'obs.pose' }, openness: arm.openness }] }),
      ],
      1,
      /no feature obs\.pose/,
    ],
  ])('%s', async (_, words, code, message) => {
    const set = words[0] === 'lerobot' ? 'lerobot' : 'hdf5';
    const got = await prep('ingest', ...words, ...wordsOf(set, store));
    expect(got.stderr).toMatch(message);
    expect(got.code).toBe(code);
  });

  it('lists both as datasets', async () => {
    const { stdout } = await prep('datasets');
    for (const name of ['lerobot', 'hdf5'])
      expect(stdout).toMatch(new RegExp(`^${name} .*\\n.*as the mapping says\\n.*--mapping.*--propose`, 'm'));
  });
});

describe('fields that do not fit are quarantined by name', () => {
  it.each<[string, Json, RegExp]>([
    ['absent', arms({ pose: { ...arm.pose, position: 'obs/tcp' } }), /obs\/tcp/],
    [
      'too narrow',
      arms({ openness: { field: { field: 'actions', columns: [7, 8] }, open: 0, closed: 80 } }),
      /actions\[7\].*at least 8 columns, found 7/,
    ],
    [
      'too wide',
      arms({ openness: { field: 'actions', open: 0, closed: 80 } }),
      /field actions.*12 × 1 numbers, found 12 × 7/,
    ],
    [
      'in another unit',
      arms({ openness: { field: 'obs/gripper_closed_mm', open: 0, closed: 1 } }),
      /gripper_closed_mm.*openness between 0 and 1/,
    ],
  ])('%s', async (_, change, message) => {
    const store = freshFolder();
    const { code } = await prep('ingest', 'hdf5', '--mapping', changed('hdf5', change), ...wordsOf('hdf5', store));
    expect(code).toBe(1);
    expect((await prep('status', store, '--by', 'reason')).stdout).toMatch(message);
  });
});

describe('path patterns', () => {
  it.each([
    ['**/*.{hdf5,h5}', ['a.h5', 'x/y/a.hdf5'], ['a.hdf5x', 'a.json']],
    ['run_*.h5', ['run_1.h5'], ['x/run_1.h5', 'run_1xh5']],
    ['a.b/(c)*', ['a.b/(c)1'], ['aXb/(c)1']],
    ['{', ['{'], ['']],
  ])('%s', (glob, takes, leaves) => {
    for (const path of takes) expect([path, globPattern(glob).test(path)]).toEqual([path, true]);
    for (const path of leaves) expect([path, globPattern(glob).test(path)]).toEqual([path, false]);
  });
});
