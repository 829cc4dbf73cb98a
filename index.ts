/** The library: what the command line is made of. */
export {
  openPlanReader,
  type PlanBatch,
  type PlanReader,
  type ReadOptions,
  type ReadState,
} from './pipelines/mixed/reader.ts';
export * from './schemas/action-geometry.ts';
export type * from './schemas/episode.ts';
export * from './schemas/errors.ts';
export type * from './schemas/frames.ts';
export * from './schemas/geometry.ts';
export type { MixedRows } from './schemas/mixed-row.ts';
export * from './schemas/options.ts';
export type { Draw, Piece, Run, Segment as PlanSegment, SegmentEntry } from './schemas/plan.ts';
export type * from './schemas/records.ts';
export type * from './schemas/report.ts';
export type * from './schemas/row.ts';
export type * from './schemas/source.ts';
export type * from './schemas/spec.ts';
export { datasetNames, openDataset } from './sources/index.ts';
export { type Bijection, bijection } from './transforms/order/bijection.ts';
export { drawSeed, planOrder, type SegmentOrder, segmentOrder } from './transforms/order/draws.ts';
