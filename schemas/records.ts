/** Episodes as the formats hand them to dataset files: bytes become named fields here, without meaning. Interfaces only. */
import type { SourcePictures } from './frames.ts';
import type { PyValue } from './python-data.ts';

/** One episode of an RLDS container: a tf.Example whose keys are feature paths; `steps/…` hold the values of all steps. */
export interface RldsRecord {
  readonly format: 'rlds';
  /** Values of `steps/is_first`, else of any feature with one value per step. @throws PrepError `zero-steps` */
  readonly steps: number;
  /** False also for a feature that is stored without a value. */
  has(path: string): boolean;
  /**
   * `width` numbers per step below `steps/`, else `width` in all; float, int and bool features and tensors stored as
   * bytes. int64 beyond 2^53 is rounded. @throws PrepError `missing-field`, `field-shape`, `bad-value`
   */
  numbers(path: string, width: number): Float64Array;
  /** One text per step below `steps/`, else one; of a string tensor all its texts. @throws PrepError `missing-field`, `field-shape`, `bad-value` (no UTF-8) */
  texts(path: string): string[];
  /** The text, or the first step's. */
  text(path: string): string;
  /** Encoded pictures, one per step, as views into the record's bytes; the size is the declared one, 0 if it is not. */
  images(path: string): SourcePictures;
  /** A sequence within each step: flat values and, from the outside, the lengths of its rows. */
  ragged(path: string): { readonly values: Float64Array | readonly Uint8Array[]; readonly rowLengths: Float64Array[] };
  /** Number of stored values, 0 if absent; flat ones of a ragged feature. */
  count(path: string): number;
  /** All stored values, however many: numbers, or bytes as they are. @throws PrepError `missing-field` */
  values(path: string): Float64Array | readonly Uint8Array[];
  /** Paths that hold a value, sorted. */
  paths(): string[];
}

/** One feature of `meta/info.json`. */
export interface LerobotFeature {
  /** `float32`, `int64`, `bool`, `string`, `image`, `video`, `binary`, … */
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Names of the columns of a vector, flat, where the file gives them. */
  readonly names: readonly string[];
}

/** `meta/info.json` of one LeRobot dataset, checked. */
export interface LerobotInfo {
  /** Folder of the dataset relative to the root, '' if it is the root itself. */
  readonly path: string;
  /** `v2.0`, `v2.1`, `v3.0` */
  readonly version: string;
  readonly robotType: string;
  readonly fps: number;
  readonly features: Readonly<Record<string, LerobotFeature>>;
  /** The parsed file, for keys that the format does not know. */
  readonly json: Readonly<Record<string, unknown>>;
}

/** One episode of a LeRobot dataset (v2.0, v2.1 or v3.0: the record does not tell). */
export interface LerobotRecord {
  readonly format: 'lerobot';
  readonly info: LerobotInfo;
  /** `episode_index` */
  readonly index: number;
  /** Rows of the episode. */
  readonly steps: number;
  /** The episode's entry in `meta/episodes*`, with the publisher's own keys. */
  readonly entry: Readonly<Record<string, unknown>>;
  /** True where the data file has the column, or a video or image of that name was found. */
  has(feature: string): boolean;
  /** `width` numbers per step, row-major, of a scalar, list or nested-list column. @throws PrepError `missing-field`, `field-shape`, `bad-value` naming feature and row */
  numbers(feature: string, width: number): Float64Array;
  /** One text per step. */
  texts(feature: string): string[];
  /** One byte string per step of a binary column; never interpreted. */
  bytes(feature: string): Uint8Array[];
  /** Task text per step (`task_index` looked up in `meta/tasks*`). */
  tasks(): string[];
  /** Frames of a `video` or `image` feature, by index. @throws PrepError `missing-field` (no such file), `bad-video` */
  images(feature: string): SourcePictures;
}

/** A group of an HDF5 file; paths are relative to it. */
export interface Hdf5Group {
  /** Absolute path within the file, for messages. */
  readonly path: string;
  has(path: string): boolean;
  /** Names of the members of a group, in the file's order; '' for this group. @throws PrepError `missing-field` */
  keys(path?: string): string[];
  isGroup(path: string): boolean;
  /** @throws PrepError `missing-field` with the path */
  shape(path: string): number[];
  /**
   * Numbers of a dataset as float64, row-major. With `width`, rows of that many numbers are demanded (`[T]` counts as width 1).
   * @throws PrepError `missing-field`, `field-shape`, `bad-value` (text), `bad-hdf5` (filter, checksum, link) with the path
   */
  numbers(path: string, width?: number): Float64Array;
  texts(path: string): string[];
  /** Number, text, list of numbers or of texts; undefined if absent. */
  attribute(name: string, path?: string): number | string | readonly number[] | readonly string[] | undefined;
  group(path: string): Hdf5Group;
  /**
   * Frames of a dataset: `[T,H,W,3]` or `[T,3,H,W]` uint8, or one encoded picture per row (variable-length bytes,
   * fixed-length strings, zero-padded uint8 rows). Rows that are raw buffers need `raw`, the size they hold.
   */
  images(
    path: string,
    options?: {
      readonly raw?: { readonly width: number; readonly height: number };
      readonly lengths?: ArrayLike<number>;
    },
  ): SourcePictures;
}

/** One episode of a folder of files: an anchor file and its companions (HDF5, JSON, video, npy). */
export interface FilesRecord {
  readonly format: 'files';
  /** Path of the anchor relative to the root, `/` between folders. */
  readonly path: string;
  /** Name of the episode within the anchor file, '' if the file is one episode. */
  readonly inside: string;
  /** True where a file of this companion name was found. */
  has(companion: string): boolean;
  /** Path of the companion relative to the root. @throws PrepError `missing-field` naming the candidates */
  pathOf(companion: string): string;
  text(companion: string): string;
  json(companion: string): unknown;
  bytes(companion: string): Uint8Array;
  /** A companion `.npy`: an array, or the object that was pickled into it, as data. @throws PrepError `bad-pickle`, `missing-field` */
  npy(companion: string): PyValue;
  /** The anchor (or a companion) as HDF5; for an episode within the anchor file, its own group. */
  hdf5(companion?: string): Hdf5Group;
  /** The root group of the anchor, whatever episode this is. */
  hdf5Root(): Hdf5Group;
  /** Sorted names of the pictures where the companion is a folder (a path that ends in `/`); null where it is a file. */
  names(companion: string): readonly string[] | null;
  /** Frames of a companion video or folder of pictures by index: all, the first `count`, or those listed (ascending; one may be listed again). */
  video(companion: string, which?: number | readonly number[]): SourcePictures;
}

export type SourceRecord = RldsRecord | LerobotRecord | FilesRecord;
