/** Some steps of columns that have the same number of values for every step. */

type Column = Float32Array | Float64Array | Int16Array | Int32Array | BigInt64Array | readonly string[];

/**
 * @param steps ascending
 * @param all number of steps that the columns have
 */
export function selectSteps<Columns extends Readonly<Record<keyof Columns, Column>>>(
  columns: Columns,
  steps: Int32Array,
  all: number,
): Columns {
  const entries = Object.entries(columns as Record<string, Column>);
  return Object.fromEntries(entries.map(([name, column]) => [name, selected(column, steps, all)])) as Columns;
}

function selected(column: Column, steps: Int32Array, all: number): Column {
  if (!ArrayBuffer.isView(column)) return Array.from(steps, (step) => column[step]!);
  const width = column.length / all;
  const out = new (column.constructor as new (length: number) => Float64Array)(steps.length * width);
  for (const [row, step] of steps.entries())
    out.set(column.subarray(step * width, (step + 1) * width) as Float64Array, row * width);
  return out;
}
