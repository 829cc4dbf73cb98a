/** What is kept of the values of one field while a few episodes are looked at. */
import type { FieldDescription } from '../formats/rlds-describe.ts';
import type { Sample } from './description.ts';

export interface Seen {
  /** `width` numbers per row. */
  numbers(values: Float64Array, width: number): void;
  texts(values: readonly string[]): void;
  facts(): Pick<FieldDescription, 'present' | 'range' | 'notFinite' | 'first' | 'texts' | 'columns'>;
  sample(path: string, perStep: boolean, names: readonly string[]): Sample | null;
}

const FIRST_NUMBERS = 8;
/** Wider fields are no poses: their columns are neither listed nor kept. */
const WIDEST = 64;
const MAX_KEPT = 2 ** 20;
const MAX_TEXTS = 1000;

export function openSeen(): Seen {
  const parts: Float64Array[] = [];
  const texts = new Set<string>();
  let [present, kept, width] = [0, 0, 0];
  let [min, max, sum, finite, notFinite] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 0, 0];
  let first: number[] = [];
  return {
    numbers(values, found) {
      present++;
      if (first.length === 0) first = Array.from(values.subarray(0, FIRST_NUMBERS));
      for (const value of values) {
        if (!Number.isFinite(value)) {
          notFinite++;
          continue;
        }
        [min, max] = [Math.min(min, value), Math.max(max, value)];
        sum += value;
        finite++;
      }
      if (found === 0 || found > WIDEST || (width !== 0 && found !== width) || kept + values.length > MAX_KEPT) return;
      width = found;
      kept += values.length;
      parts.push(values);
    },
    texts(values) {
      present++;
      for (const text of values) if (texts.size < MAX_TEXTS) texts.add(text);
    },
    facts: () => ({
      present,
      ...(finite > 0 ? { range: { min, max, mean: sum / finite } } : {}),
      ...(finite + notFinite > 0 ? { notFinite, first } : {}),
      ...(width > 1 ? { columns: columnRanges(joined(parts), width) } : {}),
      ...(texts.size > 0 ? { texts: { distinct: texts.size, first: [...texts][0]! } } : {}),
    }),
    sample: (path, perStep, names) =>
      width === 0 ? null : { path, width, rows: kept / width, perStep, values: joined(parts), names },
  };
}

function joined(parts: readonly Float64Array[]): Float64Array {
  const out = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Least and largest finite value of each column. */
export function columnRanges(values: Float64Array, width: number): { min: number; max: number }[] {
  const ranges = Array.from({ length: width }, () => ({
    min: Number.POSITIVE_INFINITY,
    max: Number.NEGATIVE_INFINITY,
  }));
  for (const [i, value] of values.entries()) {
    if (!Number.isFinite(value)) continue;
    const range = ranges[i % width]!;
    range.min = Math.min(range.min, value);
    range.max = Math.max(range.max, value);
  }
  return ranges;
}
