/** Every hostile LeRobot and HDF5 set through the pipeline: what is kept, what is set aside, and what is said of it. */
import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { EpisodeOutcome } from '../../schemas/episode.ts';
import { describeShared, sharedPath } from '../formats/shared-data.ts';
import { freshFolder } from './demo-set.ts';
import { type InProcess, ingestInProcess } from './in-process.ts';

interface Case {
  readonly path: string;
  readonly kind: string;
  readonly must: 'read' | 'reject' | 'quarantine';
  readonly keep?: readonly (number | string)[];
  readonly quarantine?: readonly (number | string)[];
  readonly expect?: { readonly steps?: number[]; readonly instruction?: string; readonly instructionLength?: number };
}

const manifest = sharedPath('hostile/manifest.json');
const listed: readonly Case[] = existsSync(manifest) ? JSON.parse(readFileSync(manifest, 'utf8')) : [];
const casesOf = (kind: string) =>
  listed.filter((one) => one.kind === kind).map((one) => [one.path.split('/').at(-1)!, one] as const);

const VIDEO_1 = 'videos/chunk-000/observation.images.front/episode_000001.mp4';
const PARQUET_1 = 'data/chunk-000/episode_000001.parquet';
const NAMES_VIDEO = new RegExp(VIDEO_1);
const NAMES_PARQUET = new RegExp(PARQUET_1);
/** What `message_names` of the manifest asks for. */
const SAID: Readonly<Record<string, RegExp>> = {
  'truncated.hdf5': /file truncated\.hdf5.*truncated file/,
  'wrong_signature.hdf5': /file wrong_signature\.hdf5.*not HDF5/,
  'superblock_version.hdf5': /superblock version 9/,
  'filter_unknown.hdf5': /\/data\/demo_1\/obs\/agentview_image.*filter 4242/,
  'external_link.hdf5': /external link to \.\.\/\.\.\/\.\.\/\.\.\/\.\.\/\.\.\/etc\/passwd:\/data, which is not opened/,
  'external_sibling.hdf5': /external link to good\.hdf5:\/data\/demo_0\/obs\/agentview_image, which is not opened/,
  'softlink_loop.hdf5': /\/data\/demo_1\/obs\/agentview_image/,
  'softlink_dangling.hdf5': /\/data\/demo_1\/obs\/agentview_image/,
  'gzip_corrupt.hdf5': /\/data\/demo_1\/obs\/agentview_image/,
  'fletcher_mismatch.hdf5': /\/data\/demo_1\/obs\/robot0_eef_pos.*checksum/,
  'empty_dataset.hdf5': /\/data\/demo_1\/actions.*shape \[0\]/,
  'giant_dims.hdf5': /\/data\/demo_1\/actions.*1099511627776/,
  'giant_image.hdf5': /\/data\/demo_1\/obs\/agentview_image.*1048576 × 1048576/,
  'huge_chunk.hdf5': /\/data\/demo_1\/obs\/agentview_image/,
  'short_images.hdf5': /obs\/agentview_image.*5 frames.*4/,
  'mask_ghost.hdf5': /mask\/train.*demo_99/,
  'missing_group.hdf5': /\/data\/demo_1\/obs:/,
  'numbers_as_text.hdf5': /\/data\/demo_1\/actions.*type text/,
  'attr_broken_json.hdf5': /data\.attrs env_args/,
  'zero_bytes.hdf5': /zero_bytes\.hdf5.*empty file/,
  'html_page.hdf5': /html_page\.hdf5.*no HDF5/,
  footer_corrupt: NAMES_PARQUET,
  footer_length: NAMES_PARQUET,
  parquet_truncated: NAMES_PARQUET,
  page_corrupt: /data\/chunk-000\/episode_000001\.parquet|observation\.state|action|camera\.front/,
  column_missing: /data\/chunk-000\/episode_000001\.parquet.*column action/,
  column_missing_all: /column observation\.state/,
  column_type: /column observation\.state.*text/,
  list_short: /observation\.state, row 3.*8.*6/,
  null_cell: /observation\.state, row 3.*null/,
  file_missing: NAMES_PARQUET,
  fps_zero: /info\.json fps/,
  fps_negative: /info\.json fps/,
  fps_absent: /info\.json fps/,
  fps_text: /info\.json fps/,
  path_traversal: /info\.json data_path/,
  path_traversal_video: /info\.json video_path/,
  path_absolute: /info\.json data_path/,
  path_template: /info\.json data_path.*\{episode_index\.__class__\.__init__\.__globals__\}/,
  video_short: new RegExp(`${VIDEO_1}.*6 frames.*4 frames`),
  video_no_moov: NAMES_VIDEO,
  video_damaged: NAMES_VIDEO,
  video_missing: NAMES_VIDEO,
  video_is_text: new RegExp(`${VIDEO_1}.*Git LFS pointer`),
  time_backwards: /timestamp, row 4/,
  time_nan: /timestamp, row 2/,
  jsonl_broken: /meta\/episodes\.jsonl line 2/,
  jsonl_duplicate: /meta\/episodes\.jsonl.*episode_index 1/,
  info_broken: /meta\/info\.json/,
  pose_nan: /observation\.state.*NaN/,
  pose_inf: /observation\.state.*-Infinity/,
  quat_zero: /observation\.state.*norm 0/,
  quat_far_off: /observation\.state.*norm 1\.70/,
  gripper_far_off: /observation\.state\[7\].*57/,
  length_differs: /9 rows.*6 rows/,
  index_differs: /episode_index.*expected episode_index 1, found 0/,
  frames_repeat: /frame_index, row 4/,
  version_unknown: /codebase_version v9\.7/,
};
/** Where a message numbers the row as a step. */
const STEP: Readonly<Record<string, number>> = { pose_nan: 3, pose_inf: 4, quat_zero: 3, quat_far_off: 3 };

const lastPart = ({ ledger }: EpisodeOutcome): string => ledger.episode.split('/').at(-1)!;
const told = ({ ledger: { reason, detail } }: EpisodeOutcome): string => `${reason}: ${detail}`;

/** What the manifest says of a case against what became of it. */
function behaves(name: string, one: Case, { refused, damagedShards, outcomes }: InProcess): void {
  const kept = outcomes.filter(({ ledger }) => ledger.state === 'kept');
  const aside = outcomes.filter(({ ledger }) => ledger.state !== 'kept');
  expect(kept.map(lastPart), JSON.stringify(aside.map(told))).toEqual((one.keep ?? []).map(String));
  expect(aside.every(({ rows, track }) => rows === undefined && track === undefined)).toBe(true);
  if (one.expect?.steps) expect(kept.map(({ rows }) => rows!.steps)).toEqual(one.expect.steps);
  const texts = kept.map(({ ledger }) => ledger.instructions[0] ?? '');
  if (one.expect?.instruction !== undefined) expect(new Set(texts)).toEqual(new Set([one.expect.instruction]));
  if (one.expect?.instructionLength) expect(texts.map((text) => text.length)).toContain(one.expect.instructionLength);
  const said = [...(refused ? [refused.message] : []), ...damagedShards, ...aside.map(told)];
  if (one.must === 'read') {
    expect(said).toEqual([]);
    return;
  }
  if (one.must === 'quarantine') {
    expect(aside.map(lastPart)).toEqual(one.quarantine!.map(String));
    expect(aside.every(({ ledger }) => ledger.state === 'quarantined')).toBe(true);
  }
  expect(said.length).toBeGreaterThan(0);
  for (const message of said) expect(message).toMatch(SAID[name]!);
  if (name in STEP) expect(said[0]).toContain(`step ${STEP[name]}`);
}

const state = (from: number, to: number) => ({ field: 'observation.state', columns: [from, to] });
const pose = (field: string) => ({
  position: { field, columns: [0, 3] },
  rotation: { field, columns: [3, 7] },
  rotationKind: 'xyzw',
});
const mappingFor = (frames: string) => ({
  format: 'lerobot',
  name: 'hostile',
  arms: [
    {
      pose: pose('observation.state'),
      openness: { field: state(7, 8), open: 1, closed: 0 },
      command: { field: { field: 'action', columns: [7, 8] }, open: 1, closed: 0 },
    },
  ],
  cameras: [
    {
      ...{ name: 'front', frames, role: 'third', intrinsics: 'camera.front.intrinsics' },
      pose: pose('camera.front.base_from_cam'),
    },
  ],
});

describeShared('hostile/lerobot', () => {
  const cases = casesOf('lerobot');
  it('knows every case of the manifest that must not be read', () => {
    expect(cases).toHaveLength(50);
    expect(cases.filter(([name, { must }]) => must !== 'read' && !(name in SAID))).toEqual([]);
  });
  it.concurrent.each(cases)('%s', async (name, one) => {
    const root = sharedPath(`hostile/${one.path}`);
    const folder = join(root, 'videos/chunk-000');
    const frames = existsSync(folder) ? readdirSync(folder)[0]! : 'observation.images.front';
    const mapping = join(freshFolder(), 'mapping.json');
    writeFileSync(mapping, JSON.stringify(mappingFor(frames)));
    behaves(name, one, await ingestInProcess(mapping, root));
    expect(Object.keys(Object.prototype)).toEqual([]);
  });
});

describeShared('hostile/hdf5', () => {
  const cases = casesOf('hdf5');
  it('knows every case of the manifest that must not be read', () => {
    expect(cases).toHaveLength(26);
    // Zstandard is a filter that this reader has, which the manifest accepts.
    const unknown = cases.filter(([name, { must }]) => must !== 'read' && !(name in SAID)).map(([name]) => name);
    expect(unknown).toEqual(['filter_zstd.hdf5']);
  });
  it.concurrent.each(cases)('%s', async (name, one) => {
    const root = freshFolder();
    copyFileSync(sharedPath(`hostile/${one.path}`), join(root, name));
    const readable = ['demo_0', 'demo_1', 'demo_2'];
    const meant: Case = name === 'filter_zstd.hdf5' ? { ...one, must: 'read', keep: readable } : one;
    behaves(name, meant, await behaviour(root));
  });
  const behaviour = (root: string) => ingestInProcess('robomimic', root, { reference: 'base' });
});

describeShared('hostile/calibration', () => {
  const own = fileURLToPath(new URL('../../fixtures/hostile/calibration/', import.meta.url));
  const cases = casesOf('calibration');
  it('knows 24 cases', () => expect(cases).toHaveLength(24));
  describe('is the set that tests/calibration/hostile.test.ts goes through', () => {
    it.each(cases)('%s', (name, one) => {
      const files = readdirSync(sharedPath(`hostile/${one.path}`)).sort();
      expect(readdirSync(join(own, name)).sort()).toEqual(files);
      for (const file of files) {
        const bytes = readFileSync(sharedPath(`hostile/${one.path}/${file}`));
        expect(readFileSync(join(own, name, file)).equals(bytes)).toBe(true);
      }
      const [entry] = (JSON.parse(readFileSync(join(own, 'manifest.json'), 'utf8')) as Case[]).filter(
        ({ path }) => path === name,
      );
      expect(entry!.must).toBe(one.must);
    });
  });
});
