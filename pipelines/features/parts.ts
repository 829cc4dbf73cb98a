/** Which parts a plan has, which of them need not be made, and as what the others are made. */
import { PrepError } from '../../schemas/errors.ts';
import type { FeatureSet } from '../../schemas/features.ts';
import { readKeys } from '../../sinks/feature-maps.ts';
import type { FeaturePart } from '../../sinks/features.ts';
import type { Store } from '../../sinks/store.ts';
import { frameKeys } from '../../transforms/features/frame-key.ts';
import { openImageHash } from '../../transforms/image-hash.ts';
import type { PlanRows } from '../mixed/plan-rows.ts';
import { drawRange } from '../plan/draw-range.ts';
import { basisOf, partsNow } from './maps.ts';
import type { PartRange, PartWish } from './part.ts';
import { type PublishedParts, publishedParts } from './published.ts';

/** Draws of a part whose pictures are compared with those that it was made of. */
const COMPARED = 8;
/** Draws whose hashes are read together. */
const AT_ONCE = 4096;

/**
 * Parts that need not be made: their tables are all there, and they are of the draws and pictures that the plan has now. What decides
 * pictures is in their basis; that no dataset came to other pictures by a way which the basis does not see is looked at in a few draws of each.
 */
export async function partsThere(store: Store, rows: PlanRows, set: FeatureSet): Promise<FeaturePart[]> {
  const parts = partsNow((await publishedParts(store, set.set)).parts, rows);
  const hash = await openImageHash();
  const asked: { draw: number; key: bigint; part: FeaturePart }[] = [];
  for (const part of parts) {
    const keys: bigint[] = [];
    for await (const some of readKeys(store, part.keys)) keys.push(...some);
    const step = Math.max(1, Math.floor(part.draws / COMPARED));
    for (let i = 0; i < part.draws; i += step) asked.push({ draw: part.start + i, key: keys[i]!, part });
  }
  const other = new Set<FeaturePart>();
  for (let from = 0; from < asked.length; from += AT_ONCE) {
    const some = asked.slice(from, from + AT_ONCE);
    const { imageHash } = await rows.pictures(
      some.map(({ draw }) => draw),
      { images: false },
    );
    const { frame } = frameKeys(imageHash, { roles: rows.shape.roles, set, hash });
    for (const [i, { key, part }] of some.entries()) if (frame[i] !== key) other.add(part);
  }
  return parts.filter((part) => !other.has(part));
}

export interface PartsWanted {
  /** Parts within these draws only. */
  readonly range: readonly [number, number] | null;
  /** Every `of`-th of all parts. */
  readonly part: { readonly index: number; readonly of: number };
  readonly partDraws: number;
}

/** Parts begin anew with each segment, so that a segment that is appended later changes none. */
export function partsOf({ segments, draws }: PlanRows, { range, part, partDraws }: PartsWanted): PartRange[] {
  const [from, to] = drawRange(range, draws);
  const all = segments.flatMap(({ segment }) =>
    Array.from({ length: Math.ceil(segment.draws / partDraws) }, (_, i) => ({
      start: segment.start + i * partDraws,
      draws: Math.min(partDraws, segment.draws - i * partDraws),
    })),
  );
  const inside = all.filter(({ start, draws: own }) => start >= from && start + own <= to);
  if (inside.length === 0)
    throw new PrepError({
      code: 'bad-option',
      at: { field: '--range' },
      expected: `a range with a whole part of ${partDraws} draws`,
      found: `${from}:${to}`,
    });
  return all.filter((one, i) => i % part.of === part.index && inside.includes(one));
}

/** The next revision of a part, on the basis of its segment as it is now. */
export function wishOf(rows: PlanRows, { start, draws }: PartRange, { all }: PublishedParts): PartWish {
  const own = all.filter((part) => part.plan === rows.plan && part.start === start);
  const segment = rows.segments.findLast((one) => one.segment.start <= start)!;
  return {
    start,
    draws,
    revision: Math.max(-1, ...own.map(({ revision }) => revision)) + 1,
    basis: basisOf(rows, segment),
  };
}
