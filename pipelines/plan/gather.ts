/** One pass over the ledgers of a mixture: the eligible steps of every entry, and what each rule took. */
import { PrepError } from '../../schemas/errors.ts';
import type { Mixture } from '../../schemas/mixture.ts';
import type { PrepMetadata } from '../../schemas/row.ts';
import { openPlanning, type PlannableEpisode, type PlanningReader } from '../../sinks/planning.ts';
import type { Store } from '../../sinks/store.ts';
import { type DomainBuilder, domainBuilder } from './domain.ts';
import { count, eligible, lastValidStep, lastValidStepOf, referenceCamera } from './eligible.ts';

/** Steps of one task (an episode's first instruction). */
export interface TaskCount {
  steps: number;
  kept: number;
  readonly removed: Map<string, number>;
}

export interface GatheredEntry {
  readonly name: string;
  readonly dataset: string;
  readonly weight: number;
  /** Eligible steps; the note of an episode is its index in `episodes`. */
  readonly eligible: DomainBuilder;
  /** Instruction of each eligible episode ('' if none), as an index into `texts`. */
  readonly instruction: number[];
  /** `<pose source>, <intrinsics source>` of the reference camera, as an index into `sources`. */
  readonly calibration: number[];
  readonly texts: string[];
  readonly sources: string[];
  readonly tasks: Map<string, TaskCount>;
  readonly hz: Set<number>;
}

export interface Gathered {
  readonly entries: readonly GatheredEntry[];
  readonly metadata: ReadonlyMap<string, PrepMetadata>;
}

/** @throws PrepError `unknown-dataset` naming the entry's dataset */
export async function gather(store: Store, mixture: Mixture): Promise<Gathered> {
  const entries = mixture.entries.map(({ name, dataset, weight }) => newEntry(name, dataset, weight));
  const metadata = new Map<string, PrepMetadata>();
  let reference = mixture.reference;
  for (const dataset of new Set(mixture.entries.map((entry) => entry.dataset))) {
    const reader = await openPlanning(store, dataset);
    if (!reader) throw unknown(store, dataset);
    try {
      metadata.set(dataset, reader.metadata);
      reference ??= reader.metadata.reference;
      await gatherDataset(reader, { dataset, mixture, entries, reference });
    } finally {
      reader.close();
    }
  }
  return { entries, metadata };
}

const newEntry = (name: string, dataset: string, weight: number): GatheredEntry => ({
  name,
  dataset,
  weight,
  eligible: domainBuilder(),
  instruction: [],
  calibration: [],
  texts: [],
  sources: [],
  tasks: new Map(),
  hz: new Set(),
});

const unknown = (store: Store, dataset: string): PrepError =>
  new PrepError({
    code: 'unknown-dataset',
    at: { store: store.uri, dataset },
    expected: 'datasets of the store',
    found: dataset,
    remedy: '`prep status` lists them; `prep ingest` makes one',
  });

interface Gathering {
  readonly dataset: string;
  readonly mixture: Mixture;
  readonly entries: readonly GatheredEntry[];
  /** Of the plan: what the mixture says, else the first dataset's. */
  readonly reference: PrepMetadata['reference'];
}

async function gatherDataset(
  reader: PlanningReader,
  { dataset, mixture, entries, reference }: Gathering,
): Promise<void> {
  const { metadata } = reader;
  const mine = mixture.entries.flatMap((entry, i) => (entry.dataset === dataset ? [{ entry, into: entries[i]! }] : []));
  const indexes = mine.map(() => ({ texts: new Map<string, number>(), sources: new Map<string, number>() }));
  const times = new Map<bigint, Float64Array>();
  if (Object.values(metadata.robots).some(({ clock }) => clock === 'timestamps'))
    for await (const { episodeKey, time } of reader.times()) times.set(episodeKey, time);
  const take = (episode: PlannableEpisode): void => {
    const text = episode.instructions.find((one) => one.trim() !== '') ?? '';
    const camera = referenceCamera(episode, { roles: metadata.roles, reference });
    const source = `${camera?.source ?? 'none'}, ${camera?.intrinsics_source ?? 'none'}`;
    const lastStep = (valid: number): number => {
      const time = times.get(episode.episodeKey);
      if (time && metadata.robots[episode.robot]?.clock === 'timestamps')
        return lastValidStepOf(time, valid, metadata.chunk.dt);
      return lastValidStep(episode.steps, valid, metadata.chunk.dt * episode.hz);
    };
    for (const [i, { entry, into }] of mine.entries()) {
      const rules = { filter: entry.filter, metadata, reference };
      const { ranges, removed } = eligible(episode, rules, lastStep);
      note(into.tasks, text, episode.steps, count(ranges), removed);
      if (ranges.length === 0) continue;
      into.eligible.add(episode.episodeKey, ranges, into.instruction.length);
      into.instruction.push(indexOf(indexes[i]!.texts, into.texts, text));
      into.calibration.push(indexOf(indexes[i]!.sources, into.sources, source));
      into.hz.add(episode.hz);
    }
  };
  for await (const episodes of reader.episodes()) for (const episode of episodes) take(episode);
}

function indexOf(known: Map<string, number>, list: string[], value: string): number {
  let found = known.get(value);
  if (found === undefined) {
    found = list.length;
    known.set(value, found);
    list.push(value);
  }
  return found;
}

function note(
  tasks: Map<string, TaskCount>,
  task: string,
  steps: number,
  kept: number,
  removed: readonly (readonly [string, number])[],
): void {
  let counts = tasks.get(task);
  if (!counts) {
    counts = { steps: 0, kept: 0, removed: new Map<string, number>() };
    tasks.set(task, counts);
  }
  counts.steps += steps;
  counts.kept += kept;
  for (const [rule, many] of removed) counts.removed.set(rule, (counts.removed.get(rule) ?? 0) + many);
}
