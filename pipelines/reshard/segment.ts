/** The segment of one generation: a plan made, or grown by what a night adds. */
import { type Mixture, mixtureOf } from '../../schemas/mixture.ts';
import { PLAN_VERSION } from '../../schemas/plan.ts';
import type { ReshardConfig } from '../../schemas/reshard.ts';
import type { Intent } from '../../sinks/generations.ts';
import { readSegments } from '../../sinks/plans.ts';
import type { Store } from '../../sinks/store.ts';
import { extendPlan } from '../plan/extend.ts';
import { makePlan } from '../plan/make.ts';

/** The plan with the segment of this intent: made, appended, or found where a killed run had got so far. `start`: of the first segment that keeps its shards. */
export async function segmentOf(store: Store, config: ReshardConfig, intent: Intent) {
  const mixture = mixtureOf(config.mixture);
  const { segment_draws: draws, seed, retention } = config;
  if (intent.plan === null || !(await sameMixture(store, intent.plan, mixture, seed))) {
    const made = await makePlan({ store: store.uri, mixture, draws, seed });
    return { id: made.plan, start: 0, draws, segments: 1 };
  }
  const there = await readSegments(store, intent.plan);
  if (there.length <= intent.segments) await extendPlan(store, intent.plan, draws);
  const now = (await readSegments(store, intent.plan)).slice(0, intent.segments + 1);
  const last = now.at(-1)!.segment;
  const sharded = retention.shard_segments === undefined ? now : now.slice(-retention.shard_segments);
  return { id: intent.plan, start: sharded[0]!.segment.start, draws: last.start + last.draws, segments: now.length };
}

/**
 * Another mixture or seed in the config is another plan: a segment cannot change what the plan asks for. So is one whose plan
 * was dropped, or made by another version.
 */
async function sameMixture(store: Store, plan: string, mixture: Mixture, seed: number): Promise<boolean> {
  const first = (await readSegments(store)).find(({ segment }) => segment.plan === plan);
  if (first?.version !== PLAN_VERSION) return false;
  return JSON.stringify(first.mixture) === JSON.stringify(mixture) && first.segment.seed === seed;
}
