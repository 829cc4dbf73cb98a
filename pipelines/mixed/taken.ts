/** Rows of placed draws, taken from the tables of their datasets: whole, or only their pictures. */
import type { Vector } from '../../schemas/arrow.ts';
import { ROLES, type Role } from '../../schemas/episode.ts';
import type { StepTaker, TakenRow } from '../../sinks/take.ts';
import type { Harmoniser, Harmony } from '../../transforms/harmonise.ts';
import type { PlacedDraw } from './plan-rows.ts';

/** A dataset's rows, and how they are made alike to the plan's. */
export interface Taken {
  readonly taker: StepTaker;
  readonly harmonise: Harmoniser;
}

export interface DrawnPictures {
  /** Roles of the plan per draw; 0 where a picture is absent. */
  readonly imageHash: BigInt64Array;
  readonly images: Readonly<Partial<Record<Role, readonly Uint8Array[]>>>;
}

export const NO_BYTES = new Uint8Array(0);

/** Columns of the plan's pictures that a dataset has. */
export const columnsOf = ({ metadata }: StepTaker, { roles }: Harmony): string[] =>
  roles.filter((role) => metadata.roles[role] !== undefined).map((role) => `image_${role}`);

/** One take per dataset; rows in the order of the draws. */
export async function takeAll(
  placed: readonly PlacedDraw[],
  takers: ReadonlyMap<string, Taken>,
  columns: (taker: StepTaker) => readonly string[],
): Promise<TakenRow[]> {
  const rows: TakenRow[] = new Array(placed.length);
  await Promise.all(
    [...takers].map(async ([dataset, { taker }]) => {
      const mine = placed.flatMap((one, i) => (one.dataset === dataset ? [i] : []));
      const found = await taker.take(
        mine.map((i) => placed[i]!),
        columns(taker),
      );
      for (const [j, i] of mine.entries()) rows[i] = found[j]!;
    }),
  );
  return rows;
}

export async function fetchPictures(
  placed: readonly PlacedDraw[],
  takers: ReadonlyMap<string, Taken>,
  harmony: Harmony,
  images: boolean,
): Promise<DrawnPictures> {
  const rows = await takeAll(placed, takers, (own) => ['image_hash', ...(images ? columnsOf(own, harmony) : [])]);
  const { roles } = harmony;
  const imageHash = new BigInt64Array(placed.length * roles.length);
  for (const [i, { batch, at }] of rows.entries())
    imageHash.set(
      hashesOf(batch.getChild('image_hash')!.get(at), takers.get(placed[i]!.dataset)!.taker, roles),
      i * roles.length,
    );
  if (!images) return { imageHash, images: {} };
  const pictures = (role: Role) => rows.map(({ batch, at }) => batch.getChild(`image_${role}`)?.get(at) ?? NO_BYTES);
  return { imageHash, images: Object.fromEntries(roles.map((role) => [role, pictures(role)])) };
}

/** A table's own hashes → the plan's roles, 0 for those that it lacks. */
export function hashesOf(stored: Vector, { metadata }: StepTaker, roles: readonly Role[]): bigint[] {
  const hashes = stored.toArray() as BigInt64Array;
  const own = ROLES.filter((role) => metadata.roles[role] !== undefined);
  return roles.map((role) => hashes[own.indexOf(role)] ?? 0n);
}
