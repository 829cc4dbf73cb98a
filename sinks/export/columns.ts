/** Columns of the mixed row as exports name them: the names of the conventions, shapes spelled out. */
import type { MixedRows } from '../../schemas/mixed-row.ts';
import { CAMERA_NUMBERS, VECTOR } from '../../schemas/row.ts';
import type { ExportSet } from './format.ts';

type Numbers = Float32Array | BigInt64Array;

/** Numbers of a fixed shape per row. */
export interface ArrayColumn {
  readonly name: string;
  readonly dtype: 'float32' | 'int64';
  readonly shape: readonly number[];
  readonly of: (rows: MixedRows) => Numbers;
}

/** The commit group is left out: it says in which order a store was written, not what is in it. */
export function arrayColumns({ shape: { arms, roles, steps } }: ExportSet): ArrayColumn[] {
  return [
    { name: 'action', dtype: 'float32', shape: [arms, steps, VECTOR], of: (rows) => rows.action },
    { name: 'history', dtype: 'float32', shape: [arms, VECTOR], of: (rows) => rows.history },
    { name: 'proprio', dtype: 'float32', shape: [arms, VECTOR], of: (rows) => rows.proprio },
    { name: 'camera', dtype: 'float32', shape: [roles.length, CAMERA_NUMBERS], of: (rows) => rows.camera },
    { name: 'image_hash', dtype: 'int64', shape: [roles.length], of: (rows) => rows.imageHash },
  ];
}

export type ScalarType = 'int64' | 'uint64' | 'int32' | 'int16' | 'int8' | 'float32' | 'float64' | 'str' | 'json';

/** One value per row. */
export interface ScalarColumn {
  readonly name: string;
  readonly type: ScalarType;
  readonly of: (rows: MixedRows, at: number) => number | bigint | string | readonly string[];
}

/** Rows of a dataset are not drawn: they have neither draw nor seed. */
export function scalarColumns({ kind }: ExportSet): ScalarColumn[] {
  const drawn: ScalarColumn[] = [
    { name: 'draw', type: 'int64', of: (rows, at) => rows.draw[at]! },
    { name: 'seed', type: 'uint64', of: (rows, at) => rows.seed[at]! },
  ];
  return [
    { name: 'dataset', type: 'str', of: (rows, at) => rows.dataset[at]! },
    ...(kind === 'plan' ? drawn : []),
    { name: 'reference', type: 'int8', of: (rows, at) => rows.reference[at]! },
    { name: 'instructions', type: 'json', of: (rows, at) => rows.instructions[at]! },
    { name: 'hz', type: 'float32', of: (rows, at) => rows.hz[at]! },
    { name: 'episode', type: 'str', of: (rows, at) => rows.episode[at]! },
    { name: 'step', type: 'int32', of: (rows, at) => rows.step[at]! },
    { name: 'episode_key', type: 'int64', of: (rows, at) => rows.episodeKey[at]! },
    { name: 'time', type: 'float64', of: (rows, at) => rows.time[at]! },
    { name: 'robot', type: 'str', of: (rows, at) => rows.robot[at]! },
    { name: 'third', type: 'str', of: (rows, at) => rows.third[at]! },
    { name: 'instruction', type: 'str', of: (rows, at) => rows.instruction[at]! },
    { name: 'action_valid', type: 'int16', of: (rows, at) => rows.actionValid[at]! },
    { name: 'present', type: 'int32', of: (rows, at) => rows.present[at]! },
    { name: 'flags', type: 'int32', of: (rows, at) => rows.flags[at]! },
  ];
}

/** The bytes of one row's numbers, without a copy. */
export function rowBytes({ shape, of }: ArrayColumn, rows: MixedRows, at: number): Uint8Array {
  const values = of(rows);
  const width = shape.reduce((product, n) => product * n, 1) * values.BYTES_PER_ELEMENT;
  return new Uint8Array(values.buffer, values.byteOffset + at * width, width);
}
