/** The digest of a row of features: what a reader may compare the stored bytes with. */
import type { StoredView } from '../../schemas/features.ts';

interface Row {
  readonly row: number;
  /** Rows in the views' arrays. */
  readonly rows: number;
  /** xxh3-64 */
  readonly hash: (bytes: Uint8Array) => bigint;
}

/** xxh3-64 over the digests (little-endian int64) of a row's parts: view by view values, scale, side. */
export function rowChecksum(views: readonly StoredView[], { row, rows, hash }: Row): bigint {
  const parts = views.flatMap(({ values, scale, side }) => [
    values,
    ...(scale ? [scale] : []),
    ...(side && side.length > 0 ? [side] : []),
  ]);
  const digests = parts.map((part) => {
    const width = part.byteLength / rows;
    return hash(new Uint8Array(part.buffer, part.byteOffset + row * width, width));
  });
  return hash(new Uint8Array(BigInt64Array.from(digests).buffer));
}
