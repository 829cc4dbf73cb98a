/** HDF5 files in every storage that readers meet, against what h5py reads (fixtures/hdf5/make.py). */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PrepError } from '../../schemas/errors.ts';
import type { SourcePictures } from '../../schemas/frames.ts';
import type { Hdf5Group } from '../../schemas/records.ts';
import { type Hdf5File, openHdf5 } from '../../sources/formats/hdf5/file.ts';

interface Expected {
  refused: string[];
  numbers: Record<string, { shape: number[]; values: (number | string)[] }>;
  texts: Record<string, string[]>;
  attributes: Record<string, unknown>;
  jpegs: string[];
  pngs: string[];
  frames: string[];
  planes: string[];
  grey: string[];
}
const folder = new URL('../../fixtures/hdf5/', import.meta.url);
const given: Expected = JSON.parse(readFileSync(new URL('expected.json', folder), 'utf8'));
const NAMES = ['numbers', 'texts', 'links', 'images'] as const;
type Name = (typeof NAMES)[number];

const open: Partial<Record<Name, Hdf5File>> = {};
beforeAll(async () => {
  for (const name of NAMES) open[name] = await openHdf5(fileURLToPath(new URL(`${name}.h5`, folder)), `${name}.h5`);
});
afterAll(() => {
  for (const file of Object.values(open)) file.close();
});
const root = (name: Name): Hdf5Group => open[name]!.root;

function fault(make: () => unknown): PrepError {
  try {
    make();
  } catch (error) {
    if (error instanceof PrepError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('numbers', () => {
  it.each(Object.entries(given.numbers))('%s', (path, { shape, values }) => {
    expect(root('numbers').shape(path)).toEqual(shape);
    expect([...root('numbers').numbers(path)]).toEqual(values.map(Number));
  });
  it('nothing is read through a filter that is not there', () => {
    for (const name of given.refused) {
      const error = fault(() => root('numbers').numbers(`filters/${name}`));
      expect(error.code).toBe('bad-hdf5');
      expect(error.message, name).toMatch(/found filter \d+/);
    }
    expect(fault(() => root('numbers').numbers('types/packed_bits')).message).toContain('found filter 5');
  });
  it('integers that are no whole JavaScript ones', () => {
    expect(fault(() => root('numbers').numbers('types/three_bytes')).message).toContain('an integer of 3 bytes');
    expect(fault(() => root('numbers').numbers('types/big_enum')).code).toBe('bad-hdf5');
  });
  it('compound types are no numbers', () => {
    expect(fault(() => root('numbers').numbers('types/array')).message).toContain('type compound');
    expect(fault(() => root('numbers').numbers('types/complex')).code).toBe('bad-value');
  });
  it('rows of the width asked for', () => {
    const spaces = root('numbers').group('spaces');
    expect(spaces.numbers('cube', 12)).toHaveLength(24);
    expect(spaces.numbers('vector', 1)).toHaveLength(5);
    for (const [path, width] of [
      ['cube', 6],
      ['vector', 5],
      ['scalar', 1],
      ['null', 1],
      ['empty', 6],
      ['empty_row', 1],
    ] as const)
      expect(fault(() => spaces.numbers(path, width)).code, path).toBe('field-shape');
    expect(fault(() => spaces.numbers('null')).code).toBe('field-shape');
  });
  it('a made-up shape is refused before anything is allocated', () => {
    const spaces = root('numbers').group('spaces');
    const before = process.memoryUsage().arrayBuffers;
    expect(fault(() => spaces.numbers('huge', 7)).message).toContain(`${2 ** 40} × 7`);
    // Frames are read when they are asked for: that there are more than steps is found by counting.
    expect(spaces.images('huge_frames').frames).toMatchObject({ kind: 'stream', count: 2 ** 30 });
    expect(fault(() => spaces.images('huge_rows').frames).code).toBe('field-shape');
    expect(fault(() => spaces.texts('huge_texts')).code).toBe('bad-value');
    expect(fault(() => spaces.texts('huge_fixed')).message).toContain('texts of 10000000 bytes');
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 22);
  });
});

describe('texts', () => {
  it.each(Object.entries(given.texts))('%s', (path, expected) => {
    expect(root('texts').texts(path)).toEqual(expected);
  });
  it.each(Object.entries(given.attributes))('attribute %s', (name, expected) => {
    expect(root('texts').attribute(name)).toEqual(expected);
  });
  it('long, absent and empty attributes', () => {
    expect(root('texts').attribute('long')).toHaveLength(3000);
    expect(root('texts').attribute('absent')).toBeUndefined();
    expect(root('texts').attribute('int', 'nowhere')).toBeUndefined();
    expect(root('texts').attribute('empty')).toBeUndefined();
    expect(root('texts').attribute('unit', 'scalar')).toBe('m');
  });
  it('no text where there is none', () => {
    expect(root('texts').texts('null')).toEqual([]);
    expect(fault(() => root('numbers').texts('types/f4')).code).toBe('bad-value');
    expect(fault(() => root('texts').numbers('vlen_utf8')).message).toContain('type text');
  });
  it('groups', () => {
    expect(root('texts').keys('empty')).toEqual([]);
    expect(root('texts').isGroup('empty')).toBe(true);
    expect(root('texts').isGroup('scalar')).toBe(false);
    expect(root('texts').has('scalar/below')).toBe(false);
    expect(fault(() => root('texts').keys('scalar')).code).toBe('missing-field');
    expect(fault(() => root('texts').group('empty/a/b')).message).toContain('/empty/a');
  });
});

describe('the wall around a file', () => {
  const secret = (path: string): PrepError => {
    const error = fault(() => root('links').numbers(path));
    expect(error.code).toBe('bad-hdf5');
    return error;
  };
  it('links within the file are followed', () => {
    for (const path of ['soft', 'hard', 'virtual_own']) expect([...root('links').numbers(path)]).toEqual([0, 1, 2, 3]);
    expect([...root('links').numbers('soft_relative/inner')]).toEqual([0, 1, 2]);
  });
  it('external links are named and not opened', () => {
    expect(secret('external').message).toContain('an external link to other.h5:/secret');
    expect(secret('external_group/secret').message).toContain('other.h5');
    expect(secret('soft_to_external').message).toContain('soft_to_external');
    expect(secret('soft_through_external').code).toBe('bad-hdf5');
  });
  it('soft links to nothing and in circles', () => {
    expect(secret('dangling').message).toContain('/nowhere');
    expect(secret('loop_a').message).toContain('/loop_a');
    expect(root('links').has('absent')).toBe(false);
  });
  it('bytes stored in other files stay there', () => {
    for (const path of ['storage', 'storage_above', 'storage_above_tmp', 'storage_device'])
      expect(secret(path).message, path).toContain(`/${path}`);
  });
  it('virtual datasets over other files, over nothing, over themselves', () => {
    expect(secret('virtual_other').message).toContain('virtual dataset over other.h5');
    expect(secret('virtual_nowhere').message).toContain('/data/absent, where no dataset is');
    for (const path of ['virtual_external', 'virtual_storage', 'virtual_self']) secret(path);
  });
  it('a named type is neither group nor dataset', () => {
    expect(fault(() => root('links').numbers('type')).code).toBe('missing-field');
  });
  it('the file is readable after all that', () => {
    expect([...root('links').numbers('data/true')]).toEqual([0, 1, 2, 3]);
  });
});

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** All frames of a stream, one by one. */
async function framesOf({ frames }: SourcePictures): Promise<string[]> {
  if (frames.kind === 'memory') throw new Error('frames in memory');
  const found: string[] = [];
  for await (const batch of frames.batches()) {
    if (batch.kind === 'video') throw new Error('a video');
    const size = batch.kind === 'raw' ? batch.width * batch.height * batch.channels : 0;
    const spans =
      batch.kind === 'raw'
        ? Array.from({ length: batch.count }, (_, i) => ({ offset: batch.offset + i * size, length: size }))
        : batch.spans;
    for (const { offset, length } of spans) found.push(hex(new Uint8Array(batch.buffer, offset, length)));
  }
  expect(found).toHaveLength(frames.count);
  return found;
}

describe('pictures', () => {
  const raw = { width: 8, height: 6 };
  it.each(['vlen', 'vlen_chunked', 'vlen_signed', 'strings', 'opaque', 'rows'])('%s', async (path) => {
    const pictures = root('images').images(path);
    expect(pictures).toMatchObject({ width: 16, height: 12 });
    expect(await framesOf(pictures)).toEqual(given.jpegs);
  });
  it('PNG, and lengths that the file gives', async () => {
    expect(await framesOf(root('images').images('vlen_png'))).toEqual(given.pngs);
    const lengths = root('images').numbers('lengths');
    expect(await framesOf(root('images').images('rows_dirty', { lengths }))).toEqual(given.jpegs);
  });
  it.each([
    ['hwc', 'frames', 3, 'hwc'],
    ['hwc_chunked', 'frames', 3, 'hwc'],
    ['chw', 'planes', 3, 'chw'],
    ['grey', 'grey', 1, 'hwc'],
    ['grey_channel', 'grey', 1, 'hwc'],
    ['planes_grey', 'grey', 1, 'chw'],
  ] as const)('uncompressed %s', async (path, expected, channels, layout) => {
    const pictures = root('images').images(path);
    expect(pictures).toMatchObject({ width: 8, height: 6 });
    expect(await framesOf(pictures)).toEqual(given[expected]);
    if (pictures.frames.kind === 'stream')
      for await (const batch of pictures.frames.batches()) expect(batch).toMatchObject({ channels, layout });
  });
  it.each(['vlen_raw', 'rows_raw'])('rows that are raw buffers need their size: %s', async (path) => {
    expect(await framesOf(root('images').images(path, { raw }))).toEqual(given.frames);
    expect(fault(() => root('images').images(path)).code).toBe('bad-image');
    expect(fault(() => root('images').images(path, { raw: { width: 9, height: 6 } })).code).toBe('bad-image');
  });
  it('no frame, and what are none', async () => {
    expect(await framesOf(root('images').images('none'))).toEqual([]);
    expect(await framesOf(root('images').images('vlen_none'))).toEqual([]);
    for (const path of ['two_channels', 'floats', 'lengths'])
      expect(fault(() => root('images').images(path)).code, path).toBe('field-shape');
    for (const path of ['text', 'vlen_garbage', 'vlen_empty_first'])
      expect(fault(() => root('images').images(path)).code, path).toBe('bad-image');
  });
  it('a raw buffer of another length among them', async () => {
    const pictures = root('images').images('vlen_raw_odd', { raw });
    await expect(framesOf(pictures)).rejects.toThrow('140 in row 3');
  });
});
