/** The key under which the features of a frame are found: what its pictures are, not where they came from. */
import { ROLES, type Role } from '../../schemas/episode.ts';

/** Xxh3-64 of bytes, as `openImageHash` gives it. */
type Hash = (bytes: Uint8Array) => bigint;

/** Row without features: none of its views, or not those of a graph. */
export const NO_FRAME = 0n;

export interface FrameKeys {
  /** Key of each row's views and their image hashes, `NO_FRAME` where no signature has just these views. */
  readonly frame: BigInt64Array;
  /** Index of each row's signature, −1 where there is none. */
  readonly signature: Int8Array;
}

export interface ViewSet {
  /** Roles in the order of the prompt. */
  readonly views: readonly Role[];
  readonly signatures: readonly (readonly Role[])[];
}

/** @param imageHash `roles` per row, 0 where a picture is absent */
export function frameKeys(
  imageHash: BigInt64Array,
  { roles, set, hash }: { readonly roles: readonly Role[]; readonly set: ViewSet; readonly hash: Hash },
): FrameKeys {
  const count = imageHash.length / roles.length;
  const frame = new BigInt64Array(count);
  const signature = new Int8Array(count).fill(-1);
  const slots = set.views.map((role) => roles.indexOf(role));
  const present = new Map(set.signatures.map((views, i) => [maskOf(views, set.views), i]));
  for (let row = 0; row < count; row++) {
    const hashes = slots.map((slot) => (slot < 0 ? 0n : imageHash[row * roles.length + slot]!));
    const which = present.get(hashes.reduce((mask, one, i) => mask | (one === 0n ? 0 : 1 << i), 0));
    if (which === undefined) continue;
    signature[row] = which;
    const views = set.signatures[which]!;
    frame[row] = keyOf(
      views,
      hashes.filter((one) => one !== 0n),
      hash,
    );
  }
  return { frame, signature };
}

const maskOf = (views: readonly Role[], all: readonly Role[]): number =>
  views.reduce((mask, role) => mask | (1 << all.indexOf(role)), 0);

/**
 * xxh3-64 of little-endian int64: the views (four bits each), then their image hashes in the order of the prompt. One picture
 * as another view has other features.
 */
export function keyOf(views: readonly Role[], hashes: readonly bigint[], hash: Hash): bigint {
  const roles = views.map((role) => BigInt(ROLES.indexOf(role)));
  // Order matters to the model: each role takes four bits, the first lowest.
  const signature = roles.reduce((bits, role, i) => bits | ((role + 1n) << BigInt(4 * i)), 0n);
  const key = hash(new Uint8Array(BigInt64Array.from([signature, ...hashes]).buffer));
  // 0 says "no frame"; one key in 2^64 is moved.
  return key === NO_FRAME ? 1n : key;
}
