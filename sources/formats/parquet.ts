/** Parquet files column by column, a range of rows at a time, through hyparquet. Values are checked when they are asked for. */
import { type FileMetaData, parquetMetadata, parquetRead, parquetSchema } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { PrepError } from '../../schemas/errors.ts';
import type { ByteFile } from '../bytes.ts';

/** Decoded cells of one column for a range of rows: numbers, bigints, texts, byte arrays, lists, structs, null. */
export type Cells = ArrayLike<unknown>;

export interface ParquetFile {
  readonly rows: number;
  /** Row ranges that are stored together, in order: what is read at once. */
  readonly groups: readonly { readonly start: number; readonly end: number }[];
  /** Top-level columns in the file's order. */
  readonly columns: readonly string[];
  /** Value of a key of the file's own metadata, e.g. `pandas`. */
  metadata(key: string): string | undefined;
  /** Cells of the rows [from, to). @throws PrepError `bad-parquet` */
  read(columns: readonly string[], from: number, to: number): Promise<Map<string, Cells>>;
}

/** The footer is one object in memory; real ones are below a megabyte. */
const MAX_FOOTER = 64 * 2 ** 20;

/** @throws PrepError `bad-parquet` naming the file */
export async function openParquet(file: ByteFile): Promise<ParquetFile> {
  const buffer = {
    byteLength: file.size,
    slice: async (start: number, end = file.size) => (await file.read(start, end - start)).buffer,
  };
  const guarded = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (cause) {
      if (cause instanceof PrepError) throw cause.within({ file: file.name });
      throw bad(file, 'a Parquet file that can be read', cause instanceof Error ? cause.message : String(cause), cause);
    }
  };
  const metadata: FileMetaData = await guarded(async () => parquetMetadata(await readFooter(file)));
  const rows = Number(metadata.num_rows);
  if (!Number.isSafeInteger(rows) || rows < 0) throw bad(file, 'a number of rows', `${metadata.num_rows}`);
  const columns = parquetSchema(metadata).children.map(({ element }) => element.name);
  let end = 0;
  const groups = metadata.row_groups.map((group) => {
    const start = end;
    end += Number(group.num_rows);
    return { start, end };
  });
  if (end !== rows) throw bad(file, `row groups of ${rows} rows together`, `${end}`);
  return {
    rows,
    groups,
    columns,
    metadata: (key) => metadata.key_value_metadata?.find((entry) => entry.key === key)?.value,
    read: (wanted, from, to) =>
      guarded(async () => {
        const found = new Map<string, unknown[]>(wanted.map((name) => [name, new Array(to - from)]));
        const filled = new Map<string, number>(wanted.map((name) => [name, 0]));
        await parquetRead({
          ...{ file: buffer, metadata, columns: [...wanted], compressors, utf8: false, rowStart: from, rowEnd: to },
          onChunk({ columnName, columnData, rowStart }) {
            const out = found.get(columnName);
            if (!out) return;
            for (let i = Math.max(0, from - rowStart); i < columnData.length && rowStart + i < to; i++) {
              out[rowStart + i - from] = (columnData as ArrayLike<unknown>)[i];
              filled.set(columnName, filled.get(columnName)! + 1);
            }
          },
        });
        for (const [name, count] of filled)
          if (count !== to - from) throw bad(file, `${to - from} rows of ${name}`, `${count}`);
        return found;
      }),
  };
}

/** The last eight bytes say where the footer begins: looked at before anything of that length is allocated. */
async function readFooter(file: ByteFile): Promise<ArrayBuffer> {
  if (file.size < 12) throw bad(file, 'a Parquet file', `${file.size} bytes`);
  const tail = await file.read(file.size - 8, 8);
  const magic = Buffer.from(tail.subarray(4)).toString('latin1');
  if (magic !== 'PAR1') {
    const head = Buffer.from((await file.read(0, 40)).buffer).toString('latin1');
    const lfs = head.startsWith('version https://git-lfs');
    throw bad(
      file,
      'PAR1 at the end of a Parquet file',
      lfs ? 'a Git LFS pointer' : 'other bytes: it is cut short or damaged',
    );
  }
  const length = new DataView(tail.buffer).getUint32(0, true);
  if (length > MAX_FOOTER || length + 12 > file.size)
    throw bad(file, `a footer within ${file.size} bytes`, `one of ${length} bytes`);
  const footer = new Uint8Array(length + 8);
  footer.set(await file.read(file.size - 8 - length, length));
  footer.set(tail, length);
  return footer.buffer;
}

const bad = (file: ByteFile, expected: string, found: string, cause?: unknown): PrepError =>
  new PrepError({ code: 'bad-parquet', at: { file: file.name }, expected, found, cause });
