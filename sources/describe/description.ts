/** What `prep inspect` says of an unknown source, as plain data, and the numbers behind it from which a mapping is proposed. */
import type { FieldDescription } from '../formats/rlds-describe.ts';

export interface CameraDescription {
  /** Field, feature or dataset that holds the frames. */
  readonly field: string;
  readonly codec: string;
  readonly width: number;
  readonly height: number;
  /** Null where nothing says it. */
  readonly fps: number | null;
  /** Frames of the episodes that were read. */
  readonly frames: number;
  readonly depth: boolean;
  /** Video files that metadata name, and how many of those looked for are not there. */
  readonly files?: { readonly named: number; readonly missing: number };
}

export interface Description {
  readonly format: 'rlds' | 'lerobot' | 'hdf5';
  readonly root: string;
  readonly name: string;
  readonly version: string;
  readonly robot?: string;
  readonly fps?: number;
  /** Datasets of a tree; what follows is about the first. */
  readonly datasets?: number;
  readonly files?: { readonly count: number; readonly first: readonly string[] };
  /** hdf5: groups that are one episode each, such as `data/demo_*`. */
  readonly groups?: string;
  /** Null where counting them would mean to open every file. */
  readonly episodes: number | null;
  /** Over all episodes where metadata say it, else over those that were read. */
  readonly lengths: { readonly min: number; readonly max: number };
  /** Steps of the episodes that were read. */
  readonly steps: readonly number[];
  readonly tasks?: { readonly count: number; readonly first: readonly string[] };
  /** hdf5: attributes of the episode and of the file. */
  readonly attributes?: Readonly<Record<string, string | number | readonly number[] | readonly string[]>>;
  readonly fields: readonly FieldDescription[];
  readonly cameras: readonly CameraDescription[];
  /** Defects that were met. */
  readonly faults: readonly string[];
}

/** Numbers of one field over the episodes that were read. */
export interface Sample {
  readonly path: string;
  /** Numbers per row. */
  readonly width: number;
  readonly rows: number;
  /** True where every episode has one row per step; else a row is what one episode holds. */
  readonly perStep: boolean;
  readonly values: Float64Array;
  /** Names of the columns, where the source gives them. */
  readonly names: readonly string[];
}

export interface Described {
  readonly description: Description;
  readonly samples: readonly Sample[];
}

/** Episodes that are read, so that an inspection costs the same for a large dataset and a small one. */
export const EPISODES_READ = 3;
/** Numbers of a field that one episode may have; a larger one is described by its layout only. */
export const MAX_VALUES = 2 ** 22;
