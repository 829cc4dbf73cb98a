import { createRequire } from 'node:module';

/**
 * The CommonJS copy of apache-arrow, which is the one LanceDB loads. With the ES-module copy `instanceof` fails between
 * the two: `addColumns` rejects its fields and LargeBinary columns break, so nothing here imports 'apache-arrow' directly.
 */
export const arrow: typeof import('apache-arrow') = createRequire(import.meta.url)('apache-arrow');
export type { DataType, Field, RecordBatch, Schema, Table, Vector } from 'apache-arrow';
