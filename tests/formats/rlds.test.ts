import { deflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { RldsRecord } from '../../schemas/records.ts';
import { type FeatureLeaf, parseFeatures } from '../../sources/formats/features.ts';
import { rldsRecord } from '../../sources/formats/rlds.ts';
import { readRecords } from '../../sources/formats/tfrecord.ts';
import { bytes, exampleBytes, floats, ints } from './encode-example.ts';
import { failure, fixture, fixtureJson, memoryFile } from './memory-file.ts';
import { framesIn } from './shared-data.ts';

interface Kinds {
  leaves: { path: string; kind: string; shape: (number | null)[]; dtype: string; sequences: number }[];
  files: string[];
  /** What TFDS reads back: flat numbers, 64-bit integers as texts, pictures as hex, ragged values nested per step. */
  episodes: { steps: number; values: Record<string, unknown[]> }[];
}
const kinds = fixtureJson<Kinds>('kinds.json');
const tree = parseFeatures(new TextDecoder().decode(fixture('kinds/1.0.0/features.json')));

async function episodes(): Promise<RldsRecord[]> {
  const found: RldsRecord[] = [];
  for (const name of kinds.files)
    for await (const read of readRecords(memoryFile(name, fixture(`kinds/1.0.0/${name}`)))) {
      if (read.kind === 'damaged') throw read.error;
      found.push(rldsRecord(read.data, tree));
    }
  return found;
}
const records = await episodes();

describe('episodes as TFDS reads them back', () => {
  it('has the same episodes and steps', () => {
    expect(records.map((record) => record.steps)).toEqual(kinds.episodes.map(({ steps }) => steps));
  });

  for (const { path, kind, shape, dtype, sequences } of kinds.leaves)
    it(`${path} (${kind} ${dtype}, ${sequences} sequences)`, () => {
      for (const [i, record] of records.entries()) {
        const expected = kinds.episodes[i]!.values[path]!;
        if (sequences > 1) expect(nested(record, path, shape)).toEqual(expected);
        else if (kind === 'image')
          expect(framesIn(record.images(path)).map((frame) => Buffer.from(frame).toString('hex'))).toEqual(expected);
        else if (kind === 'text') expect(sequences === 1 ? record.texts(path) : record.text(path)).toEqual(expected);
        else if (shape.filter((size) => size === null).length > 1)
          expect(() => record.numbers(path, 2)).toThrow(/field-shape/);
        else if (dtype === 'string') expect(textsOf(record.values(path))).toEqual(expected);
        // JSON has no 64-bit integers: both sides rounded to the nearest double.
        else expect([...record.numbers(path, widthOf(shape))]).toEqual(expected.map(Number));
      }
    });

  it('gives the declared size of pictures, 0 where there is none', () => {
    const size = (name: string) => {
      const { width, height } = records[0]!.images(`steps/observation/${name}`);
      return [width, height];
    };
    expect([size('image'), size('depth'), size('unsized')]).toEqual([
      [8, 6],
      [8, 6],
      [0, 0],
    ]);
  });

  it('lists one path per feature', () => {
    expect(records[0]!.paths()).toEqual(kinds.leaves.map(({ path }) => path).sort());
    for (const path of records[0]!.paths()) expect([path, records[0]!.has(path)]).toEqual([path, true]);
  });
});

const widthOf = (shape: (number | null)[]): number => shape.reduce<number>((width, size) => width * size!, 1);
const textsOf = (values: Float64Array | readonly Uint8Array[]): string[] =>
  Array.from(values as readonly Uint8Array[], (value) => new TextDecoder().decode(value));

/** Rows put together again from the flat values. */
function nested(record: RldsRecord, path: string, shape: (number | null)[]): unknown[] {
  const { values, rowLengths } = record.ragged(path);
  let level: unknown[] = Array.isArray(values) ? textsOf(values) : [...(values as Float64Array)];
  if (shape.length > 0) level = cut(level, Array(level.length / widthOf(shape)).fill(widthOf(shape)));
  for (const lengths of rowLengths.toReversed()) level = cut(level, [...lengths]);
  return level;
}

function cut(values: unknown[], lengths: number[]): unknown[][] {
  let at = 0;
  return lengths.map((length) => {
    at += length;
    return values.slice(at - length, at);
  });
}

const leaf = (kind: FeatureLeaf['kind'], shape: number[], more: Partial<FeatureLeaf> = {}): FeatureLeaf => ({
  kind,
  shape,
  dtype: 'float32',
  encoding: 'none',
  sequences: 1,
  description: '',
  ...more,
});

/** Three steps, one field changed or added. */
function record(change: Record<string, number[]> = {}, leaves: [string, FeatureLeaf][] = []): RldsRecord {
  const fields = {
    'steps/is_first': ints([1, 0, 0]),
    'steps/state': floats([1, 2, 3, 4, 5, 6]),
    'steps/image': bytes(['a', 'b', 'c']),
    'steps/text': bytes(['go', 'go', 'go']),
    'meta/path': bytes(['x']),
    'meta/vec': floats([1, 2]),
  };
  const declared: [string, FeatureLeaf][] = [
    ['steps/is_first', leaf('tensor', [], { dtype: 'bool' })],
    ['steps/state', leaf('tensor', [2])],
  ];
  return rldsRecord(exampleBytes({ ...fields, ...change }), new Map([...declared, ...leaves]));
}

describe('shapes that do not fit', () => {
  it.each([
    ['numbers per step', {}, (r) => r.numbers('steps/state', 3), 'field-shape', /steps\/state.*9.*6/],
    ['numbers per episode', {}, (r) => r.numbers('meta/vec', 6), 'field-shape', /meta\/vec.*6.*2/],
    [
      'one image fewer',
      { 'steps/image': bytes(['a', 'b']) },
      (r) => r.images('steps/image'),
      'field-shape',
      /steps\/image.*3.*2/,
    ],
    [
      'one text more',
      { 'steps/text': bytes(['a', 'b', 'c', 'd']) },
      (r) => r.texts('steps/text'),
      'field-shape',
      /3.*4/,
    ],
    ['two texts for one', { 'meta/path': bytes(['x', 'y']) }, (r) => r.text('meta/path'), 'field-shape', /meta\/path/],
    [
      'an empty list',
      { 'steps/state': floats([]) },
      (r) => r.numbers('steps/state', 2),
      'missing-field',
      /steps\/state/,
    ],
    ['no such key', {}, (r) => r.images('steps/wrist'), 'missing-field', /steps\/wrist/],
    ['numbers as texts', {}, (r) => r.texts('steps/state'), /field-shape|bad-value/, /steps\/state/],
    ['texts as numbers', {}, (r) => r.numbers('steps/text', 1), /field-shape|bad-value/, /steps\/text/],
    [
      'no UTF-8',
      { 'steps/text': bytes(['go', [0xff, 0xfe], 'go']) },
      (r) => r.texts('steps/text'),
      'bad-value',
      /step 1.*steps\/text/,
    ],
    ['no step', { 'steps/is_first': ints([]) }, (r) => r.steps, 'zero-steps', /zero steps/],
  ] as [string, Record<string, number[]>, (r: RldsRecord) => unknown, string | RegExp, RegExp][])(
    '%s',
    async (_, change, read, code, words) => {
      const error = await failure(() => read(record(change)));
      expect(error.code).toMatch(code);
      expect(error.message).toMatch(words);
    },
  );

  it('counts steps by another feature where is_first is not declared', () => {
    const only = new Map([['steps/reward', leaf('tensor', [])]]);
    expect(rldsRecord(exampleBytes({ 'steps/reward': floats([0, 0, 1, 1]) }), only).steps).toBe(4);
  });

  it('has: an empty text is there, an empty list is not', () => {
    const one = record({ 'meta/path': bytes(['']), 'steps/state': floats([]) });
    expect([one.has('meta/path'), one.text('meta/path'), one.has('steps/state'), one.has('nothing')]).toEqual([
      true,
      '',
      false,
      false,
    ]);
  });
});

describe('tensors stored as bytes', () => {
  const zlib = (...values: number[][]) => bytes(values.map((one) => [...deflateSync(Uint8Array.from(one))]));
  const packed = (blobs: number[]) =>
    record({ 'steps/t': blobs }, [['steps/t', leaf('tensor', [2], { dtype: 'int8', encoding: 'zlib' })]]);

  it('are decoded', () => {
    expect([...packed(zlib([1, 2], [255, 0], [5, 6])).numbers('steps/t', 2)]).toEqual([1, 2, -1, 0, 5, 6]);
  });

  it('never unpack to more than is asked for', async () => {
    const bomb = bytes([[...deflateSync(new Uint8Array(2 ** 24))], [], []]);
    const before = process.memoryUsage().arrayBuffers;
    const error = await failure(() => packed(bomb).numbers('steps/t', 2));
    expect(error.code).toBe('field-shape');
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 22);
  });

  it.each([
    ['a blob fewer', zlib([1, 2], [3, 4]), 'field-shape'],
    ['a number fewer', zlib([1, 2], [3], [4, 5]), 'field-shape'],
    ['no zlib', bytes(['ab', 'cd', 'ef']), 'bad-value'],
  ])('refuse %s', async (_, blobs, code) => {
    expect((await failure(() => packed(blobs).numbers('steps/t', 2))).code).toBe(code);
  });
});

describe('ragged sequences that contradict themselves', () => {
  const ragged = (lengths: number[], values: number[]) =>
    record({ 'steps/w/ragged_row_lengths_0': ints(lengths), 'steps/w/ragged_flat_values': ints(values) });
  it.each([
    ['a row fewer than steps', [1, 1], [7, 8]],
    ['more values than the rows hold', [1, 0, 1], [7, 8, 9]],
    ['negative lengths', [2, -1, 1], [7, 8]],
  ])('%s', async (_, lengths, values) => {
    expect((await failure(() => ragged(lengths, values).ragged('steps/w'))).code).toBe('field-shape');
  });
  it('reads rows that are all empty', () => {
    expect(
      ragged([0, 0, 0], [])
        .ragged('steps/w')
        .rowLengths.map((row) => [...row]),
    ).toEqual([[0, 0, 0]]);
  });
});
