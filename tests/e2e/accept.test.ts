/** The independent acceptance programs beside the repository, on stores made by the command line. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { IngestSummary } from '../../schemas/report.ts';
import { prep, prepJson } from '../cli/run.ts';
import { sharedPath } from '../formats/shared-data.ts';
import { ABSENT, pythonWith } from '../python/python.ts';
import { CAMERAS, freshFolder } from './demo-set.ts';

const program = (name: string): string => fileURLToPath(new URL(`../../../shared/accept/${name}`, import.meta.url));
const python = pythonWith('lance', 'numpy', 'scipy', 'PIL');
const missing = (...paths: string[]): string | undefined => {
  const absent = paths.find((path) => !existsSync(path));
  return absent === undefined ? (python ? undefined : ABSENT) : `no ../shared/${absent.split('/shared/')[1]}`;
};
const named = (title: string, why: string | undefined): string => (why ? `${title} (skipped: ${why})` : title);

/** What a program printed; it says by its exit status whether anything fell short or nothing was compared. */
async function run(name: string, ...words: string[]): Promise<string> {
  const { code = 0, stdout, stderr } = await promisify(execFile)(python!, [program(name), ...words]).catch((e) => e);
  expect(code, `${stdout}${stderr}`).toBe(0);
  return stdout;
}

const sim = sharedPath('droid_sim');
const why = missing(sim, program('check_store.py'));
const source = `${sim}/rlds/droid_101/1.0.1`;

describe.skipIf(why)(named('droid_sim', why), () => {
  const views = [
    ['best', ['--third', 'best']],
    ['ext1', ['--third', CAMERAS.ext1]],
    ['ext2', ['--third', CAMERAS.ext2, '--third2', 'other']],
    ['wrist', ['--third', 'best', '--reference', 'wrist']],
  ] as const;
  const all = views.flatMap(([view, words]) => [true, false].map((karlp) => ({ view, words, karlp })));
  // Each is 7 s of processor: by default every view once and the default view both ways, PREP_ACCEPT=all for the rest.
  const few = all.filter(({ view, karlp }) => view === 'best' || karlp === (view !== 'ext2'));
  const cases = process.env.PREP_ACCEPT === 'all' ? all : few;

  it.each(cases)('$view, side files $karlp: 0 problems', { timeout: 180_000 }, async ({ words, karlp }) => {
    const store = freshFolder();
    const side = karlp ? ['--calibration', `${sim}/karlp`] : [];
    // The set has more labelled defects than a healthy source may have.
    const ingest = ['ingest', 'droid', '--root', source, '--store', store, ...side, ...words, '--max-quarantine', '1'];
    const { code, stderr } = await prep(...ingest);
    expect([code, stderr]).toEqual([0, '']);
    const kept = words.filter((_, i) => words[i - (i % 2)] !== '--third2');
    const said = await run(
      'check_store.py',
      '--store',
      store,
      '--truth',
      `${sim}/expected`,
      '--source',
      source,
      ...side,
      ...kept,
    );
    expect(said).toMatch(/(^|\D)0 problems/);
  });
});

/** dataset, its root, where the truth lies if elsewhere, and options. */
const SOURCES: readonly (readonly [string, string, string | null, ...string[]])[] = [
  ['robomimic', 'hdf5_made/robomimic', null],
  ['libero', 'hdf5_made/libero', null],
  ['libero', 'hdf5_made/libero', null, '--reference', 'base'],
  ['aloha', 'hdf5_made/aloha', null],
  ['robotwin', 'hdf5_made/robotwin', null],
  ['robomind', 'hdf5_made/robomind', null],
  ['robomind', 'hdf5_made/robomind', null, '--reference', 'base'],
  ['bayesvla', 'hdf5_made/bayesvla', null],
  ['agibot', 'hdf5_made/agibot', null],
  ['maniskill', 'hdf5_made/rlds/maniskill_dataset_converted_externally_to_rlds/0.1.0', 'hdf5_made/rlds'],
  ['bridge', 'hdf5_made/rlds/bridge_dataset/1.0.0', 'hdf5_made/rlds'],
  ['bridge', 'hdf5_made/rlds/bridge_dataset/1.0.0', 'hdf5_made/rlds', '--reference', 'base'],
  ['fractal', 'hdf5_made/rlds/fractal20220817_data/0.1.0', 'hdf5_made/rlds'],
  ['fractal', 'hdf5_made/rlds/fractal20220817_data/0.1.0', 'hdf5_made/rlds', '--reference', 'base'],
  ['interndata_a1', 'lerobot_made/a1', null],
  ['interndata_a1', 'lerobot_made/a1', null, '--tool', 'canonical'],
  ['droid_lerobot', 'lerobot_made/droid_port', null],
  ['interndata_m1', 'interndata_m1_sim_pick_place', null],
];
const pythonWithVideo = pythonWith('lance', 'numpy', 'scipy', 'PIL', 'av', 'pyarrow');

const sources = SOURCES.map(([dataset, root, truth, ...words]) => ({ dataset, root, truth, words }));
describe.each(sources)('$dataset of $root', ({ dataset, root, truth, words }) => {
  const absent = missing(sharedPath(root), program('check_sources.py'));
  const lacking = absent ?? (pythonWithVideo ? undefined : 'no Python with av and pyarrow');
  it.skipIf(lacking)(named(`${words.join(' ')}: 0 problems`, lacking), { timeout: 240_000 }, async () => {
    const store = freshFolder();
    const ingest = ['ingest', dataset, '--root', sharedPath(root), '--store', store, '--max-quarantine', '1'];
    // The exit code is 1 where a set has no camera poses and so no row; the program beside judges that.
    const { stderr } = await prep(...ingest, ...words);
    expect(stderr).not.toMatch(/ at /);
    const checked = ['--store', store, '--dataset', dataset, '--truth', sharedPath(truth ?? root)];
    expect(await run('check_sources.py', ...checked)).toMatch(/(^|\D)0 problems/);
  });
});

const bridge = sharedPath('bridge_dataset');
it.skipIf(!existsSync(bridge))('real bridge: no camera pose, no row', async () => {
  const store = freshFolder();
  const root = existsSync(`${bridge}/1.0.0`) ? `${bridge}/1.0.0` : bridge;
  const { code, value } = await prepJson<IngestSummary>('ingest', 'bridge', '--root', root, '--store', store);
  expect(value).toMatchObject({ reasons: { 'no-extrinsics': 50 }, rows: 0, seen: { kept: 0, rejected: 50 } });
  expect(code).toBe(1);
  expect((await prep('status', store, '--by', 'reason')).stdout).toMatch(/no-extrinsics +rejected +50/);
});
