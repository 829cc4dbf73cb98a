/** Columns whose names begin differently in different versions of a converter. */
import { PrepError } from '../../schemas/errors.ts';
import type { LerobotRecord } from '../../schemas/records.ts';

/** The feature that is called so, or ends so behind `.` or `/`. */
export const suffixed = (features: object, suffix: string): string | undefined =>
  Object.keys(features).find((name) => name === suffix || name.endsWith(`.${suffix}`) || name.endsWith(`/${suffix}`));

/** The same where the record has it. */
export function stored(record: LerobotRecord, suffix: string): string | undefined {
  const found = suffixed(record.info.features, suffix);
  return found !== undefined && record.has(found) ? found : undefined;
}

/** @throws PrepError `missing-field` */
export function required(record: LerobotRecord, suffix: string): string {
  const found = stored(record, suffix);
  if (found !== undefined) return found;
  throw missing(suffix);
}

export const missing = (suffix: string): PrepError =>
  new PrepError({ code: 'missing-field', at: { field: suffix }, expected: `a column ${suffix}`, found: 'none' });
