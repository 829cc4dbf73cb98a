/** Tables of features by themselves: every codec's rows come back, and what is not what was written is found before it counts. */
import { expect, it } from 'vitest';
import { compareFeatures } from '../../pipelines/features/compare.ts';
import { storedPictures } from '../../pipelines/features/pictures.ts';
import { openPlanRows } from '../../pipelines/mixed/plan-rows.ts';
import type { FeatureShape } from '../../schemas/feature-tables.ts';
import type { FeatureCodec } from '../../schemas/features.ts';
import { type FeatureRows, needTable, openFeatureWriter, takeFeatures } from '../../sinks/feature-rows.ts';
import { connectStore } from '../../sinks/store.ts';
import { codecOf } from '../../transforms/features/codec.ts';
import { rowChecksum } from '../../transforms/features/row-checksum.ts';
import { openImageHash } from '../../transforms/image-hash.ts';
import { freshFolder } from '../e2e/demo-set.ts';
import { failure } from '../formats/memory-file.ts';
import { demoStore, planOf } from './tiny.ts';

const SHAPE = { taps: 2, tokens: 64, hidden: 16 };
const VALUES = 2 * 64 * 16;
const hash = await openImageHash();

const CODECS: FeatureCodec[] = [
  { name: 'f32' },
  { name: 'f16' },
  { name: 'bf16' },
  {
    name: 'int8',
    block: 16,
    signs: Array.from({ length: 16 }, (_, i) => (i % 3 === 0 ? -1 : 1)),
    outliers: [
      [1, 5],
      [0, 15],
    ],
  },
];

/** @param first so that rows of several adds are told apart */
function rowsOf(codec: FeatureCodec, count: number, first: number): FeatureRows {
  const values = (view: number) =>
    Float32Array.from({ length: count * VALUES }, (_, i) => Math.sin(i + 7 * first + 3 * view) * (1 + (i % 16)));
  const coded = (view: number) => {
    const { unfit, ...stored } = codecOf(codec, SHAPE).encode(values(view));
    expect(unfit).toBe(0);
    return stored;
  };
  const views = { third: coded(0), wrist: coded(1) };
  const each = (n: number) => BigInt64Array.from({ length: count }, (_, i) => BigInt(first + i) * 10n + BigInt(n));
  return {
    dataset: new Array(count).fill('droid'),
    episodeKey: each(1),
    step: Int32Array.from({ length: count }, (_, i) => first + i),
    frame: each(2),
    imageHash: BigInt64Array.from({ length: 2 * count }, (_, i) => BigInt(2 * first + i)),
    checksum: BigInt64Array.from({ length: count }, (_, row) =>
      rowChecksum([views.third, views.wrist], { row, rows: count, hash }),
    ),
    views,
  };
}

async function written(codec: FeatureCodec, spoil: (rows: FeatureRows) => void = () => undefined) {
  const store = await connectStore(freshFolder());
  const shape: FeatureShape = { views: ['third', 'wrist'], values: VALUES, vectors: 2 * 64, codec };
  const name = 'features_0123456789abcdef_aax0v0_000000000000';
  const writer = await openFeatureWriter(store, name, { shape, metadata: {} });
  const all = [rowsOf(codec, 3, 0), rowsOf(codec, 130, 3)];
  for (const rows of all) {
    spoil(rows);
    await writer.add(rows);
  }
  const { rows, checksum } = await writer.finish();
  await writer.close();
  return { store, shape, table: { table: name, views: shape.views, rows, checksum }, all };
}

it.each(CODECS)('rows of $name come back in any order, doubles too', async (codec) => {
  const { store, shape, table, all } = await written(codec);
  await compareFeatures(store.uri, { table, shape, hash });
  const opened = await needTable(store, table.table);
  const found = await takeFeatures(opened, [132, 1, 3, 1], shape);
  expect([...found.step]).toEqual([132, 1, 3, 1]);
  expect([...found.imageHash]).toEqual([264n, 265n, 2n, 3n, 6n, 7n, 2n, 3n]);
  for (const role of ['third', 'wrist'] as const)
    for (const part of ['values', 'scale', 'side'] as const) {
      const [wanted, mine] = [all[0]!.views[role]![part], found.views[role]![part]];
      if (!wanted) continue;
      const width = wanted.length / 3;
      expect(mine!.subarray(width, 2 * width)).toEqual(wanted.subarray(width, 2 * width));
      expect(mine!.subarray(3 * width)).toEqual(mine!.subarray(width, 2 * width));
      expect(mine!.subarray(2 * width, 3 * width)).toEqual(all[1]!.views[role]![part]!.subarray(0, width));
    }
  opened.close();
  store.connection.close();
});

it('a table with fewer rows, other frames, or other numbers does not count', async () => {
  const { store, shape, table } = await written(CODECS[1]!);
  const compare = (change: object) =>
    failure(() => compareFeatures(store.uri, { table: { ...table, ...change }, shape, hash }));
  expect(await compare({ rows: 134 })).toMatchObject({ code: 'store', message: expect.stringContaining('133 rows') });
  expect(await compare({ checksum: 'a'.repeat(64) })).toMatchObject({
    message: expect.stringContaining('other frames'),
  });
  expect(await compare({ table: 'features_none' })).toMatchObject({ code: 'stale-features' });
  const spoiled = await written(CODECS[1]!, ({ views }) => {
    views.wrist!.values[5]! ^= 1;
  });
  const error = await failure(() => compareFeatures(spoiled.store.uri, { ...spoiled, hash }));
  expect(error).toMatchObject({ message: expect.stringContaining('other numbers in row 0') });
});

it('a picture whose bytes are not those that its row names ends the run, with its place', async () => {
  const uri = await demoStore();
  const plan = await planOf(uri, 32);
  const store = await connectStore(uri);
  const rows = await openPlanRows(store, plan);
  const others: typeof rows = {
    ...rows,
    async pictures(draws, options) {
      const found = await rows.pictures(draws, options);
      return { ...found, images: { ...found.images, wrist: found.images.third! } };
    },
  };
  const source = storedPictures(others, 2);
  const { step, dataset } = rows.place(3);
  expect(await failure(() => source.read([3, 4], ['third', 'wrist']))).toMatchObject({
    code: 'bad-image',
    at: { dataset, step, camera: 'wrist' },
  });
  expect((await source.read([3, 4], ['third'])).images.length).toBe(2 * 256 * 256 * 3);
  await source.close();
  rows.close();
  store.connection.close();
});
