/** Plain datasets through a mapping file: rows against scipy, the same rows through code, and everything after the first run. */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { prep, prepJson } from '../cli/run.ts';
import { contents, freshFolder, stored } from '../e2e/demo-set.ts';
import { describeShared, sharedPath } from '../formats/shared-data.ts';
import { pythonWith } from '../python/python.ts';
import { changed, expected, ingested, MADE, mappingFile, mappingOf, wordsOf } from './made.ts';

const HISTORY = 1 << 20;
const NOTHING_NEW = (set: 'hdf5' | 'lerobot') => ({ kept: 0, rejected: 0, skipped: expected[set].length });

describe.each(['hdf5', 'lerobot'] as const)('%s with a mapping', (set) => {
  const store = freshFolder();
  const words = [set, '--mapping', mappingFile(set), ...wordsOf(set, store)];

  it('gives the rows that scipy computes', async () => {
    const summary = await ingested(...words);
    expect(summary).toMatchObject({ dataset: set, episodes: { kept: expected[set].length } });
    const { rows, ledger, metadata } = await stored(store, set);
    expect([...rows.keys()]).toEqual(expected[set].map(({ id }) => id));
    const roles = Object.keys(metadata.roles).length;
    let worst = 0;
    for (const { id, steps, hz, instruction, rows: truth } of expected[set]) {
      const got = rows.get(id)!;
      expect([got.steps, ledger.get(id)!.entry.hz, [...new Set(got.instruction)]]).toEqual([steps, hz, [instruction]]);
      for (const row of truth) {
        const part = (values: Float32Array, width: number) => values.subarray(row.step * width, (row.step + 1) * width);
        const pairs = [
          [part(got.action, 320), row.action],
          [part(got.history, 10), row.history],
          [part(got.proprio, 10), row.proprio],
        ] as const;
        for (const [a, b] of pairs) {
          expect(a.length).toBe(b.length);
          for (const [i, x] of b.entries()) worst = Math.max(worst, Math.abs(a[i]! - x));
        }
        // Pixels are hundreds: float32 holds them to 2e-5.
        for (const [i, x] of row.camera.entries())
          expect(Math.abs(part(got.camera, roles * 16)[i]! - x)).toBeLessThan(1e-4);
        expect(got.time[row.step]).toBeCloseTo(row.time, 9);
        expect(got.actionValid[row.step]).toBe(row.action_valid);
        expect((got.present[row.step]! & HISTORY) !== 0).toBe(row.history_valid);
      }
    }
    expect(worst).toBeLessThan(1e-5);
  });

  it('relabels without the mapping, equal to a fresh ingest, and goes on', async () => {
    const fresh = freshFolder();
    await ingested(set, '--mapping', mappingFile(set), ...wordsOf(set, fresh, '--dt', '1/20', '--reference', 'base'));
    const copy = join(freshFolder(), 'store');
    cpSync(store, copy, { recursive: true });
    const { code, value } = await prepJson('relabel', copy, '--dt', '1/20', '--reference', 'base');
    expect([code, value]).toEqual([0, expect.objectContaining({ state: 'done', toIngest: 0 })]);
    expect((await contents(copy, set)).same).toEqual((await contents(fresh, set)).same);
    const again = [set, '--mapping', mappingFile(set), ...wordsOf(set, copy, '--dt', '1/20', '--reference', 'base')];
    expect(await ingested(...again)).toMatchObject({ episodes: NOTHING_NEW(set) });
    expect((await prep('status', copy)).stdout).toMatch(new RegExp(`^${set}: ${expected[set].length} kept`));
    // Given all the same, the mapping may change nothing of what the tracks mean.
    expect((await prep('relabel', copy, '--spec', mappingFile(set), '--dt', '1/15')).code).toBe(0);
    const turned = changed(set, { robot: { eeOrigin: 'another' } });
    const { stderr } = await prep('relabel', copy, '--spec', turned, '--dt', '1/20');
    expect(stderr).toMatch(/^prep: fingerprint .*field --spec.*expected version \d+.*needs the source/);
  });

  it('is not mixed with rows that another mapping made', async () => {
    const other = changed(set, { robot: { eeOrigin: 'another' }, guesses: [] });
    const { code, stderr } = await prep('ingest', set, '--mapping', other, ...wordsOf(set, store));
    expect(code).toBe(1);
    expect(stderr).toMatch(/^prep: fingerprint .*spec_version is \d+ in the store.*`--as NAME`/);
    expect(stderr).not.toContain('prep relabel');
    // Words about the dataset and settled guesses are no meaning.
    const words = changed(set, { title: 'Other words', name: 'other', licence: 'mine' });
    expect(await ingested(set, '--mapping', words, ...wordsOf(set, store))).toMatchObject({
      episodes: NOTHING_NEW(set),
    });
  });

  it('has its own name alone, and the one of --as', async () => {
    const own = freshFolder();
    const name = String(mappingOf(set).name);
    await ingested(mappingFile(set), ...wordsOf(set, own));
    await ingested(set, '--mapping', mappingFile(set), ...wordsOf(set, own, '--as', 'third_name'));
    const [a, b] = [await stored(own, name), await stored(own, 'third_name')];
    for (const [id, row] of a.rows) expect({ ...b.rows.get(id)!, images: 0 }).toEqual({ ...row, images: 0 });
    const { code, value } = await prepJson('relabel', own, '--dataset', name, '--dt', '1/10');
    expect([code, value.state]).toEqual([0, 'done']);
  });
});

describe('the same runs through a dataset file', () => {
  it('give the same rows', async () => {
    const store = freshFolder();
    await ingested(mappingFile('hdf5'), ...wordsOf('hdf5', store));
    await ingested(join(MADE, 'my-dataset.ts'), ...wordsOf('hdf5', store, '--as', 'coded'));
    const [a, b] = [await stored(store, 'my_runs'), await stored(store, 'coded')];
    expect(b.rows.size).toBe(2);
    expect([...b.rows]).toEqual([...a.rows]);
    expect(readFileSync(join(MADE, 'my-dataset.ts'), 'utf8').split('\n').length).toBeLessThan(100);
  });
});

describe('a dataset without poses or grippers', () => {
  it.each([
    ['no-pose', { openness: { field: 'obs/gripper_closed_mm', open: 0, closed: 80 } }, 'arms.0.pose'],
    ['no-openness', { pose: (mappingOf('hdf5').arms as { pose: unknown }[])[0]!.pose }, 'arms.0.openness'],
  ])('is recorded as %s', async (reason, arm, key) => {
    const store = freshFolder();
    const file = changed('hdf5', { arms: [arm] });
    const { code, stderr } = await prep('ingest', 'hdf5', '--mapping', file, ...wordsOf('hdf5', store));
    expect(code).toBe(1);
    expect(stderr).toContain(reason === 'no-pose' ? 'has an end-effector pose' : 'nothing-kept');
    const { ledger } = await stored(store, 'hdf5');
    for (const { entry } of ledger.values()) {
      expect(entry).toMatchObject({ state: 'rejected', reason });
      expect(entry.detail).toContain(`field ${key}`);
    }
    expect(ledger.size).toBe(2);
  });
});

describe('a camera that an episode lacks', () => {
  it('is left out where the mapping says that it may be, else the episode is set aside', async () => {
    const [camera] = mappingOf('hdf5').cameras as Record<string, unknown>[];
    const other = { name: 'other', frames: 'obs/other/rgb', role: 'third2' };
    const store = freshFolder();
    const file = changed('hdf5', { cameras: [camera, { ...other, optional: true }] });
    await ingested('hdf5', '--mapping', file, ...wordsOf('hdf5', store));
    expect((await stored(store, 'hdf5')).rows.size).toBe(2);
    const strict = changed('hdf5', { cameras: [camera, other] });
    await prep('ingest', 'hdf5', '--mapping', strict, ...wordsOf('hdf5', store, '--as', 'strict'));
    for (const { entry } of (await stored(store, 'strict')).ledger.values())
      expect(entry).toMatchObject({ state: 'quarantined', reason: 'missing-field' });
  });
});

describe('guesses', () => {
  it('are told at each ingest as long as they stand in the file', async () => {
    const guess = { key: 'arms.0.openness.open', value: 0, why: 'no name says it', check: 'look at a closed gripper' };
    const file = changed('hdf5', { guesses: [guess] });
    const words = ['ingest', 'hdf5', '--mapping', file, ...wordsOf('hdf5', freshFolder(), '--dry-run')];
    const { code, stderr } = await prep(...words);
    expect(code).toBe(0);
    expect(stderr).toMatch(/^prep: 1 guesses are left in .*mapping\.json/);
    expect(stderr).toContain('arms.0.openness.open = 0 is a guess (no name says it); look at a closed gripper');
    expect((await prepJson(...words)).code).toBe(0);
  });
});

describe('poses and intrinsics beside the mapping', () => {
  it('are the cameras that the file has none for, and part of its meaning', async () => {
    const [camera] = mappingOf('hdf5').cameras as Record<string, unknown>[];
    const { pose: _, intrinsics: _k, ...bare } = camera!;
    const file = changed('hdf5', { cameras: [bare], calibration: 'rig.json' });
    const truth = expected.hdf5[0]!.rows[0]!.camera;
    const rig = (intrinsics: object) => ({
      cameras: { front: { pose: { matrix: truth.slice(4) }, intrinsics: { ...intrinsics, width: 64, height: 48 } } },
    });
    const K = { fx: 55, fy: 56, cx: 31.5, cy: 23.75 };
    const beside = join(dirname(file), 'rig.json');
    writeFileSync(beside, JSON.stringify(rig(K)));
    const store = freshFolder();
    await ingested('hdf5', '--mapping', file, ...wordsOf('hdf5', store));
    const got = (await stored(store, 'hdf5')).rows.get('run_000.hdf5')!;
    for (const [i, x] of truth.entries()) expect(Math.abs(got.camera[i]! - x)).toBeLessThan(1e-4);
    writeFileSync(beside, JSON.stringify(rig({ ...K, fx: 60 })));
    const { stderr } = await prep('ingest', 'hdf5', '--mapping', file, ...wordsOf('hdf5', store));
    expect(stderr).toMatch(/^prep: fingerprint .*spec_version/);
    writeFileSync(beside, JSON.stringify({ cameras: { frunt: {} } }));
    const named = await prep('ingest', 'hdf5', '--mapping', file, ...wordsOf('hdf5', store));
    expect(named.stderr).toMatch(/camera frunt.*expected cameras of the mapping \(front\)/);
  });
});

/** Made by lerobot itself; its truth knows rows, times, texts and which frame a picture shows. */
const CHECKER = fileURLToPath(new URL('../../../shared/accept/check_sources.py', import.meta.url));
const python = pythonWith('lance', 'numpy', 'scipy', 'PIL');
describeShared('lerobot_made', () => {
  const sets = ['v21_av1', 'v30_av1', 'v30_images'];
  it.each(sets)('%s: joints alone are rejected, with the reason', async (set) => {
    const store = freshFolder();
    const root = sharedPath(`lerobot_made/${set}`);
    const words = ['--root', root, '--store', store, '--workers', '1'];
    const { code } = await prep('ingest', 'lerobot', '--mapping', mappingFile('lerobot_joints'), ...words);
    expect(code).toBe(1);
    for (const { entry } of (await stored(store, 'lerobot')).ledger.values())
      expect(entry).toMatchObject({ state: 'rejected', reason: 'no-pose' });
    check(store, root);
  });

  it.each(sets)('%s: rows, times, texts and frames', async (set) => {
    const store = freshFolder();
    const root = sharedPath(`lerobot_made/${set}`);
    const words = ['--root', root, '--store', store, '--workers', '1', '--reference', 'base'];
    await ingested('lerobot', '--mapping', mappingFile('lerobot_standin'), ...words);
    const truth = JSON.parse(readFileSync(join(root, 'expected.json'), 'utf8')) as {
      fps: number;
      episodes: { episode_index: number; length: number; task: string }[];
    };
    const { rows } = await stored(store, 'lerobot');
    expect([...rows.keys()].sort()).toEqual(truth.episodes.map(({ episode_index: i }) => `${set}/train/${i}`).sort());
    for (const { episode_index: index, length, task } of truth.episodes) {
      const got = rows.get(`${set}/train/${index}`)!;
      expect([got.steps, [...new Set(got.instruction)]]).toEqual([length, [task]]);
      expect(got.time[length - 1]).toBeCloseTo((length - 1) / truth.fps, 9);
    }
    check(store, root);
  });

  function check(store: string, root: string): void {
    if (!python || !existsSync(CHECKER)) return;
    const { stdout } = spawnSync(python, [CHECKER, '--store', store, '--dataset', 'lerobot', '--truth', root], {
      encoding: 'utf8',
    });
    expect(stdout).toMatch(/^0 problems$/m);
  }
});
