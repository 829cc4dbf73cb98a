/** Fields of any record, by the names of a mapping. */
import { PrepError } from '../../schemas/errors.ts';
import type { SourcePictures } from '../../schemas/frames.ts';
import type { SourceRecord } from '../../schemas/records.ts';
import type { FieldRef } from './schema.ts';

export interface FieldReader {
  readonly steps: number;
  /** Numbers of a field (or of its columns), row-major, with how many rows there are and how wide they are. */
  numbers(ref: FieldRef): { readonly values: Float64Array; readonly rows: number; readonly width: number };
  /** `width` numbers for each step. @throws PrepError `field-shape` */
  perStep(ref: FieldRef, width: number): Float64Array;
  has(field: string): boolean;
  text(field: string): string;
  /** Of the episode, else of the file. */
  attribute(name: string): string | number | undefined;
  images(field: string): SourcePictures;
}

export const nameOf = (ref: FieldRef): string =>
  typeof ref === 'string'
    ? ref
    : `${ref.field}[${ref.columns[1] - ref.columns[0] === 1 ? ref.columns[0] : `${ref.columns[0]}:${ref.columns[1]}`}]`;

/** @param timed a field that has one row for each step: what tells how many steps a file without rows of its own has */
export function fieldReader(record: SourceRecord, timed: FieldRef): FieldReader {
  const steps = record.format === 'files' ? rowsOf(record.hdf5().shape(pathOf(timed))) : record.steps;
  const whole = (field: string): { values: Float64Array; rows: number } => wholeField(record, field, steps);
  const numbers: FieldReader['numbers'] = (ref) => {
    const { values, rows } = whole(pathOf(ref));
    const width = rows === 0 ? 0 : values.length / rows;
    if (typeof ref === 'string') return { values, rows, width };
    const [from, to] = ref.columns;
    if (to > width) throw misshapen(ref, `at least ${to} columns`, `${width}`);
    const part = values.filter((_, i) => i % width >= from && i % width < to);
    return { values: part, rows, width: to - from };
  };
  return {
    steps,
    numbers,
    perStep(ref, width) {
      const found = numbers(ref);
      if (found.rows !== steps || found.width !== width)
        throw misshapen(ref, `${steps} × ${width} numbers`, `${found.rows} × ${found.width}`);
      return found.values;
    },
    has: (field) => (record.format === 'files' ? record.hdf5() : record).has(field),
    text: (field) =>
      record.format === 'rlds'
        ? record.text(field)
        : ((record.format === 'lerobot' ? record : record.hdf5()).texts(field)[0] ?? ''),
    attribute(name) {
      if (record.format !== 'files') return undefined;
      const value = record.hdf5().attribute(name) ?? record.hdf5Root().attribute(name);
      return Array.isArray(value) ? value[0] : (value as string | number | undefined);
    },
    images: (field) => (record.format === 'files' ? record.hdf5().images(field) : record.images(field)),
  };
}

function wholeField(record: SourceRecord, field: string, steps: number): { values: Float64Array; rows: number } {
  if (record.format === 'files') {
    const shape = record.hdf5().shape(field);
    const values = record.hdf5().numbers(field);
    // What has no row for each step holds for the whole episode.
    return { values, rows: rowsOf(shape) === steps ? steps : 1 };
  }
  if (record.format === 'lerobot') {
    const width = (record.info.features[field]?.shape ?? [1]).reduce((product, length) => product * length, 1);
    return { values: record.numbers(field, width), rows: steps };
  }
  const count = record.count(field);
  const rows = field.startsWith('steps/') ? steps : 1;
  return { values: record.numbers(field, Math.floor(count / rows)), rows };
}

export const pathOf = (ref: FieldRef): string => (typeof ref === 'string' ? ref : ref.field);
const rowsOf = (shape: readonly number[]): number => shape[0] ?? 1;

const misshapen = (ref: FieldRef, expected: string, found: string): PrepError =>
  new PrepError({ code: 'field-shape', at: { field: nameOf(ref) }, expected, found });
