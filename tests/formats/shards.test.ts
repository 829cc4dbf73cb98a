/** Which files are the shards of which split, without a folder: what tfds.test.ts does not say already. */
import { describe, expect, it } from 'vitest';
import { type DeclaredSplit, listShards } from '../../sources/formats/shards.ts';
import { openTfds } from '../../sources/formats/tfds.ts';
import { failure, fixture, memoryRoot } from './memory-file.ts';

const files = (...names: string[]) => names.map((name) => ({ name, size: 5 }));
const declared = (name: string, lengths: number[], template = ''): DeclaredSplit => ({ name, lengths, template });
const listed = (names: string[], ...splits: DeclaredSplit[]) =>
  listShards('folder', files(...names), { name: 'info', splits }).splits.map(({ name, shards }) => [
    name,
    ...shards.map(({ file, expected, size }) => `${file} ${expected} ${size}`),
  ]);

describe('splits', () => {
  it('that only the files know come last, with counts unknown', () => {
    const names = ['x-val.tfrecord-00000-of-00001', 'x-train.tfrecord-00000-of-00001'];
    expect(listed(names, declared('train', [4]))).toEqual([
      ['train', 'x-train.tfrecord-00000-of-00001 4 5'],
      ['val', 'x-val.tfrecord-00000-of-00001 null 5'],
    ]);
  });

  it('without any file are named as the others are', () => {
    expect(listed(['x-train.tfrecord-00000-of-00001'], declared('train', [4]), declared('test', [1, 0]))).toEqual([
      ['train', 'x-train.tfrecord-00000-of-00001 4 5'],
      ['test', 'x-test.tfrecord-00000-of-00002 1 null', 'x-test.tfrecord-00001-of-00002 0 null'],
    ]);
  });

  it('take names with dashes before the split, and no file that only begins or ends like a shard', () => {
    const names = [
      'my-x_1-train.tfrecord-00000-of-00001',
      'my-x_1-train.tfrecord-00000-of-00001.part',
      'train.tfrecord',
    ];
    expect(listed(names)).toEqual([['train', 'my-x_1-train.tfrecord-00000-of-00001 null 5']]);
  });

  it('take a template literally: its dots and brackets are no pattern', () => {
    const split = declared('train', [1, 1], 'a+(b).{SPLIT}.{FILEFORMAT}-{SHARD_INDEX}-{NUM_SHARDS}');
    expect(listed(['a+(b).train.tfrecord-0-2', 'aXbXtrain.tfrecord-1-2'], split)).toEqual([
      ['train', 'a+(b).train.tfrecord-0-2 1 5', 'a+(b).train.tfrecord-00001-00002 1 null'],
    ]);
  });

  it('in number order, whatever the order of the list', () => {
    const names = [10, 2, 1, 0].map((i) => `x-train.tfrecord-${String(i).padStart(5, '0')}-of-00011`);
    expect(listed(names)[0]!.filter((shard) => shard.endsWith(' 5'))).toEqual(
      names.toReversed().map((name) => `${name} null 5`),
    );
  });

  it('refuse two files of one number', async () => {
    const names = ['x-train.tfrecord-00000-of-00002', 'x-train.tfrecord-000000-of-00002'];
    const error = await failure(async () => listed(names));
    expect([error.code, error.message]).toEqual(['bad-dataset-info', expect.stringContaining('same number')]);
  });

  it('that dataset_info.json calls empty need no file', async () => {
    const open = (shardLengths: string[]) =>
      openTfds(
        memoryRoot({
          'features.json': fixture('kinds/1.0.0/features.json'),
          'dataset_info.json': JSON.stringify({ name: 'x', splits: [{ name: 'train', shardLengths }] }),
          'x-train.tfrecord-00000-of-00002': 'x',
        }),
        { partial: false },
      );
    expect((await open(['3', '0'])).partial).toBeNull();
    expect((await failure(() => open(['3', '1']))).code).toBe('missing-shard');
  });
});
