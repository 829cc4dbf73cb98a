/** Parquet files in every codec, encoding and column kind, against what pyarrow reads (fixtures/parquet/make.py). */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Rows, rowsOf } from '../../sources/formats/lerobot/rows.ts';
import { openParquet, type ParquetFile } from '../../sources/formats/parquet.ts';
import { pythonWith } from '../python/python.ts';
import { failure, memoryFile } from './memory-file.ts';

interface Expected {
  groups: number[];
  columns: Record<string, unknown[]> | string[];
}
const folder = new URL('../../fixtures/parquet/', import.meta.url);
const bytesOf = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(name, folder)));
const given: Record<string, Expected> = JSON.parse(readFileSync(new URL('expected.json', folder), 'utf8'));
const cells = given.kinds!.columns as Record<string, unknown[]>;
const holes = given.holes!.columns as Record<string, unknown[]>;
const opened = (name: string): Promise<ParquetFile> =>
  openParquet(memoryFile(`${name}.parquet`, bytesOf(`${name}.parquet`)));

/** A cell as the fixture writes it. */
function plain(cell: unknown): unknown {
  if (cell instanceof Uint8Array) return { bytes: Buffer.from(cell).toString('hex') };
  if (typeof cell === 'bigint') return cell > BigInt(Number.MAX_SAFE_INTEGER) ? `${cell}` : Number(cell);
  if (Number.isNaN(cell)) return 'NaN';
  if (Array.isArray(cell) || ArrayBuffer.isView(cell)) return Array.from(cell as ArrayLike<unknown>, plain);
  if (typeof cell === 'object' && cell !== null && !(cell instanceof Date))
    return Object.fromEntries(Object.entries(cell).map(([key, value]) => [key, plain(value)]));
  return cell ?? null;
}
const read = async (file: ParquetFile, column: string, from = 0, to = file.rows): Promise<unknown[]> =>
  Array.from((await file.read([column], from, to)).get(column)!, plain);

const STAMPS = { stamp_s: 1, stamp_ms: 1, stamp_us: 1e-3, stamp_ns: 1e-6, stamp_zone: 1 } as const;

describe('every kind of column', () => {
  it.each(Object.keys(cells).filter((name) => !(name in STAMPS)))('%s', async (column) => {
    expect(await read(await opened('kinds'), column)).toEqual(cells[column]);
  });
  it.each(Object.entries(STAMPS))('%s: a date, to the millisecond', async (column, milliseconds) => {
    const found = (await read(await opened('kinds'), column)) as Date[];
    for (const [row, date] of found.entries())
      expect(Math.abs(date.getTime() - (cells[column]![row] as number) * milliseconds)).toBeLessThan(1);
  });
  it.each(Object.keys(holes))('with nothing in it: %s', async (column) => {
    expect(await read(await opened('holes'), column)).toEqual(holes[column]);
  });
});

describe('however it is stored', () => {
  it.each(Object.keys(given).filter((name) => !['kinds', 'holes'].includes(name)))('%s', async (name) => {
    const file = await opened(name);
    const { groups, columns } = given[name]! as { groups: number[]; columns: string[] };
    expect(file.columns).toEqual(columns);
    expect(file.groups.map(({ start, end }) => end - start)).toEqual(groups);
    expect(file.rows).toBe(groups.reduce((sum, count) => sum + count, 0));
    for (const column of columns) expect(await read(file, column), column).toEqual(cells[column]!.slice(0, file.rows));
    const all = await file.read(columns, 0, file.rows);
    for (const column of columns)
      expect(Array.from(all.get(column)!, plain)).toEqual(cells[column]!.slice(0, file.rows));
  });
  it.each(['groups', 'groups_v2', 'pages_v1_small', 'pages_v2'])('any range of rows of %s', async (name) => {
    const file = await opened(name);
    for (let from = 0; from < file.rows; from += 3)
      for (let to = from + 1; to <= file.rows; to += 4)
        for (const column of ['fixed', 'matrix', 'task', 'image', 'beyond'])
          expect(await read(file, column, from, to), `${column} ${from} ${to}`).toEqual(cells[column]!.slice(from, to));
  });
});

describe('units of rows that are decoded together', () => {
  const names = Object.keys(given).filter((name) => !['holes', 'empty'].includes(name));
  it.each(names)('%s: they cover the rows, and read by them these are the same', async (name) => {
    const file = await opened(name);
    for (const column of file.columns.filter((one) => !one.startsWith('stamp_'))) {
      const units = await file.units(column, 0, file.rows);
      expect([units[0]!.start, units.at(-1)!.end]).toEqual([0, file.rows]);
      for (const [i, { start, end }] of units.entries()) {
        expect(start, column).toBe(i === 0 ? 0 : units[i - 1]!.end);
        expect(await read(file, column, start, end), `${column} ${start}`).toEqual(cells[column]!.slice(start, end));
      }
      for (let from = 0; from < file.rows; from += 3) {
        const to = Math.min(from + 2, file.rows);
        expect(await read(file, column, from, to), `${column} ${from}`).toEqual(cells[column]!.slice(from, to));
        const around = await file.units(column, from, to);
        expect(units).toEqual(expect.arrayContaining([...around]));
        expect(around[0]!.start <= from && around.at(-1)!.end >= to).toBe(true);
      }
    }
  });

  // 40 pictures of 1 MB in one row group.
  it.each([
    ['large_pages', 3],
    ['large_pages_v2', 3],
    ['large_index', 3],
    ['large_dictionary', 4],
  ])('%s: some megabytes at a time', async (name, count) => {
    const file = await opened(name);
    const units = await file.units('image', 0, file.rows);
    expect(units).toHaveLength(count);
    for (const { start, end } of units) {
      const found = Array.from((await file.read(['image'], start, end)).get('image')!) as Picture[];
      expect(found.map(({ path }) => path)).toEqual(found.map((_, i) => `frame_${start + i}.png`));
      expect(found.map(({ bytes }) => [bytes[0], bytes.length])).toEqual(found.map((_, i) => [start + i, 4 + 2 ** 20]));
    }
  });

  const python = pythonWith('pyarrow');
  it.skipIf(!python)('every byte of a large row group is read once', async () => {
    const path = join(mkdtempSync(join(tmpdir(), 'prep-parquet-')), 'noise.parquet');
    execFileSync(python!, ['-c', NOISE, path]);
    const inner = memoryFile('noise.parquet', new Uint8Array(readFileSync(path)));
    const file = await openParquet(inner);
    const units = await file.units('image', 0, file.rows);
    expect([file.groups.length, units.length > 2]).toEqual([1, true]);
    for (const { start, end } of units) await file.read(['image'], start, end);
    expect(inner.counts.bytes).toBeLessThan(1.1 * inner.size + 2 ** 20);
  });
});

interface Picture {
  readonly bytes: Uint8Array;
  readonly path: string;
}

/** As Arrow writes by default, but for the batches: 600 pictures of 64 KiB that do not shrink, a dictionary of the first 256. */
const NOISE = `
import os, sys, pyarrow as pa, pyarrow.parquet as pq
cells = [{"bytes": os.urandom(2 ** 16), "path": f"frame_{i}.png"} for i in range(600)]
kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
pq.write_table(pa.table({"image": pa.array(cells, kind)}), sys.argv[1], write_batch_size=64, dictionary_pagesize_limit=2 ** 24)
`;

const rows = async (name: string, column: string): Promise<Rows> => {
  const file = await opened(name);
  return rowsOf(
    { file: 'one.parquet', from: 0, to: file.rows, cells: await file.read([column], 0, file.rows) },
    0,
    file.rows,
    'one.parquet',
  );
};

describe('numbers of a column', () => {
  it.each([
    ['fixed', 3],
    ['list', 3],
    ['matrix', 4],
    ['fixed_matrix', 4],
    ['bool', 1],
    ['bools', 2],
    ['halves', 3],
    ['uint64', 1],
    ['decimal', 1],
  ] as const)('%s', async (column, width) => {
    const found = (await rows('kinds', column)).numbers(column, width);
    const flat = (cells[column] as number[]).flat(3).map(Number);
    expect([...found]).toEqual(flat);
  });
  it('beyond 2^53 they are rounded', async () => {
    const found = (await rows('kinds', 'beyond')).numbers('beyond', 1);
    expect([...found]).toEqual((cells.beyond as string[]).map(Number));
  });
  it('NaN is a number that is not known, and stays one', async () => {
    expect((await rows('holes', 'nan')).numbers('nan', 1)[5]).toBeNaN();
  });
  // No value is no number: whoever writes NaN says that there is none, a null says that something is missing.
  it.each([
    ['null_scalar', 1, 'bad-value', 'null'],
    ['null_list', 2, 'bad-value', 'null'],
    ['null_fixed', 2, 'bad-value', 'null'],
    ['null_in_list', 2, 'bad-value', 'more than numbers'],
    ['null_in_fixed', 2, 'bad-value', 'more than numbers'],
    ['empty_list', 2, 'field-shape', '0 values'],
    ['null_text', 1, 'bad-value', 'text'],
  ] as const)('%s', async (column, width, code, words) => {
    const error = await failure(async () => (await rows('holes', column)).numbers(column, width));
    expect(error.code).toBe(code);
    expect(error.message).toContain(words);
    expect(error.at.step).toBe(column === 'null_text' ? 0 : 5);
    expect(error.at.field).toContain(column);
  });
  it.each(['all_null', 'nothing'])('a column of nothing: %s', async (column) => {
    expect((await failure(async () => (await rows('holes', column)).numbers(column, 1))).code).toBe('bad-value');
  });
  it.each(['ragged', 'task', 'bytes', 'image', 'stamp_ms'])('%s is not read as numbers', async (column) => {
    const file = column === 'ragged' ? 'holes' : 'kinds';
    const error = await failure(async () => (await rows(file, column)).numbers(column, 2));
    expect(error.at.field).toContain(column);
    if (column === 'stamp_ms') expect(error.message).toContain('a date');
  });
  it('texts and bytes', async () => {
    expect((await rows('kinds', 'dictionary')).texts('dictionary')).toEqual(cells.task);
    expect((await rows('kinds', 'bytes')).bytes('bytes').map(plain)).toEqual(cells.bytes);
    expect((await failure(async () => (await rows('holes', 'null_text')).texts('null_text'))).at.step).toBe(5);
    expect((await failure(async () => (await rows('holes', 'null_bytes')).bytes('null_bytes'))).at.step).toBe(5);
  });
});

describe('the digest of rows', () => {
  const digest = async (name: string, column: string): Promise<string> => {
    const hash = createHash('sha256');
    (await rows(name, column)).digest(hash);
    return hash.digest('hex');
  };
  it.each(['fixed', 'task', 'bytes', 'beyond'])('is that of the values, not of their storage: %s', async (column) => {
    expect(await digest('groups_v2', column)).toBe(await digest('plain', column));
  });
  it('tells every two columns of kinds apart', async () => {
    const names = ['stamp_s', 'stamp_ms', 'image', 'image_bytes_only', 'index', 'half'];
    const window = async (column: string) => (await opened('kinds')).read([column], 0, 23);
    const digests = await Promise.all(
      names.map(async (column) => {
        const hash = createHash('sha256');
        const read = new Map([['one', (await window(column)).get(column)!]]);
        rowsOf({ file: 'one.parquet', from: 0, to: 23, cells: read }, 0, 23, 'one.parquet').digest(hash);
        return hash.digest('hex');
      }),
    );
    expect(new Set(digests).size).toBe(names.length);
  });
});

describe('what is no Parquet file', () => {
  const good = bytesOf('codec_snappy.parquet');
  it.each([
    ['nothing', new Uint8Array(0)],
    ['a part', good.slice(0, 2000)],
    ['a pointer', new TextEncoder().encode('version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12')],
    ['a footer longer than the file', good.with(good.length - 8, 255).with(good.length - 6, 255)],
    ['a footer of other bytes', good.map((byte, i) => (i > good.length - 500 && i < good.length - 9 ? 255 : byte))],
  ] as const)('%s', async (_, bytes) => {
    const error = await failure(() => openParquet(memoryFile('bad.parquet', bytes)));
    expect(error.code).toBe('bad-parquet');
    expect(error.at.file).toBe('bad.parquet');
  });
  it('damaged pages end in an error or in values of the right count', async () => {
    for (let at = 4; at < 1500; at += 37) {
      const damaged = good.with(at, good[at]! ^ 0x55);
      const file = await openParquet(memoryFile('bad.parquet', damaged));
      for (const column of file.columns)
        try {
          expect(await read(file, column)).toHaveLength(file.rows);
        } catch (error) {
          expect(error).toMatchObject({ code: 'bad-parquet' });
        }
    }
  });
});
