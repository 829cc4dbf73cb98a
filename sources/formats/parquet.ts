/** Parquet files column by column, a range of rows at a time, through hyparquet. Values are checked when they are asked for. */
import { type FileMetaData, parquetMetadata, parquetRead, parquetSchema, type SchemaTree } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { PrepError } from '../../schemas/errors.ts';
import type { ByteFile } from '../bytes.ts';
import { type Page, pagesOf } from './parquet-pages.ts';

/** Decoded cells of one column for a range of rows: numbers, bigints, texts, byte arrays, lists, structs, null. */
export type Cells = ArrayLike<unknown>;

export interface RowRange {
  readonly start: number;
  readonly end: number;
}

export interface ParquetFile {
  readonly rows: number;
  /** Row ranges that are stored together, in order: what is read at once. */
  readonly groups: readonly RowRange[];
  /** Top-level columns in the file's order. */
  readonly columns: readonly string[];
  /** Value of a key of the file's own metadata, e.g. `pandas`. */
  metadata(key: string): string | undefined;
  /**
   * Row ranges that cover [from, to) and are decoded each on its own: pages of a large column together up to a few megabytes,
   * else whole row groups. Reading one of them costs nothing beyond it.
   */
  units(column: string, from: number, to: number): Promise<readonly RowRange[]>;
  /** Cells of the rows [from, to). @throws PrepError `bad-parquet` */
  read(columns: readonly string[], from: number, to: number): Promise<Map<string, Cells>>;
}

/** The footer is one object in memory; real ones are below a megabyte. */
const MAX_FOOTER = 64 * 2 ** 20;
/** Decoded bytes of a unit; one page may exceed it (Arrow's are up to 1024 rows, however large). */
const UNIT_BYTES = 2 ** 24;

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
  const layout = openLayout(file, metadata);
  return {
    rows,
    groups,
    columns,
    units: (column, from, to) =>
      guarded(async () => {
        const wanted = groups.map((range, i) => ({ ...range, i })).filter(({ start, end }) => start < to && end > from);
        const found: RowRange[] = [];
        for (const { start, end, i } of wanted)
          for (const unit of unitsIn(await layout.scan(i, column), end - start))
            found.push({ start: start + unit.start, end: start + unit.end });
        return found.filter(({ start, end }) => start < to && end > from);
      }),
    metadata: (key) => metadata.key_value_metadata?.find((entry) => entry.key === key)?.value,
    read: (wanted, from, to) =>
      guarded(async () => {
        const found = new Map<string, unknown[]>(wanted.map((name) => [name, new Array(to - from)]));
        const filled = new Map<string, number>(wanted.map((name) => [name, 0]));
        await parquetRead({
          ...{ file: buffer, columns: [...wanted], compressors, utf8: false, rowStart: from, rowEnd: to },
          ...layout.reading(from, to),
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

/** Pages by the path of their leaf, of the row groups and columns that were asked for. */
interface Layout {
  /** Pages of the leaf of a column that holds most of its bytes; null where they are not known. */
  scan(group: number, column: string): Promise<readonly Page[] | null>;
  /** What the library needs to know to read rows by pages. */
  reading(from: number, to: number): { metadata: FileMetaData };
}

function openLayout(file: ByteFile, metadata: FileMetaData): Layout {
  const known: Record<string, readonly Page[]>[] = metadata.row_groups.map(() => ({}));
  const repeated = repeatedLeaves(parquetSchema(metadata));
  return {
    async scan(index, column) {
      const group = metadata.row_groups[index]!;
      const leaves = group.columns.flatMap(({ meta_data }) =>
        meta_data?.path_in_schema[0] === column ? [meta_data] : [],
      );
      const paths = leaves.map(({ path_in_schema }) => path_in_schema.join('.'));
      if (paths.some((path) => repeated.has(path))) return null;
      for (const [i, path] of paths.entries()) {
        const pages = known[index]![path] ?? (await pagesOf(file, leaves[i]!, Number(group.num_rows)));
        if (pages === null) return null;
        known[index]![path] = pages;
      }
      const sizes = leaves.map(({ total_uncompressed_size }) => Number(total_uncompressed_size));
      return known[index]![paths[sizes.indexOf(Math.max(...sizes))] ?? ''] ?? null;
    },
    reading(from, to) {
      let end = 0;
      const row_groups = metadata.row_groups.map((group, i) => {
        const start = end;
        end += Number(group.num_rows);
        const rows = { from: from - start, to: to - start };
        if (Object.keys(known[i]!).length === 0 || start >= to || end <= from) return group;
        return { ...group, columns: group.columns.map((chunk) => withoutDictionary(chunk, known[i]!, rows)) };
      });
      const pageLocationsByGroup = known.map((leaves) =>
        Object.fromEntries(Object.entries(leaves).map(([path, pages]) => [path, pages.map(located)])),
      );
      return { metadata: { ...metadata, row_groups }, ...{ pageLocationsByGroup } };
    },
  };
}

type Chunk = FileMetaData['row_groups'][number]['columns'][number];

const located = ({ offset, stored, first }: Page) => ({
  offset: BigInt(offset),
  compressed_page_size: stored,
  first_row_index: BigInt(first),
});

/** Arrow gives up a dictionary of pictures after the first 1024: later pages do not need it, and it is as large as they are. */
function withoutDictionary(
  chunk: Chunk,
  leaves: Readonly<Record<string, readonly Page[]>>,
  rows: { from: number; to: number },
): Chunk {
  const meta = chunk.meta_data;
  const pages = meta && leaves[meta.path_in_schema.join('.')];
  if (!meta || !pages?.[0]) return chunk;
  const needed = pages.some((page) => page.dictionary && page.first < rows.to && page.first + page.rows > rows.from);
  if (needed) return chunk;
  const { dictionary_page_offset: _, ...rest } = meta;
  return { ...chunk, meta_data: { ...rest, data_page_offset: BigInt(pages[0].offset) } };
}

/**
 * Pages together up to UNIT_BYTES, one by one where they are larger; all that need the dictionary together, for each of them
 * would decode it again. Without pages the whole row group.
 */
function unitsIn(pages: readonly Page[] | null, rows: number): RowRange[] {
  if (pages === null) return [{ start: 0, end: rows }];
  const units: (RowRange & { bytes: number; dictionary: boolean })[] = [];
  for (const { first, rows: count, bytes, dictionary } of pages) {
    const last = units.at(-1);
    const fits = last && last.dictionary === dictionary && (dictionary || last.bytes + bytes <= UNIT_BYTES);
    if (fits) units[units.length - 1] = { ...last, end: first + count, bytes: last.bytes + bytes };
    else units.push({ start: first, end: first + count, bytes, dictionary });
  }
  return units;
}

function repeatedLeaves(tree: SchemaTree, within = false): ReadonlySet<string> {
  const repeated = within || tree.element.repetition_type === 'REPEATED';
  if (tree.children.length === 0) return new Set(repeated ? [tree.path.join('.')] : []);
  return new Set(tree.children.flatMap((child) => [...repeatedLeaves(child, repeated)]));
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
