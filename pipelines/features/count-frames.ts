/** Which frames a plan draws, each once, by dataset and by the views that a graph would see. From plans and ledgers; no row is read. */
import type { Role } from '../../schemas/episode.ts';
import { signatureName } from '../../schemas/features.ts';
import type { PrepMetadata } from '../../schemas/row.ts';
import { openPlanning, type PlannableEpisode, type PlanningReader } from '../../sinks/planning.ts';
import { readSegments, type StoredSegment } from '../../sinks/plans.ts';
import { noDataset, type Store } from '../../sinks/store.ts';
import { segmentOrder } from '../../transforms/order/draws.ts';
import { openDomains, planNamed } from '../mixed/plan-rows.ts';
import type { Domain } from '../plan/domain.ts';
import { drawnSteps, type Marks, mark, newMarks } from '../plan/drawn-steps.ts';

/** Frames of one dataset that show the same views. */
export interface CountedFrames {
  readonly dataset: string;
  /** Of the model's views those that the episodes have, in its order; empty where they have none. */
  readonly views: readonly Role[];
  /** Distinct (episode, step). */
  readonly frames: number;
  /** Of one run of the plan; the dataset's draws are taken to fall evenly on its frames. */
  readonly draws: number;
}

export interface Counted {
  /** Null where all steps of a dataset are meant. */
  readonly plan: string | null;
  readonly draws: number;
  readonly groups: readonly CountedFrames[];
}

/** Every kept step of a dataset, once. @throws PrepError `unknown-dataset` */
export async function datasetFrames(store: Store, dataset: string, views: readonly Role[]): Promise<Counted> {
  const reader = await planning(store, dataset);
  try {
    const frames = new Map<string, number>();
    for await (const episodes of reader.episodes())
      for (const one of episodes) add(frames, signatureName(viewsOf(one, reader.metadata, views)), one.steps);
    const draws = total(frames);
    return { plan: null, draws, groups: groupsOf(dataset, frames, draws) };
  } finally {
    reader.close();
  }
}

/** @param name id of a plan, or `latest`. @throws PrepError `unknown-plan`, `unknown-dataset` */
export async function planFrames(store: Store, name: string, views: readonly Role[]): Promise<Counted> {
  const segments = await segmentsNamed(store, name);
  const domains = await openDomains(store, segments[0]!.segment.plan, segments);
  const marks = newMarks(domains);
  const drawn = new Map<string, number>();
  for (const { segment } of segments) {
    const order = segmentOrder(segment);
    for (let t = segment.start; t < segment.start + segment.draws; t++) {
      const { domain, ordinal } = order.draw(t);
      mark(marks, domain, ordinal);
    }
    for (const { dataset, runs } of segment.entries)
      for (const run of runs) add(drawn, dataset, run.draws * run.repeat);
  }
  const groups: CountedFrames[] = [];
  for (const [dataset, draws] of drawn) {
    const own = domainsOf(dataset, segments, domains);
    groups.push(...groupsOf(dataset, await drawnFrames({ store, dataset, views }, own, marks), draws));
  }
  return { plan: segments[0]!.segment.plan, draws: total(drawn), groups };
}

async function segmentsNamed(store: Store, name: string): Promise<readonly StoredSegment[]> {
  const { plan, most } = await planNamed(store, name);
  return (await readSegments(store, plan)).slice(0, most);
}

function domainsOf(
  dataset: string,
  segments: readonly StoredSegment[],
  domains: ReadonlyMap<number, Domain>,
): Map<number, Domain> {
  const entries = segments.flatMap(({ segment }) => segment.entries.filter((entry) => entry.dataset === dataset));
  const pieces = entries.flatMap(({ runs }) => runs.flatMap((run) => run.pieces));
  return new Map([...new Set(pieces.map(({ domain }) => domain))].map((id) => [id, domains.get(id)!]));
}

interface Wanted {
  readonly store: Store;
  readonly dataset: string;
  readonly views: readonly Role[];
}

/** Distinct drawn steps by signature: a step that two entries or two segments draw is one frame. */
async function drawnFrames({ store, dataset, views }: Wanted, domains: ReadonlyMap<number, Domain>, marks: Marks) {
  const reader = await planning(store, dataset);
  try {
    const steps = drawnSteps(domains, marks);
    const frames = new Map<string, number>();
    const missing = new Set([...domains.values()].flatMap(({ keys }) => [...new Set(keys)]));
    for await (const episodes of reader.episodes())
      for (const one of episodes) {
        if (!missing.delete(one.episodeKey)) continue;
        add(frames, signatureName(viewsOf(one, reader.metadata, views)), steps.of(one.episodeKey).length);
      }
    // Episodes that the ledger no longer keeps have no pictures, but their draws are part of the plan.
    for (const key of missing) add(frames, '', steps.of(key).length);
    return frames;
  } finally {
    reader.close();
  }
}

async function planning(store: Store, dataset: string): Promise<PlanningReader> {
  const reader = await openPlanning(store, dataset);
  if (reader) return reader;
  throw noDataset(store, dataset);
}

/** The model's views that an episode has, as its ledger row tells: a role whose cameras it recorded. */
export function viewsOf(
  { calibration, robot }: Pick<PlannableEpisode, 'calibration' | 'robot'>,
  { roles, robots }: Pick<PrepMetadata, 'roles' | 'robots'>,
  views: readonly Role[],
): Role[] {
  const recorded = (role: Role): readonly string[] => (roles[role] ?? []).filter((camera) => camera in calibration);
  const has = (role: Role): boolean => {
    if (robots[robot]?.roles.includes(role) === false) return false;
    // Both exterior roles choose from the same cameras, and the first takes one.
    const others = role === 'third2' ? new Set([...recorded('third'), ...recorded(role)]).size > 1 : true;
    return others && recorded(role).length > 0;
  };
  return views.filter(has);
}

const add = (counts: Map<string, number>, key: string, many: number): void =>
  void counts.set(key, (counts.get(key) ?? 0) + many);
const total = (counts: ReadonlyMap<string, number>): number => [...counts.values()].reduce((a, b) => a + b, 0);

function groupsOf(dataset: string, frames: ReadonlyMap<string, number>, draws: number): CountedFrames[] {
  const all = Math.max(1, total(frames));
  return [...frames]
    .filter(([, many]) => many > 0)
    .map(([name, many]) => ({
      dataset,
      views: (name === '' ? [] : name.split('+')) as Role[],
      frames: many,
      draws: (draws * many) / all,
    }));
}
