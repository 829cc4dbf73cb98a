/** Rows of one episode out of its data file, and the checks that every LeRobot episode must pass before it means anything. */
import type { Hash } from 'node:crypto';
import { PrepError } from '../../../schemas/errors.ts';
import type { LerobotInfo } from '../../../schemas/records.ts';
import type { Cells, ParquetFile } from '../parquet.ts';
import type { EpisodeEntry } from './episodes.ts';

export interface Rows {
  readonly count: number;
  has(column: string): boolean;
  /** @throws PrepError `missing-field`, `field-shape`, `bad-value` naming column and row */
  numbers(column: string, width: number): Float64Array;
  texts(column: string): string[];
  bytes(column: string): Uint8Array[];
  /** Adds the rows to a hash, column by column: the same rows in another file give the same digest. */
  digest(hash: Hash): void;
}

/** The window of a data file that is in memory: row groups are read once for all episodes in them. */
export interface Window {
  readonly file: string;
  readonly from: number;
  readonly to: number;
  readonly cells: ReadonlyMap<string, Cells>;
}

/** Columns that are read with every episode: all but pictures, and of the bytes only what the dataset asks for. */
export function columnsOf(table: ParquetFile, info: LerobotInfo, bytes: readonly string[]): string[] {
  return table.columns.filter((name) => {
    const dtype = info.features[name]?.dtype;
    if (dtype === undefined) return false;
    return dtype === 'binary' ? bytes.includes(name) : !['image', 'video', 'language'].includes(dtype);
  });
}

/** Rows [from, to) together with the rest of their row groups, unless the window holds them already. */
export async function windowFor(
  table: ParquetFile,
  columns: readonly string[],
  { file, from, to, known }: { file: string; from: number; to: number; known: Window | null },
): Promise<Window> {
  if (known && known.file === file && known.from <= from && known.to >= to) return known;
  const groups = table.groups.filter(({ start, end }) => start < to && end > from);
  const range = { from: groups[0]?.start ?? from, to: groups.at(-1)?.end ?? to };
  return { file, ...range, cells: await table.read(columns, range.from, range.to) };
}

export function rowsOf(window: Window, from: number, count: number, file: string): Rows {
  const cellsOf = (column: string): Cells => {
    const cells = window.cells.get(column);
    if (cells) return Array.prototype.slice.call(cells, from - window.from, from - window.from + count);
    throw new PrepError({
      code: 'missing-field',
      at: { file, field: column },
      expected: `a column ${column}`,
      found: 'none',
    });
  };
  const fault = (column: string, row: number, expected: string, found: string): PrepError =>
    new PrepError({
      code: expected.includes('number') && !found.includes(' values') ? 'bad-value' : 'field-shape',
      at: { file, step: row, field: `${column}, row ${row}` },
      expected,
      found,
    });
  return {
    count,
    has: (column) => window.cells.has(column),
    numbers(column, width) {
      const cells = cellsOf(column);
      const out = new Float64Array(count * width);
      for (let row = 0; row < count; row++) {
        const values = flatCell(cells[row]);
        if (values === null) throw fault(column, row, `column ${column} with numbers`, kindOf(cells[row]));
        if (values.length !== width) throw fault(column, row, `${width} values`, `${values.length} values`);
        out.set(values, row * width);
      }
      return out;
    },
    texts(column) {
      return Array.from(cellsOf(column), (cell, row) => {
        if (typeof cell === 'string') return cell;
        if (cell instanceof Uint8Array) return new TextDecoder().decode(cell);
        throw fault(column, row, `column ${column} with text`, kindOf(cell));
      });
    },
    bytes(column) {
      return Array.from(cellsOf(column), (cell, row) => {
        if (cell instanceof Uint8Array) return cell;
        throw fault(column, row, `column ${column} with bytes`, kindOf(cell));
      });
    },
    digest(hash) {
      for (const column of [...window.cells.keys()].sort()) {
        // Where a row stands in the whole dataset is no content of the episode.
        if (column === 'index' || column === 'episode_index') continue;
        hash.update(`${column}\0`);
        for (const cell of Array.from(cellsOf(column))) hash.update(cellBytes(cell));
      }
    },
  };
}

/** Numbers of a cell: scalar, bool, list, nested lists; null for anything else. */
function flatCell(cell: unknown): number[] | Float64Array | null {
  if (typeof cell === 'number') return [cell];
  if (typeof cell === 'bigint') return [Number(cell)];
  if (typeof cell === 'boolean') return [cell ? 1 : 0];
  if (cell instanceof Uint8Array || !(Array.isArray(cell) || ArrayBuffer.isView(cell))) return null;
  const out: number[] = [];
  for (const one of cell as ArrayLike<unknown> & Iterable<unknown>) {
    const inner = flatCell(one);
    if (inner === null) return null;
    for (const value of inner) out.push(value);
  }
  return out;
}

function cellBytes(cell: unknown): Uint8Array | string {
  if (cell instanceof Uint8Array) return cell;
  if (typeof cell === 'string') return `${cell}\0`;
  const numbers = flatCell(cell);
  if (numbers !== null) return new Uint8Array(Float64Array.from(numbers).buffer);
  if (cell === null || cell === undefined) return '\0null\0';
  return `${JSON.stringify(cell, (_, value) => (typeof value === 'bigint' ? `${value}` : value))}\0`;
}

function kindOf(cell: unknown): string {
  if (cell === null || cell === undefined) return 'null';
  if (cell instanceof Uint8Array) return `${cell.length} bytes`;
  if (typeof cell === 'string') return `text ${JSON.stringify(cell.slice(0, 40))}`;
  if (cell instanceof Date) return `a date (${cell.toISOString()})`;
  return Array.isArray(cell) ? 'a list that holds more than numbers' : typeof cell;
}

/** Time stamps may differ from frame / fps by this share of a period before they say that something else was recorded. */
const TIME_SLACK = 0.5;

/**
 * What every LeRobot episode promises: its own index in every row, frames numbered from 0, time going forward.
 * @throws PrepError `count-mismatch`, `bad-value`, `bad-time` naming column and row
 */
export function checkRows(rows: Rows, entry: EpisodeEntry, info: LerobotInfo, file: string): string[] {
  const at = (field: string, step: number) => ({ file, step, field: `${field}, row ${step}` });
  if (rows.has('episode_index'))
    for (const [row, value] of rows.numbers('episode_index', 1).entries())
      if (value !== entry.index)
        throw new PrepError({
          code: 'bad-value',
          at: at('episode_index', row),
          expected: `episode_index ${entry.index}`,
          found: `${value}`,
        });
  if (rows.has('frame_index'))
    for (const [row, value] of rows.numbers('frame_index', 1).entries())
      if (value !== row)
        throw new PrepError({
          code: 'bad-value',
          at: at('frame_index', row),
          expected: `frame_index ${row}`,
          found: `${value}`,
        });
  if (!rows.has('timestamp')) return [];
  const time = rows.numbers('timestamp', 1);
  let off = 0;
  for (const [row, value] of time.entries()) {
    if (!Number.isFinite(value) || (row > 0 && value <= time[row - 1]!))
      throw new PrepError({
        code: 'bad-time',
        at: at('timestamp', row),
        expected: row > 0 ? `a time after ${time[row - 1]}` : 'a time',
        found: `${value}`,
      });
    if (Math.abs(value - time[0]! - row / info.fps) * info.fps > TIME_SLACK) off++;
  }
  return off > 0 ? [`${off} time stamps differ from frame_index / fps by half a period or more`] : [];
}
