/** What an export format is: rows in order become files, units of some thousand rows at a time, then files about the whole. */
import type { MixedRows, MixedShape } from '../../schemas/mixed-row.ts';

/** What is exported, as far as a format needs to know it. */
export interface ExportSet {
  /** `plan`: drawn steps in draw order. `dataset`: kept episodes, step by step. */
  readonly kind: 'plan' | 'dataset';
  readonly shape: MixedShape;
  readonly rows: number;
  readonly episodes: number;
  /** Frames per second of a dataset whose episodes agree, else null; draws have none. */
  readonly hz: number | null;
  readonly robots: readonly string[];
  readonly image: { readonly width: number; readonly height: number };
  readonly rot6d: 'rows' | 'columns';
  /** The `prep` object of the rows. */
  readonly metadata: object;
}

/** Consecutive rows [start, end) of the export: a real episode, or a stretch of draws. */
export interface ExportEpisode {
  readonly index: number;
  readonly start: number;
  readonly end: number;
  /** The source's id of an episode; '' for draws. */
  readonly name: string;
}

/** Whole episodes that go into one file. */
export interface ExportUnit {
  readonly index: number;
  readonly start: number;
  readonly end: number;
  readonly episodes: readonly ExportEpisode[];
}

/** Some rows of one episode. */
export interface UnitRows {
  readonly rows: MixedRows;
  /** Of the first row, in the export. */
  readonly start: number;
  readonly episode: ExportEpisode;
}

export interface WrittenFile {
  /** In the export's folder, with `/`. */
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

export interface UnitResult {
  readonly files: readonly WrittenFile[];
  /** What the files about the whole need of this unit; plain JSON, since an interrupted export is continued from it. */
  readonly facts: unknown;
}

/** Writes the files of one unit under names that no reader looks for. */
export interface UnitWriter {
  add(rows: UnitRows): Promise<void>;
  close(): Promise<UnitResult>;
  discard(): Promise<void>;
}

export interface ExportFormat {
  open(unit: ExportUnit): Promise<UnitWriter>;
  /** Called once for every unit, in order, made now or by an earlier run. */
  learn(unit: ExportUnit, result: UnitResult): void;
  /** Files about the whole, after the last unit. */
  index(): Promise<readonly IndexFile[]>;
}

export interface IndexFile {
  readonly path: string;
  readonly content: Uint8Array | string;
}

/** Opens a new file of the export. */
export type CreateFile = (path: string) => Promise<NewFile>;

export interface NewFile {
  /** Bytes so far. */
  readonly size: number;
  append(bytes: Uint8Array): Promise<void>;
  /** Writes over what was appended before. */
  patch(bytes: Uint8Array, offset: number): Promise<void>;
  /** On disk for good, still under its temporary name. */
  close(): Promise<WrittenFile>;
  discard(): Promise<void>;
}
