/** What an estimate measures where it can: the speed of a GPU with the model, and how many frames a store has already. */
import { PrepError } from '../../schemas/errors.ts';
import type { FeatureSet } from '../../schemas/features.ts';
import { readSets } from '../../sinks/features.ts';
import type { Store } from '../../sinks/store.ts';
import { frameKeys } from '../../transforms/features/frame-key.ts';
import { openImageHash } from '../../transforms/image-hash.ts';
import { openPlanRows } from '../mixed/plan-rows.ts';
import { type FirstDraws, firstDraws } from './first-draws.ts';
import { openGraphs } from './graphs.ts';
import type { FeatureModel } from './model.ts';
import { PICTURE_BYTES } from './picture-job.ts';
import { inspectProvider } from './provider.ts';
import { publishedFrames } from './published.ts';

/** Frames of a batch on a GPU: some 8000 tokens per product. */
const BATCH = 64;

/** Frames per second of a CUDA device on the model's first signature, results copied back; null where no such device works. */
export async function probeSpeed(model: FeatureModel, frames: number): Promise<number | null> {
  if (!inspectProvider('cuda').ready) return null;
  const graphs = openGraphs(model, { provider: 'cuda', device: 0, streams: 1 });
  const views = model.signatures[0]!;
  const images = (): Uint8Array<ArrayBuffer> => new Uint8Array(BATCH * views.length * PICTURE_BYTES).fill(127);
  try {
    const codec = { name: 'f16' } as const;
    await graphs.run({ views, images: images(), frames: BATCH, codec });
    const started = performance.now();
    for (let done = 0; done < frames; done += BATCH)
      await graphs.run({ views, images: images(), frames: BATCH, codec });
    return (1000 * Math.ceil(frames / BATCH) * BATCH) / (performance.now() - started);
  } catch (error) {
    // A model that float16 does not hold has no graph that is as quick: the assumption has to do.
    if (error instanceof PrepError && error.code === 'bad-codec') return null;
    throw error;
  } finally {
    await graphs.close();
  }
}

/** First draws of a plan whose hashes are read: of larger plans this many, spread evenly. */
const ASKED = 4096;

/** Of how many of a plan's frames a set of this model, or of this name, has features; of a large plan a sample. */
export async function cachedShare(
  store: Store,
  plan: string,
  wanted: { readonly fingerprint: string } | { readonly name: string },
): Promise<{ frames: number; of: number }> {
  const fits = (set: FeatureSet): boolean =>
    'name' in wanted ? set.name === wanted.name : set.model.fingerprint === wanted.fingerprint;
  const sets = (await readSets(store)).filter(fits);
  if (sets.length === 0) return { frames: 0, of: 0 };
  const rows = await openPlanRows(store, plan);
  try {
    const draws = spread(await firstDraws(store, rows), rows.draws);
    const { imageHash } = await rows.pictures(draws, { images: false });
    const hash = await openImageHash();
    let most = 0;
    for (const set of sets) {
      const { frame } = frameKeys(imageHash, { roles: rows.shape.roles, set, hash });
      const { index } = await publishedFrames(store, set.set).refresh();
      most = Math.max(
        most,
        frame.reduce((sum, key) => sum + (index.has(key) ? 1 : 0), 0),
      );
    }
    return { frames: most, of: draws.length };
  } finally {
    rows.close();
  }
}

function spread(first: FirstDraws, draws: number): number[] {
  const all = first.count(0, draws);
  const chosen: number[] = [];
  for (let draw = 0, seen = 0; draw < draws; draw++) {
    if (!first.is(draw)) continue;
    if (Math.floor((seen * ASKED) / all) !== Math.floor(((seen - 1) * ASKED) / all) || all <= ASKED) chosen.push(draw);
    seen++;
  }
  return chosen;
}
