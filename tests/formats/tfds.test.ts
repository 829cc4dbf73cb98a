import { describe, expect, it } from 'vitest';
import { parseFeatures } from '../../sources/formats/features.ts';
import { openTfds } from '../../sources/formats/tfds.ts';
import { failure, fixture, fixtureJson, memoryRoot, type Tree } from './memory-file.ts';

interface Kinds {
  /** As TFDS itself walks its feature objects. */
  leaves: { path: string; kind: string; shape: (number | null)[]; dtype: string; sequences: number }[];
  files: string[];
  shardLengths: number[];
}
const kinds = fixtureJson<Kinds>('kinds.json');
const text = (name: string): string => new TextDecoder().decode(fixture(name));
const FEATURES = text('kinds/1.0.0/features.json');
const INFO = JSON.parse(text('kinds/1.0.0/dataset_info.json'));
const strict = { partial: false };

const shardName = (index: number, of: number, start = 'kinds-train'): string =>
  `${start}.tfrecord-${String(index).padStart(5, '0')}-of-${String(of).padStart(5, '0')}`;
const info = (change: object): string => JSON.stringify({ ...INFO, ...change });
const split = (change: object): string => info({ splits: [{ ...INFO.splits[0], ...change }] });

/** A version folder with the two shards of the fixture, changed. */
function version(change: Tree = {}, without: string[] = []): Tree {
  const tree: Tree = {
    'features.json': FEATURES,
    'dataset_info.json': JSON.stringify(INFO),
    ...Object.fromEntries(kinds.files.map((name) => [name, fixture(`kinds/1.0.0/${name}`)])),
    ...change,
  };
  return Object.fromEntries(Object.entries(tree).filter(([name]) => !without.includes(name)));
}
const codeOf = async (tree: Tree, options = strict): Promise<string> =>
  (await failure(() => openTfds(memoryRoot(tree), options))).code;
const messageOf = async (tree: Tree, options = strict): Promise<string> =>
  (await failure(() => openTfds(memoryRoot(tree), options))).message;

describe('features.json', () => {
  it.each(['kinds/1.0.0/features.json', 'features.legacy.json', 'features.string.json'])(
    '%s: the leaves TFDS derives',
    (name) => {
      const found = [...parseFeatures(text(name))].map(([path, leaf]) => {
        // An image of unknown size has a shape of unknowns in one dialect and none in another.
        const shape = leaf.shape ?? [null, null, null];
        return { path, kind: leaf.kind, shape, dtype: leaf.dtype, sequences: leaf.sequences };
      });
      const byPath = (a: { path: string }, b: { path: string }): number => (a.path < b.path ? -1 : 1);
      const expected = kinds.leaves.map((leaf) => ({
        ...leaf,
        shape: leaf.path.endsWith('unsized') ? [null, null, 3] : leaf.shape,
      }));
      const normal = found.map((leaf) => ({
        ...leaf,
        shape: leaf.path.endsWith('unsized') ? [null, null, 3] : leaf.shape,
      }));
      expect(normal.sort(byPath)).toEqual(expected.sort(byPath));
    },
  );

  it('keeps encodings', () => {
    const leaves = parseFeatures(FEATURES);
    const encoding = (name: string) => leaves.get(`steps/observation/${name}`)?.encoding;
    expect(['image', 'depth', 'unsized', 'half', 'packed', 'pose'].map(encoding)).toEqual([
      'jpeg',
      'png',
      '',
      'bytes',
      'zlib',
      'none',
    ]);
  });

  it.each([
    '',
    '[]',
    '"x"',
    '{}',
    '{"featuresDict": 3}',
    '{"featuresDict":{"features":{"a":{"tensor":{"shape":{"dimensions":["x"]}}}}}}',
  ])('refuses %j', async (json) => expect((await failure(() => parseFeatures(json))).code).toBe('bad-dataset-info'));

  it('refuses a tree without end', async () => {
    let json = '{"text":{}}';
    for (let i = 0; i < 5000; i++) json = `{"sequence":{"feature":${json}}}`;
    expect((await failure(() => parseFeatures(json))).code).toBe('bad-dataset-info');
  });
});

describe('a version folder', () => {
  it('gives splits, counts and sizes', async () => {
    const found = await openTfds(memoryRoot(version()), strict);
    expect([found.name, found.version, found.partial]).toEqual(['kinds', '1.0.0', null]);
    const shards = kinds.files.map((file, i) => ({
      file,
      expected: kinds.shardLengths[i],
      size: fixture(`kinds/1.0.0/${file}`).length,
    }));
    expect(found.splits).toEqual([{ name: 'train', shards }]);
    expect([...found.paths].sort()).toEqual(kinds.leaves.map((leaf) => leaf.path).sort());
  });

  it('is found below its parents, and shards open there', async () => {
    const tree = { kinds: { '1.0.0': version(), '.hidden': version(), '1.0.1.incompleteA1B2C3': version() } };
    const found = await openTfds(memoryRoot(tree), strict);
    expect(found.root.uri).toBe('/memory/kinds/1.0.0');
    expect((await found.root.open(kinds.files[0]!)).size).toBeGreaterThan(0);
  });

  it('is not guessed among several, nor found too deep', async () => {
    expect(await messageOf({ '1.0.0': version(), '1.0.1': version() })).toMatch(/1\.0\.0.*1\.0\.1/);
    expect(await codeOf({ a: { b: { c: version() } } })).toBe('source-missing');
    expect(await codeOf({ 'readme.md': 'x' })).toBe('source-missing');
  });

  it('takes file names from the list, not from the name of the dataset', async () => {
    const shards = Object.fromEntries(
      kinds.files.map((name) => [name.replace('kinds', 'r2d2_faceblur'), fixture(`kinds/1.0.0/${name}`)]),
    );
    const found = await openTfds(memoryRoot(version(shards, kinds.files)), strict);
    expect(found.splits[0]!.shards.map(({ file }) => file)).toEqual(Object.keys(shards));
  });

  it('ignores unfinished downloads', async () => {
    const name = kinds.files[1]!;
    const part = version({ [`${name}_.gstmp`]: fixture(`kinds/1.0.0/${name}`) }, [name]);
    expect(await codeOf(part)).toBe('missing-shard');
  });

  it('honours a template of its own', async () => {
    const renamed = Object.fromEntries(
      kinds.files.map((name, i) => [`data.train.tfrecord-0000${i}`, fixture(`kinds/1.0.0/${name}`)]),
    );
    const json = split({ filepathTemplate: 'data.{SPLIT}.{FILEFORMAT}-{SHARD_INDEX}' });
    const found = await openTfds(memoryRoot(version({ ...renamed, 'dataset_info.json': json }, kinds.files)), strict);
    expect(found.splits.map((one) => [one.name, one.shards.map(({ file }) => file)])).toEqual([
      ['train', Object.keys(renamed)],
    ]);
  });

  it.each(['{DATASET}{DATASET}-{SPLIT}.{SHARD_X_OF_Y}', '{SHARD_INDEX}-{SHARD_X_OF_Y}', '(((', '[{SPLIT}'])(
    'survives the template %j',
    async (filepathTemplate) => {
      const code = await codeOf(version({ 'dataset_info.json': split({ filepathTemplate }) }));
      expect(['bad-dataset-info', 'missing-shard']).toContain(code);
    },
  );

  it('keeps a split whose name has a dash whole', async () => {
    const name = shardName(0, 1, 'kinds-train-a');
    const json = split({ name: 'train-a', shardLengths: ['1'] });
    const found = await openTfds(
      memoryRoot(version({ [name]: new Uint8Array(9), 'dataset_info.json': json }, kinds.files)),
      strict,
    );
    expect(found.splits.map((one) => [one.name, one.shards.length])).toEqual([['train-a', 1]]);
  });

  it('goes without dataset_info.json: counts unknown, names from the files', async () => {
    const found = await openTfds(memoryRoot({ '2.0.0': version({}, ['dataset_info.json']) }), strict);
    expect([found.name, found.version]).toEqual(['kinds', '2.0.0']);
    expect(found.splits).toHaveLength(1);
    expect(found.splits[0]!.shards.map(({ expected }) => expected)).toEqual([null, null]);
  });
});

describe('what is missing or contradicts itself', () => {
  const [first, second] = kinds.files as [string, string];

  it('names the missing shard, and --partial goes on with the index intact', async () => {
    const tree = version({}, [first]);
    expect(await messageOf(tree)).toMatch(new RegExp(`missing-shard.*1 .*missing.*${first}.*--partial`));
    const found = await openTfds(memoryRoot(tree), { partial: true });
    expect(found.partial).toEqual({ missing: [first], total: 2 });
    expect(found.splits[0]!.shards.map(({ file, expected, size }) => [file, expected, size === null])).toEqual([
      [first, kinds.shardLengths[0], true],
      [second, kinds.shardLengths[1], false],
    ]);
  });

  it('refuses a folder without any shard, --partial or not', async () => {
    for (const partial of [false, true])
      expect(await codeOf(version({}, kinds.files), { partial })).toBe('missing-shard');
    expect(await codeOf({ 'features.json': FEATURES, 'dataset_info.json': info({ splits: [] }) })).toBe(
      'missing-shard',
    );
  });

  it('counts the names that it shows of many', async () => {
    const lengths = Array(2048).fill('5');
    const tree = version(
      { 'dataset_info.json': split({ shardLengths: lengths }), [shardName(7, 2048)]: 'x' },
      kinds.files,
    );
    const message = await messageOf(tree);
    expect(message).toContain('2047');
    expect(message.length).toBeLessThan(500);
    expect((await openTfds(memoryRoot(tree), { partial: true })).partial?.missing).toHaveLength(2047);
  });

  it.each([
    [
      'another N than shardLengths',
      version({ 'dataset_info.json': split({ shardLengths: ['1', '1', '1'] }) }),
      /3 shards.*-of-/,
    ],
    ['two Ns in one folder', version({ [shardName(0, 3)]: 'x' }), /-of-|2.*3/],
    ['two prefixes', version({ [shardName(0, 2, 'other-train')]: 'x' }), /kinds.*other|other.*kinds/],
    ['an index beyond N', version({ [shardName(5, 2)]: 'x' }), /00005/],
    [
      'an N that would fill the memory',
      version({ [shardName(0, 99_999_999_999)]: 'x' }, [...kinds.files, 'dataset_info.json']),
      /99999999999/,
    ],
    ['no features.json', version({}, ['features.json']), /features\.json/],
    ['a broken dataset_info.json', version({ 'dataset_info.json': '{"name": ' }), /JSON/],
    ['a dataset_info.json that is a list', version({ 'dataset_info.json': '[1]' }), /object/],
    ['a count that is none', version({ 'dataset_info.json': split({ shardLengths: ['2', '-1'] }) }), /-1/],
    [
      'ArrayRecord',
      version({ 'dataset_info.json': info({ fileFormat: 'array_record' }) }, kinds.files),
      /array_record.*tfrecord version/,
    ],
    [
      'Riegeli files',
      version({ 'k-train.riegeli-00000-of-00001': 'x' }, [...kinds.files, 'dataset_info.json']),
      /riegeli/,
    ],
  ] as [string, Tree, RegExp][])('refuses %s', async (_, tree, words) => {
    const error = await failure(() => openTfds(memoryRoot(tree), strict));
    expect([error.code, error.message]).toEqual(['bad-dataset-info', expect.stringMatching(words)]);
  });
});
