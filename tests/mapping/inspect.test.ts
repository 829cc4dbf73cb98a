/** `prep inspect` of LeRobot datasets and HDF5 files against h5py, pyarrow and PyAV; bounded, and never fooled. */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { inspectPath } from '../../sources/describe/describe.ts';
import type { Description } from '../../sources/describe/description.ts';
import { prep, prepJson } from '../cli/run.ts';
import { freshFolder, RELEASE } from '../e2e/demo-set.ts';
import { describeShared, sharedPath } from '../formats/shared-data.ts';
import { MADE } from './made.ts';

interface Facts {
  readonly shape: number[];
  readonly dtype: string;
  readonly min: number;
  readonly max: number;
  readonly first: number[];
}
type Camera = Readonly<Record<'width' | 'height' | 'fps' | 'frames', number>>;
interface Seen {
  readonly steps: number[];
  readonly fields: Record<string, Facts>;
  readonly cameras?: Record<string, Camera>;
}
const seen: Readonly<Record<'hdf5' | 'lerobot', Seen>> = JSON.parse(readFileSync(join(MADE, 'seen.json'), 'utf8'));

const inspected = async (path: string): Promise<Description> => (await inspectPath(path, {})).described.description;

/** A copy of one of the sets that a test may damage. */
function copyOf(set: 'hdf5' | 'lerobot'): string {
  const folder = join(freshFolder(), set);
  cpSync(join(MADE, set), folder, { recursive: true });
  return folder;
}

describe.each(['hdf5', 'lerobot'] as const)('%s', (set) => {
  it('fields, shapes, ranges and first values', async () => {
    const found = await inspected(join(MADE, set));
    expect(found).toMatchObject({ format: set, steps: seen[set].steps, faults: [] });
    const pictures = new Set(found.cameras.map(({ field }) => field));
    for (const [path, truth] of Object.entries(seen[set].fields)) {
      const field = found.fields.find((one) => one.path === path)!;
      expect([path, field?.dtype]).toEqual([path, truth.dtype]);
      // Per step: what has a row for each step is told without it.
      if (set === 'lerobot') expect(field.shape).toEqual(truth.shape);
      else expect(field.shape.slice(1)).toEqual(truth.shape);
      if (pictures.has(path)) continue;
      expect(field.range).toMatchObject({ min: truth.min, max: truth.max });
      expect(field.first).toEqual(truth.first);
    }
    const columns = found.fields.map(({ path }) => path).filter((path) => !pictures.has(path));
    expect(columns.sort()).toEqual(
      Object.keys(seen[set].fields)
        .filter((path) => !pictures.has(path))
        .sort(),
    );
  });
});

it('cameras of a LeRobot dataset as PyAV sees them', async () => {
  const { cameras, tasks, robot, fps, episodes, lengths } = await inspected(join(MADE, 'lerobot'));
  for (const camera of cameras)
    expect(camera).toMatchObject({
      codec: 'av1',
      ...seen.lerobot.cameras![camera.field],
      files: { named: 1, missing: 0 },
    });
  expect(cameras).toHaveLength(2);
  const first = ['pick up the cup and place it on the plate'];
  expect({ tasks, robot, fps, episodes, lengths }).toEqual({
    tasks: { count: 1, first },
    ...{ robot: 'made_arm', fps: 30, episodes: 1, lengths: { min: 40, max: 40 } },
  });
});

it('HDF5: files, attributes, cameras; a soft link is no second camera; one file alone', async () => {
  const found = await inspected(join(MADE, 'hdf5'));
  expect(found.files).toEqual({ count: 2, first: ['run_000.hdf5', 'run_001.hdf5'] });
  expect(found.attributes).toEqual({ fps: 12.5, language: 'stack the blue block on the green block' });
  expect(found.cameras).toMatchObject([{ field: 'obs/front/rgb', codec: 'raw', width: 64, height: 48, frames: 12 }]);
  expect(await inspected(join(MADE, 'hdf5/run_001.hdf5'))).toMatchObject({ name: 'run_001.hdf5', steps: [9] });
});

describe('defects', () => {
  const info = (folder: string, change: (json: Record<string, unknown>) => void): void => {
    const file = join(folder, 'meta/info.json');
    const json = JSON.parse(readFileSync(file, 'utf8'));
    change(json);
    writeFileSync(file, JSON.stringify(json));
  };
  it.each<[string, (folder: string) => void, RegExp]>([
    [
      'a camera without files',
      (folder) => rmSync(join(folder, 'videos/chunk-000/observation.images.hand'), { recursive: true }),
      /^observation\.images\.hand: 1 of 1 files are missing, first videos\/chunk-000\/observation\.images\.hand\/episode_000000\.mp4$/,
    ],
    [
      'a video of another episode',
      (folder) =>
        cpSync(
          join(folder, 'videos/chunk-000/observation.images.head'),
          join(folder, 'videos/chunk-000/observation.images.hand'),
          {
            recursive: true,
          },
        ),
      /640x360, meta\/info\.json says 640x480/,
    ],
    [
      'other counts',
      (folder) => info(folder, (json) => Object.assign(json, { total_frames: 41 })),
      /total_frames 41, meta\/episodes lists 40/,
    ],
    [
      'a column that is not there',
      (folder) =>
        info(folder, (json) => Object.assign(json.features as object, { gone: { dtype: 'float32', shape: [2] } })),
      /field gone\): expected a column gone, found none/,
    ],
    [
      'fewer rows than the list says',
      (folder) => writeFileSync(join(folder, 'meta/episodes.jsonl'), '{"episode_index":0,"tasks":[],"length":41}\n'),
      /expected 41 rows.*found 40 rows/,
    ],
  ])('%s', async (_, damage, message) => {
    const folder = copyOf('lerobot');
    damage(folder);
    const { faults } = await inspected(folder);
    expect(faults).toContainEqual(expect.stringMatching(message));
    const { code, stdout } = await prep('inspect', folder);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^fault: /m);
  });

  it('another HDF5 file that is none is told, the first stays', async () => {
    const folder = copyOf('hdf5');
    writeFileSync(join(folder, 'run_001.hdf5'), 'version https://git-lfs.github.com/spec/v1\n');
    const found = await inspected(folder);
    expect(found.steps).toEqual([12]);
    expect(found.faults).toEqual([expect.stringMatching(/bad-hdf5 \(file run_001\.hdf5\).*Git LFS pointer/)]);
  });
});

describe('bounded', () => {
  it('reads three files of a folder, however many there are', async () => {
    const folder = copyOf('hdf5');
    for (let i = 2; i < 40; i++)
      cpSync(join(folder, 'run_001.hdf5'), join(folder, `run_${`${i}`.padStart(3, '0')}.hdf5`));
    // Damage in what is not read is not seen.
    writeFileSync(join(folder, 'run_030.hdf5'), '');
    expect(await inspected(folder)).toMatchObject({
      files: { count: 40 },
      episodes: 40,
      steps: [12, 9, 9],
      faults: [],
    });
  });

  it('pickles and other files are never opened', async () => {
    const folder = freshFolder();
    writeFileSync(join(folder, 'a.pkl'), Buffer.from([0x80, 4, 0x95]));
    await expect(inspected(folder)).rejects.toThrow(/source-missing .*found 1 other files, such as a\.pkl/);
    await expect(inspected(join(folder, 'a.pkl'))).rejects.toThrow(/a Python pickle, which is never opened/);
    await expect(inspected(join(folder, 'nothing'))).rejects.toThrow(/source-missing/);
    mkdirSync(join(folder, 'x'));
    cpSync(RELEASE, join(folder, 'x'), { recursive: true });
    await expect(inspected(folder)).rejects.toThrow(
      /found 1 other files, such as x\/dataset_info\.json; give the folder/,
    );
  });
});

it('as text and as JSON', async () => {
  const { code, stdout } = await prep('inspect', join(MADE, 'lerobot'));
  expect(code).toBe(0);
  expect(stdout).toMatch(/^lerobot \(LeRobot v2\.1\) in /);
  expect(stdout).toMatch(/1 episodes of 40 to 40 steps, 30 steps per second, robot made_arm/);
  expect(stdout).toMatch(/^observation\.state +float32\[8\] +-0\.9988 … 0\.9853, first 0\.4002/m);
  expect(stdout).toMatch(/^camera observation\.images\.hand: av1 640x480, 30 fps, 40 frames, 1 of 1 files there$/m);
  const { value } = await prepJson<Description>('inspect', join(MADE, 'hdf5'));
  expect(value.fields.map(({ path }) => path)).toContain('obs/tcp_mm');
  const file = await prep('inspect', join(MADE, 'hdf5/run_000.hdf5'));
  expect(file.stdout).toMatch(/^run_000\.hdf5 \(HDF5\) in .*\n {2}1 file, first run_000\.hdf5\n/);
});

/** Cases of the hostile corpus that are HDF5 or LeRobot; none where the corpus is not there, for a skipped body runs, too. */
function hostileCases(): { path: string }[] {
  const file = sharedPath('hostile/manifest.json');
  if (!existsSync(file)) return [{ path: 'absent' }];
  type Case = { path: string; kind: string };
  const cases = JSON.parse(readFileSync(file, 'utf8')) as Case[] | { cases: Case[] };
  return (Array.isArray(cases) ? cases : cases.cases).filter(({ kind }) => ['hdf5', 'lerobot'].includes(kind));
}

describeShared('hostile', () => {
  const mine = hostileCases();
  it.each(mine.map(({ path }) => path))('%s ends soon and with a sentence', async (path) => {
    const started = performance.now();
    const found = await inspected(sharedPath(`hostile/${path}`)).catch((error: unknown) => {
      expect(error).toMatchObject({ name: 'PrepError' });
      return null;
    });
    expect(performance.now() - started).toBeLessThan(20_000);
    if (found) expect(found.steps.length).toBeGreaterThan(0);
  });

  it('names the filter, the link and the frames that do not fit', async () => {
    const faults = async (name: string): Promise<string> =>
      (await inspected(sharedPath(`hostile/hdf5/${name}.hdf5`))).faults.join('\n');
    expect(await faults('filter_unknown')).toMatch(/agentview_image.*found filter 4242/);
    expect(await faults('external_link')).toMatch(/an external link to .*which is not opened/);
    expect(await faults('short_images')).toMatch(/^data\/demo_1\/obs\/agentview_image: 4 frames for 5 rows$/);
  });
});

describeShared('hdf5_made', () => {
  it('groups that are episodes are found, and others are not', async () => {
    const groups: Record<string, string | undefined> = {};
    for (const family of readdirSync(sharedPath('hdf5_made')).filter(
      (name) => !['make', 'rlds', 'README.md'].includes(name),
    ))
      groups[family] = (await inspected(sharedPath(`hdf5_made/${family}`))).groups;
    expect(groups).toMatchObject({ robomimic: 'data/demo_*', libero: 'data/demo_*' });
    expect(Object.keys(groups).filter((family) => groups[family] !== undefined)).toEqual(['libero', 'robomimic']);
  });
});
