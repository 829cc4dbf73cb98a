/** What passes between the pipeline and the threads that decode pictures. */

/** Pixels of a stored picture's side. */
export const SIDE = 256;
export const PICTURE_BYTES = SIDE * SIDE * 3;

export interface PictureJob {
  /** JPEGs one after another. */
  readonly data: Uint8Array<ArrayBuffer>;
  readonly offsets: Int32Array<ArrayBuffer>;
  /** xxh3-64 that each must have. */
  readonly hashes: BigInt64Array<ArrayBuffer>;
}

/** RGB, picture after picture. */
export type Pictures = Uint8Array<ArrayBuffer>;
