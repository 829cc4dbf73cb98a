/** Running an ingest again: what is done is left alone, what changed is done anew, what does not fit is refused. */
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import type { IngestSummary } from '../../schemas/report.ts';
import { listDatasets } from '../../sinks/read.ts';
import { prep, prepJson, startPrep } from '../cli/run.ts';
import {
  contents,
  freshFolder,
  ingestDemo,
  ingestWords,
  KARLP,
  NAN,
  RELEASE,
  SOUND,
  stored,
  UNCALIBRATED,
  ZEROS,
} from './demo-set.ts';
import { changedKarlp, copiedRelease, demoRecords, floatsOf, framed, shardFiles } from './release.ts';

let base: string;
beforeAll(async () => {
  base = freshFolder();
  await ingestDemo(base);
});

function copyOf(store: string): string {
  const folder = join(freshFolder(), 'store');
  cpSync(store, folder, { recursive: true });
  return folder;
}

const attempts = async (store: string) =>
  Object.fromEntries([...(await stored(store)).ledger].map(([id, { attempt }]) => [id, attempt]));

/** Makes a process write the files that it opens to stderr, by replacing the functions that open them. */
const COUNT_OPENS = `data:text/javascript,${encodeURIComponent(`
  import fs from 'node:fs'; import { syncBuiltinESMExports } from 'node:module';
  for (const [owner, name] of [[fs.promises, 'open'], [fs, 'openSync'], [fs, 'open'], [fs, 'createReadStream']]) {
    const real = owner[name];
    owner[name] = (path, ...rest) => { process.stderr.write('OPENED ' + path + '\\n'); return real.call(owner, path, ...rest); };
  }
  syncBuiltinESMExports();
`)}`;
const openedShards = (stderr: string): string[] => stderr.match(/^OPENED .*tfrecord-.*$/gm) ?? [];

describe('a finished ingest, again', () => {
  it('does nothing, opens no shard and says so', async () => {
    const words = (store: string) => [...ingestWords(store), '--calibration', KARLP];
    const first = await startPrep(words(freshFolder()), { node: ['--import', COUNT_OPENS] }).ended;
    expect(new Set(openedShards(first.stderr)).size).toBe(2);
    const again = await startPrep(words(base), { node: ['--import', COUNT_OPENS] }).ended;
    expect(again.code).toBe(0);
    expect(openedShards(again.stderr)).toEqual([]);
    expect(again.stdout).toMatch(
      /^droid: nothing to do, all 4 episodes are recorded \(3 kept, 0 rejected, 1 quarantined\)/,
    );
    expect(await attempts(base)).toEqual({ [SOUND]: 1, [UNCALIBRATED]: 1, [ZEROS]: 1, [NAN]: 1 });
  });

  // Only a file with several episodes must be opened to see which it has.
  it.each([
    ['droid_lerobot', /\/(data|videos)\//],
    ['droid_raw', /\.(h5|mp4)$/],
    ['robomimic', null],
  ])('%s: nothing to do', { timeout: 60_000 }, async (dataset, data) => {
    const root = fileURLToPath(new URL(`../../fixtures/datasets/${dataset}`, import.meta.url));
    const words = [
      'ingest',
      dataset,
      '--root',
      root,
      '--store',
      freshFolder(),
      '--workers',
      '1',
      '--max-quarantine',
      '1',
    ];
    const first = await startPrep(words, { node: ['--import', COUNT_OPENS] }).ended;
    expect(first.stdout).toMatch(/: done/);
    const again = await startPrep(words, { node: ['--import', COUNT_OPENS] }).ended;
    expect(again.stdout).toMatch(new RegExp(`^${dataset}: nothing to do, all \\d+ episodes are recorded`));
    expect(again.code).toBe(first.code);
    const opened = (stderr: string): string[] =>
      (stderr.match(/^OPENED .*$/gm) ?? []).filter((line) => line.includes(root) && data?.test(line));
    if (data) expect([opened(first.stderr).length > 0, opened(again.stderr)]).toEqual([true, []]);
  });

  it.each([
    [['--dt', '0.1'], /prep: fingerprint .*dt.*prep relabel/],
    [['--reference', 'wrist'], /prep: fingerprint .*reference.*prep relabel/],
    [['--jpeg-quality', '90'], /prep: fingerprint .*quality.*--as NAME.*--replace/],
    [['--third', 'exterior_image_2_left'], /prep: fingerprint .*third.*--as NAME.*--replace/],
  ])('with %j is refused with the remedy', async (words, message) => {
    const { code, stderr } = await prep(...ingestWords(base, '--calibration', KARLP, ...words));
    expect(stderr).toMatch(message);
    expect(code).toBe(1);
  });

  it('without the side files it had is refused: the calibration policy is another', async () => {
    const { code, stderr } = await prep(...ingestWords(base));
    expect(stderr).toMatch(/prep: fingerprint .*calibration.*prep relabel/);
    expect(code).toBe(1);
  });

  it('--as makes other tables beside, --replace makes the same anew', async () => {
    const store = copyOf(base);
    await ingestDemo(store, '--dt', '0.1', '--as', 'droid_slow');
    expect(await listDatasets(store)).toEqual(['droid', 'droid_slow']);
    expect((await stored(store, 'droid_slow')).metadata).toMatchObject({ dataset: 'droid_slow', chunk: { dt: 0.1 } });
    expect((await contents(store)).same).toEqual((await contents(base)).same);
    const replaced = await ingestDemo(store, '--dt', '0.1', '--replace');
    expect(replaced.episodes).toMatchObject({ kept: 3, skipped: 0 });
    expect((await stored(store)).metadata.chunk.dt).toBe(0.1);
    const back = await ingestDemo(store, '--replace');
    expect(back.episodes).toMatchObject({ kept: 3, skipped: 0 });
    expect((await contents(store)).same).toEqual((await contents(base)).same);
  });
});

describe('a part of it anew', () => {
  it('--retry reads a damaged episode again, and keeps it once the source is mended', async () => {
    const [release, store] = [copiedRelease(), freshFolder()];
    const words = ['--root', release, '--calibration', KARLP];
    await prep(...ingestWords(store, ...words));
    const still = await prepJson<IngestSummary>(...ingestWords(store, ...words, '--retry', 'not-finite'));
    expect([still.code, still.value.episodes]).toEqual([0, { kept: 0, rejected: 0, quarantined: 1, skipped: 3 }]);
    const [, , zeros, nan] = demoRecords();
    const mended = Buffer.from(nan);
    const at = floatsOf(mended, 'steps/observation/cartesian_position');
    // The pose of step 4 in the place of step 5's NaN: six float32 numbers.
    mended.copy(mended, at + 30 * 4, at + 24 * 4, at + 30 * 4);
    writeFileSync(shardFiles(release)[1]!, Buffer.concat([framed(zeros), framed(mended)]));
    const done = await prepJson<IngestSummary>(...ingestWords(store, ...words, '--retry', 'not-finite'));
    expect([done.code, done.value.episodes]).toEqual([0, { kept: 1, rejected: 0, quarantined: 0, skipped: 3 }]);
    expect((await attempts(store))[NAN]).toBe(3);
    expect((await stored(store)).rows.get(NAN)!.steps).toBe(16);
  });

  it('--exclude sets a kept episode aside with its reason', async () => {
    const store = copyOf(base);
    const file = join(freshFolder(), 'bad.txt');
    writeFileSync(file, `# seen in the viewer\n${SOUND.replace('15_09_35', '15:09:35')}\tcamera was bumped\n`);
    const summary = await ingestDemo(store, '--exclude', file);
    expect(summary).toMatchObject({ reasons: { excluded: 1 }, episodes: { rejected: 1, skipped: 3 } });
    const { ledger, rows } = await stored(store);
    expect(ledger.get(SOUND)!.entry).toMatchObject({
      state: 'rejected',
      reason: 'excluded',
      detail: 'camera was bumped',
    });
    expect([...rows.keys()].sort()).toEqual([UNCALIBRATED, ZEROS].sort());
    expect((await ingestDemo(store, '--exclude', file)).state).toBe('nothing-to-do');
  });

  it('--episodes 1 and then the rest is the same as all at once', async () => {
    const store = freshFolder();
    expect((await ingestDemo(store, '--episodes', '1')).episodes).toMatchObject({ kept: 1, skipped: 0 });
    expect((await ingestDemo(store, '--episodes', '1')).episodes).toMatchObject({ kept: 1, skipped: 1 });
    expect((await ingestDemo(store)).episodes).toEqual({ kept: 1, rejected: 0, quarantined: 1, skipped: 2 });
    expect((await contents(store)).same).toEqual((await contents(base)).same);
  });

  it('new side files make new revisions of the episodes they change, of no other', async () => {
    const store = copyOf(base);
    // The same values in another layout are no change.
    expect((await ingestDemo(store, '--calibration', changedKarlp(['intrinsics', () => {}]))).state).toBe(
      'nothing-to-do',
    );
    const moved = changedKarlp([
      'cam2base_extrinsic_superset',
      (all) => {
        const one = all[Object.keys(all).find((key) => key.startsWith('PennPAL'))!]!;
        (one['20435579'] as number[])[0]! += 0.01;
      },
    ]);
    const summary = await ingestDemo(store, '--calibration', moved);
    expect(summary.episodes).toEqual({ kept: 1, rejected: 0, quarantined: 0, skipped: 3 });
    expect(await attempts(store)).toEqual({ [SOUND]: 2, [UNCALIBRATED]: 1, [ZEROS]: 1, [NAN]: 1 });
    const fresh = freshFolder();
    await ingestDemo(fresh, '--calibration', moved);
    expect((await contents(store)).same).toEqual((await contents(fresh)).same);
  });
});

describe('a set without one of its shards', () => {
  it('is refused with count and name, or gone on with by --partial and completed later', async () => {
    const [release, store] = [copiedRelease(), freshFolder()];
    const lost = shardFiles(release)[0]!;
    const bytes = readFileSync(lost);
    rmSync(lost);
    const words = ['--root', release, '--calibration', KARLP];
    const refused = await prep(...ingestWords(store, ...words));
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/^prep: missing-shard .*\b1\b.*droid_101-train\.tfrecord-00000-of-00002.*--partial/);
    const partial = await ingestDemo(store, '--root', release, '--partial');
    expect(partial).toMatchObject({ missingShards: 1, episodes: { kept: 1, quarantined: 1 } });
    const { stdout } = await prep(...ingestWords(freshFolder(), ...words, '--partial', '--dry-run'));
    expect(stdout).toMatch(/missing: 1 shards, first droid_101-train\.tfrecord-00000-of-00002/);
    writeFileSync(lost, bytes);
    expect((await ingestDemo(store, '--root', RELEASE)).episodes).toMatchObject({ kept: 2, skipped: 2 });
    expect((await contents(store)).same).toEqual((await contents(base)).same);
  });
});
