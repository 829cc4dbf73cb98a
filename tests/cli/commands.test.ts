/** Every command on the bundled set: text for people, JSON for programs, exit codes that tell the truth. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { IngestPlan, IngestSummary } from '../../schemas/report.ts';
import { contents, freshFolder, ingestDemo, ingestWords, KARLP, NAN, RELEASE, stored } from '../e2e/demo-set.ts';
import { demoRecords, framed, retimed, writeRelease } from '../e2e/release.ts';
import { wordsFor } from '../e2e/six-shards.ts';
import { prep, prepJson } from './run.ts';

let store: string;
beforeAll(async () => {
  store = freshFolder();
  await ingestDemo(store);
});

describe('status', () => {
  it('says what is there', async () => {
    const { code, stdout } = await prep('status', store);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^droid: 3 kept, 0 rejected, 1 quarantined; 64 rows/);
    expect(stdout).toMatch(/reference third, chunk 32 x 0\.0666667 s, roles third, wrist, tool native/);
    expect(stdout).toMatch(/exterior_image_1_left: karlp-superset \(unchecked\): 2 episodes/);
    expect(stdout).toMatch(/part 0\/1: done/);
  });

  it.each([
    ['reason', 'not-finite'],
    ['lab', 'ILIAD: not-finite'],
    ['task', 'Pick up the cube and put it down on the other side: not-finite'],
  ])('--by %s', async (by, group) => {
    const { stdout } = await prep('status', store, '--by', by);
    expect(stdout).toContain(`droid    ${group}`);
    expect(stdout).toContain(NAN);
    expect(stdout).toMatch(/step 5, field steps\/observation\/cartesian_position: expected finite numbers, found NaN/);
    expect(stdout).toContain('--retry not-finite');
    const { code, value } = await prepJson<{ lost: unknown[] }>('status', store, '--by', by);
    expect(code).toBe(0);
    expect(value.lost).toMatchObject([{ dataset: 'droid', group, state: 'quarantined', episodes: 1, example: NAN }]);
  });

  it('of an empty folder, and of a dataset that is not there', async () => {
    const empty = freshFolder();
    expect((await prep('status', empty)).stdout).toBe(`${empty}: an empty store\n`);
    const { code, stderr } = await prep('status', store, '--dataset', 'bridge');
    expect([code, stderr]).toEqual([2, expect.stringMatching(/unknown-dataset .*expected one of droid/)]);
  });
});

describe('what can be ingested', () => {
  it('datasets', async () => {
    const { stdout } = await prep('datasets');
    expect(stdout).toMatch(/^bridge {2}BridgeData/m);
    expect(stdout).toMatch(/^droid {2}DROID.*rlds, licence CC BY 4\.0/m);
    const { value } = await prepJson<{ name: string; cameras: unknown[] }[]>('datasets');
    expect(value.map(({ name }) => name)).toEqual(expect.arrayContaining(['agibot', 'droid_raw', 'fractal']));
    expect(value.find(({ name }) => name === 'droid')?.cameras).toHaveLength(3);
  });

  it('inspect', async () => {
    const { code, stdout } = await prep('inspect', RELEASE);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^droid_101 1\.0\.1 \(RLDS\)/);
    expect(stdout).toMatch(/train: 4 episodes in 2 shards, 1\.6 MB/);
    expect(stdout).toMatch(/steps\/observation\/wrist_image_left +image\[180 320 3\] jpeg +jpeg 320x180/);
    expect(stdout).toMatch(/steps\/observation\/cartesian_position +float64\[6\] +-3\.14/);
    const { value } = await prepJson<{ fields: { path: string }[] }>('inspect', RELEASE);
    expect(value.fields.map(({ path }) => path)).toContain('steps/action_dict/joint_velocity');
  });

  it('ingest --dry-run prints the plan and makes nothing', async () => {
    const nowhere = join(freshFolder(), 'store');
    const words = [...ingestWords(nowhere), '--calibration', KARLP, '--dry-run'];
    const { code, stdout } = await prep(...words);
    expect(code).toBe(0);
    expect(stdout).toMatch(/part 0\/1: 2 shards, 4 episodes, 1\.6 MB/);
    expect(stdout).toMatch(/memory: .* = \d+ MB with 1 workers/);
    const { value } = await prepJson<IngestPlan>(...words);
    expect(value).toMatchObject({ episodes: 4, bytes: 943388 + 662519, calibration: { sideFiles: { intrinsics: 3 } } });
    const { total, ...terms } = value.memoryMb;
    expect(Object.values(terms).reduce((a, b) => a + b, 0)).toBe(total);
    expect(value.fingerprint).toEqual((await stored(store)).metadata.fingerprint);
    expect(existsSync(nowhere)).toBe(false);
  });
});

describe('upkeep', () => {
  it('compact and gc change nothing that a reader sees', async () => {
    const before = await contents(store);
    expect((await prep('compact', store, '--dry-run')).stdout).toBe('would compact droid\n');
    for (const command of ['compact', 'gc']) {
      const { code, value } = await prepJson(command, store);
      expect([code, value.store]).toEqual([0, store]);
    }
    const { stdout } = await prep('gc', store, '--dry-run');
    expect(stdout).toMatch(/^droid: 0 step rows and 0 tracks of 0 groups would be removed; 0 parts are being written/);
    expect((await contents(store)).same).toEqual(before.same);
  });
});

describe('a run that keeps nothing', () => {
  it('exits 1 and says what can be done', async () => {
    const zeros = demoRecords()[2];
    const release = writeRelease([[framed(retimed(zeros, 1)), framed(retimed(zeros, 2))]]);
    const target = freshFolder();
    const { code, stdout, stderr } = await prep(...wordsFor(release, target));
    expect(stdout).toMatch(/0 kept, 2 rejected, 0 quarantined\n {2}set aside, by reason:\n {4}2 {2}no-extrinsics/);
    expect(stderr).toMatch(
      /^prep: nothing-kept: none of 2 episodes could be used; give camera poses with --calibration DIR/,
    );
    expect(code).toBe(1);
    const again = await prepJson<IngestSummary>(...wordsFor(release, target));
    expect([again.code, again.value.state]).toEqual([1, 'nothing-to-do']);
    // The remedy that the message names works.
    expect((await prep(...wordsFor(release, target, '--reference', 'base', '--replace'))).code).toBe(0);
  });
});

it('demo goes the whole way', async () => {
  const folder = join(freshFolder(), 'demo');
  const { code, stdout } = await prep('demo', '--store', folder);
  expect(stdout).toMatch(/Read back 64 rows/);
  expect(stdout).toMatch(/the stored picture in 64 of 64 rows/);
  expect(stdout).not.toContain('PROBLEM');
  expect(code).toBe(0);
  expect(existsSync(join(folder, 'overlay.jpg'))).toBe(true);
  const again = await prepJson<{ report: { problems: unknown[]; worst: number } }>('demo', '--store', folder);
  expect(again.value.report.problems).toEqual([]);
  expect(again.value.report.worst).toBeLessThan(1e-5);
});
