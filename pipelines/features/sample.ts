/** The frames on which a new set's codec is calibrated and measured. */
import { PrepError } from '../../schemas/errors.ts';
import { type FeatureSet, signatureName } from '../../schemas/features.ts';
import type { Store } from '../../sinks/store.ts';
import { frameKeys } from '../../transforms/features/frame-key.ts';
import { openImageHash } from '../../transforms/image-hash.ts';
import type { PlanRows } from '../mixed/plan-rows.ts';
import type { FirstDraws } from './first-draws.ts';
import type { FeatureModel } from './model.ts';
import { newSet, type Sample, type SetWish } from './set.ts';

export interface Sampling extends Omit<Sample, 'frames'> {
  readonly rows: PlanRows;
  readonly first: FirstDraws;
  /** Frames at most. */
  readonly sample: number;
}

/** A new set, calibrated on frames spread evenly over the plan; null where interrupted. */
export async function firstSet(store: Store, wish: SetWish, sampling: Sampling): Promise<FeatureSet | null> {
  const { rows, ...sample } = sampling;
  const frames = await sampleFrames(sampling, wish.model);
  if (frames.length > 0) return newSet(store, wish, { ...sample, frames });
  throw new PrepError({
    code: 'bad-option',
    at: { field: '--model' },
    expected: `a plan with frames of the views ${wish.model.signatures.map(signatureName).join(' or ')}`,
    found: `none in it (it has ${rows.shape.roles.join(', ')})`,
    remedy: 'export the model for the views that the plan has',
  });
}

/** Draws whose hashes are read together, in search of frames that the model has graphs for. */
const SEARCHED = 4096;

/** Some of the plan's frames by their views, spread evenly over it; all of a small plan's if need be. */
async function sampleFrames({ rows, first, sample }: Sampling, set: Pick<FeatureModel, 'views' | 'signatures'>) {
  const hash = await openImageHash();
  const found: { draw: number; signature: number }[] = [];
  // Strides apart first, then what lies between them.
  const stride = Math.max(1, Math.floor(rows.draws / (4 * sample)));
  for (let offset = 0; offset < stride && found.length < sample; offset++) {
    const draws: number[] = [];
    for (let draw = offset; draw < rows.draws; draw += stride) if (first.is(draw)) draws.push(draw);
    for (let from = 0; from < draws.length; from += SEARCHED) {
      const some = draws.slice(from, from + SEARCHED);
      const { imageHash } = await rows.pictures(some, { images: false });
      const { signature } = frameKeys(imageHash, { roles: rows.shape.roles, set, hash });
      for (const [i, draw] of some.entries()) if (signature[i]! >= 0) found.push({ draw, signature: signature[i]! });
    }
  }
  const step = Math.max(1, found.length / sample);
  const chosen = Array.from({ length: Math.min(found.length, sample) }, (_, i) => found[Math.floor(i * step)]!);
  return set.signatures.flatMap((views, which) => {
    const draws = chosen.filter(({ signature }) => signature === which).map(({ draw }) => draw);
    return draws.length > 0 ? [{ views, draws }] : [];
  });
}
