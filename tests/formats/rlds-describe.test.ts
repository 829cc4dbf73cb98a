import { describe, expect, it } from 'vitest';
import { describeRlds } from '../../sources/formats/rlds-describe.ts';
import { fixture, fixtureJson, memoryRoot, type Tree } from './memory-file.ts';

interface Kinds {
  leaves: { path: string }[];
  files: string[];
  shardLengths: number[];
  episodes: { steps: number; values: Record<string, (number | string)[]> }[];
}
const kinds = fixtureJson<Kinds>('kinds.json');

const folder = (change: (name: string, bytes: Uint8Array) => Uint8Array = (_, bytes) => bytes): Tree =>
  Object.fromEntries(
    ['features.json', 'dataset_info.json', ...kinds.files].map((name) => [
      name,
      change(name, fixture(`kinds/1.0.0/${name}`)),
    ]),
  );

describe('inspecting a folder', async () => {
  const found = await describeRlds(memoryRoot(folder()));
  const seen = kinds.episodes.slice(0, kinds.shardLengths[0]);
  const field = (path: string) => found.fields.find((one) => one.path === path)!;
  /** Values of the episodes in the first shard, as TFDS reads them. */
  const values = (path: string): number[] => seen.flatMap((episode) => episode.values[path]!).map(Number);

  it('gives counts and every declared field, as plain data', () => {
    expect(found).toMatchObject({ name: 'kinds', version: '1.0.0', faults: [], steps: seen.map(({ steps }) => steps) });
    expect(found.splits).toMatchObject([{ name: 'train', shards: 2, missing: 0, episodes: 3 }]);
    expect(found.fields.map(({ path }) => path).sort()).toEqual(kinds.leaves.map(({ path }) => path).sort());
    expect(JSON.parse(JSON.stringify(found))).toEqual(found);
  });

  it.each([
    'steps/action',
    'steps/observation/pose',
    'steps/observation/delta',
    'steps/observation/half',
    'steps/observation/packed',
  ])('ranges of %s', (path) => {
    const all = values(path);
    const { range, first } = field(path);
    expect(range).toMatchObject({ min: Math.min(...all), max: Math.max(...all) });
    expect(range?.mean).toBeCloseTo(all.reduce((sum, value) => sum + value, 0) / all.length, 9);
    expect(first).toEqual(all.slice(0, first!.length));
  });

  it('texts and pictures', () => {
    const texts = seen.flatMap((episode) => episode.values['steps/language_instruction']!);
    expect(field('steps/language_instruction').texts).toEqual({ distinct: new Set(texts).size, first: texts[0] });
    expect(field('steps/observation/image').image).toMatchObject({ codec: 'jpeg', width: 8, height: 6 });
    expect(field('steps/observation/unsized').image).toMatchObject({ codec: 'png', width: 3, height: 2 });
  });

  it('reads no more than three records', async () => {
    const tree = {
      'features.json': folder()['features.json']!,
      'x-train.tfrecord-00000-of-00001': fixture('damaged/count_high.tfrecord'),
    };
    expect((await describeRlds(memoryRoot(tree))).steps).toEqual([4, 3, 2]);
  });

  it('goes on where shards are missing or damaged, and says so', async () => {
    const first = kinds.files[0]!;
    const { [first]: _, ...without } = folder();
    const rest = await describeRlds(memoryRoot(without));
    expect(rest.splits).toMatchObject([{ shards: 2, missing: 1 }]);
    expect(rest.steps).toEqual([kinds.episodes.at(-1)!.steps]);
    const broken = folder((name, bytes) => (name === first ? bytes.with(100, bytes[100]! ^ 1) : bytes));
    const flawed = await describeRlds(memoryRoot(broken));
    expect(flawed.steps).toEqual([kinds.episodes[1]!.steps]);
    expect(flawed.faults).toEqual([expect.stringMatching(/bad-data-checksum.*record 0/)]);
    const cut = await describeRlds(memoryRoot(folder((name, bytes) => (name === first ? bytes.with(1, 255) : bytes))));
    expect(cut.faults).toEqual([expect.stringMatching(/bad-length-checksum/)]);
  });
});
