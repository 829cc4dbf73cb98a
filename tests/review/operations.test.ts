/** What went wrong when the commands were used against their grain; each case was seen to fail before it was mended. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { IngestSummary } from '../../schemas/report.ts';
import { storeToMake } from '../../sinks/store.ts';
import { prep, prepJson } from '../cli/run.ts';
import { contents, freshFolder, ingestDemo, ingestWords, RELEASE } from '../e2e/demo-set.ts';
import { demoRecords, framed, retimed, writeRelease } from '../e2e/release.ts';

const [sound, plain, , nan] = demoRecords();
const words = (release: string, store: string): string[] => [
  ...['ingest', 'droid', '--root', release, '--store', store, '--workers', '1'],
];

let store: string;
beforeAll(async () => {
  store = freshFolder();
  await ingestDemo(store);
});

it('demo leaves the episodes of somebody else alone', async () => {
  const own = freshFolder();
  const release = writeRelease([[framed(retimed(sound, 1)), framed(retimed(plain, 2))]]);
  expect((await prep(...words(release, own))).code).toBe(0);
  const before = await contents(own);
  const { code, stderr } = await prep('demo', '--store', own);
  expect([code, stderr]).toEqual([1, expect.stringMatching(/store .*no episodes but the bundled ones.*--store/)]);
  expect(await contents(own)).toEqual(before);
});

it('a run over the failure budget stays over it when it is run again', async () => {
  const release = writeRelease([[1, 2, 3, 4].map((n) => framed(retimed(n === 1 ? plain : nan, n)))]);
  const target = freshFolder();
  expect((await prep(...words(release, target))).code).toBe(3);
  const again = await prepJson<IngestSummary>(...words(release, target));
  expect([again.code, again.value.state, again.value.seen.quarantined]).toEqual([3, 'over-budget', 3]);
  const raised = await prepJson<IngestSummary>(...words(release, target), '--max-quarantine', '0.8');
  expect([raised.code, raised.value.state]).toEqual([0, 'nothing-to-do']);
});

describe('the place of a store', () => {
  it.each(['status', 'relabel', 'compact', 'gc'])('%s does not make what is not there', async (command) => {
    const absent = join(freshFolder(), 'typo');
    const { code, value } = await prepJson<{ error: { code: string } }>(command, absent);
    expect([code, value.error.code, existsSync(absent)]).toEqual([1, 'store', false]);
  });

  it('that is a file is refused in words', async () => {
    const file = join(freshFolder(), 'file');
    writeFileSync(file, '');
    for (const asked of [['status', file], ['demo', '--store', file], ingestWords(file)]) {
      const { code, stderr } = await prep(...asked);
      expect([code, stderr]).toEqual([1, expect.stringMatching(/^prep: store \(.*found a file.*\n$/)]);
    }
  });

  it('in an object store is not taken for a local path', async () => {
    expect(storeToMake('s3://bucket/store')).toBe('s3://bucket/store');
    const { value } = await prepJson<{ store: string }>(...ingestWords('s3://bucket/store'), '--dry-run');
    expect(value.store).toBe('s3://bucket/store');
  });
});

it.each(['gc', 'compact'])('%s of a dataset that is not there says so', async (command) => {
  const { code, stderr } = await prep(command, store, '--dataset', 'drodi');
  expect([code, stderr]).toEqual([2, expect.stringMatching(/unknown-dataset .*expected one of droid, found drodi/)]);
});

it.each([
  [['ingest', 'droid', '--store', '/nowhere', '--json'], /required option '--root <path>'/],
  [['ingest', 'droid', '--root', RELEASE, '--store', '/nowhere', '--fit', 'foo', '--json'], /Allowed choices/],
])('wrong words with --json are JSON too: %j', async (asked, message) => {
  const { code, stdout } = await prep(...asked);
  const value = JSON.parse(stdout);
  expect([code, value.error.code, value.message]).toEqual([2, 'usage', expect.stringMatching(message)]);
});

it('side files that were given before and are forgotten now: the refusal says so', async () => {
  const { code, stderr } = await prep(...ingestWords(store));
  expect([code, stderr]).toEqual([1, expect.stringMatching(/calibration is .*; `--calibration DIR` as before, /)]);
});

it('inspect of an empty shard is no success', async () => {
  const folder = join(freshFolder(), '1.0.1');
  mkdirSync(folder);
  writeFileSync(join(folder, 'features.json'), readFileSync(join(RELEASE, 'features.json')));
  writeFileSync(join(folder, 'droid_101-train.tfrecord-00000-of-00001'), '');
  const { code, stdout } = await prep('inspect', folder);
  expect([code, stdout]).toEqual([1, expect.stringMatching(/fault: empty-shard .*00000-of-00001/)]);
  rmSync(join(folder, 'features.json'));
  writeFileSync(join(folder, 'features.json'), '{}');
  expect((await prep('inspect', folder)).stderr).toMatch(/found no keys/);
});

it('a source of empty files that nothing announces is no success', async () => {
  const release = writeRelease([[]]);
  rmSync(join(release, 'dataset_info.json'));
  const { code, stderr } = await prep(...words(release, freshFolder()));
  expect([code, stderr]).toEqual([1, expect.stringMatching(/^prep: nothing-kept: 1 shard\(s\) are empty files/)]);
});
