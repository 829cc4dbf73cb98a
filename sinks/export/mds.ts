/**
 * Mosaic Data Shards (mosaicml-streaming, format version 2). A shard: number of samples and their offsets (uint32), the columns
 * as JSON, then the samples: sizes of the columns that have no fixed one (uint32), then the columns, sorted by name.
 */
import { PrepError } from '../../schemas/errors.ts';
import type { MixedRows } from '../../schemas/mixed-row.ts';
import { type ArrayColumn, arrayColumns, rowBytes, type ScalarColumn, scalarColumns } from './columns.ts';
import type { CreateFile, ExportFormat, ExportSet, ExportUnit, NewFile, UnitWriter } from './format.ts';

interface Column {
  readonly name: string;
  readonly encoding: string;
  /** Bytes; null where they differ from row to row. */
  readonly size: number | null;
  readonly of: (rows: MixedRows, at: number) => Uint8Array;
}

/** Offsets are uint32. */
const MAX_SHARD = 2 ** 32 - 1;
const shardName = (index: number): string => `shard.${String(index).padStart(5, '0')}.mds`;

export function mds(set: ExportSet, create: CreateFile): ExportFormat {
  const columns = columnsOf(set);
  const shards: object[] = [];
  return {
    open: (unit) => openShard(columns, create, unit),
    learn({ start, end }, { files: [shard] }) {
      shards.push({
        ...config(columns),
        raw_data: { basename: shard!.path, bytes: shard!.bytes, hashes: {} },
        samples: end - start,
        zip_data: null,
      });
    },
    index: async () => [{ path: 'index.json', content: `${JSON.stringify({ shards, version: 2 })}\n` }],
  };
}

const config = (columns: readonly Column[]): object => ({
  column_encodings: columns.map(({ encoding }) => encoding),
  column_names: columns.map(({ name }) => name),
  column_sizes: columns.map(({ size }) => size),
  compression: null,
  format: 'mds',
  hashes: [],
  size_limit: null,
  version: 2,
});

async function openShard(columns: readonly Column[], create: CreateFile, unit: ExportUnit): Promise<UnitWriter> {
  const file = await create(shardName(unit.index));
  const about = Buffer.from(JSON.stringify(config(columns)));
  const count = unit.end - unit.start;
  const offsets = new Uint32Array(count + 1);
  let written = 0;
  // The offsets are known when the last sample is; until then they are zeros.
  await file.append(new Uint8Array(4 + offsets.byteLength));
  await file.append(about);
  return {
    async add({ rows }) {
      const samples = Array.from({ length: rows.count }, (_, at) => sample(columns, rows, at));
      let end = file.size;
      for (const { length } of samples) {
        offsets[written++] = end;
        end += length;
      }
      if (end > MAX_SHARD) throw tooLarge(file, written);
      await file.append(Buffer.concat(samples));
    },
    async close() {
      offsets[written] = file.size;
      await file.patch(new Uint8Array(Uint32Array.of(count).buffer), 0);
      await file.patch(new Uint8Array(offsets.buffer), 4);
      return { files: [await file.close()], facts: null };
    },
    discard: () => file.discard(),
  };
}

function sample(columns: readonly Column[], rows: MixedRows, at: number): Buffer {
  const parts = columns.map((column) => column.of(rows, at));
  const sizes = parts.filter((_, i) => columns[i]!.size === null).map(({ length }) => length);
  return Buffer.concat([new Uint8Array(Uint32Array.from(sizes).buffer), ...parts]);
}

const tooLarge = (file: NewFile, rows: number): PrepError =>
  new PrepError({
    code: 'bad-option',
    at: { field: '--shard-size' },
    expected: 'shards below 4 GiB, the most that MDS can address',
    found: `${file.size} bytes before row ${rows}`,
    remedy: 'give a smaller --shard-size',
  });

/** Pictures are `bytes`, not `jpeg`: streaming decodes that at once, and fails on a picture that a row lacks. */
function columnsOf(set: ExportSet): Column[] {
  const pictures = set.shape.roles.map((role) => ({
    name: `image_${role}`,
    encoding: 'bytes',
    size: null,
    of: (rows: MixedRows, at: number) => rows.images[role]![at]!,
  }));
  const all = [...pictures, ...arrayColumns(set).map(arrayOf), ...scalarColumns(set).map(scalarOf)];
  return all.sort((a, b) => (a.name < b.name ? -1 : 1));
}

const arrayOf = (column: ArrayColumn): Column => ({
  name: column.name,
  encoding: `ndarray:${column.dtype}:${column.shape.join(',')}`,
  size: column.shape.reduce((product, n) => product * n, 1) * (column.dtype === 'float32' ? 4 : 8),
  of: (rows, at) => rowBytes(column, rows, at),
});

const SIZES = { int64: 8, uint64: 8, int32: 4, int16: 2, int8: 1, float32: 4, float64: 8, str: null, json: null };

function scalarOf({ name, type, of }: ScalarColumn): Column {
  const size = SIZES[type];
  if (type === 'str') return { name, encoding: 'str', size, of: (rows, at) => Buffer.from(of(rows, at) as string) };
  if (type === 'json')
    return { name, encoding: 'json', size, of: (rows, at) => Buffer.from(JSON.stringify(of(rows, at))) };
  return { name, encoding: type, size, of: (rows, at) => scalarBytes(type, of(rows, at) as number | bigint) };
}

function scalarBytes(type: Exclude<ScalarColumn['type'], 'str' | 'json'>, value: number | bigint): Uint8Array {
  const out = Buffer.alloc(SIZES[type]!);
  const number = Number(value);
  const write = {
    int64: () => out.writeBigInt64LE(BigInt(value)),
    uint64: () => out.writeBigUInt64LE(BigInt(value)),
    int32: () => out.writeInt32LE(number),
    int16: () => out.writeInt16LE(number),
    int8: () => out.writeInt8(number),
    float32: () => out.writeFloatLE(number),
    float64: () => out.writeDoubleLE(number),
  };
  write[type]();
  return out;
}
