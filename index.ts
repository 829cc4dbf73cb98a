/** The library: what the command line is made of. */
export * from './schemas/action-geometry.ts';
export type * from './schemas/episode.ts';
export * from './schemas/errors.ts';
export type * from './schemas/frames.ts';
export * from './schemas/geometry.ts';
export * from './schemas/options.ts';
export type * from './schemas/records.ts';
export type * from './schemas/report.ts';
export type * from './schemas/row.ts';
export type * from './schemas/source.ts';
export type * from './schemas/spec.ts';
export { datasetNames, openDataset } from './sources/index.ts';
