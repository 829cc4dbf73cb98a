/** What a plan will do, said before it is used: shares, passes, repeats, language, calibration, what each rule took. */
import type { Segment } from '../../schemas/plan.ts';
import { SLOT } from '../../schemas/plan.ts';
import { segmentOrder } from '../../transforms/order/draws.ts';
import { turnsOf } from '../../transforms/order/turns.ts';
import { type Domain, rangeOf } from './domain.ts';
import { type Marks, mark } from './drawn-steps.ts';
import type { GatheredEntry, TaskCount } from './gather.ts';

export interface EntryReport {
  readonly name: string;
  readonly dataset: string;
  readonly weight: number;
  readonly draws: number;
  readonly eligibleSteps: number;
  readonly eligibleEpisodes: number;
  readonly distinctSteps: number;
  /** Draws over eligible steps. */
  readonly passes: number;
  readonly mostDrawsOfOneEpisode: number;
  /** Largest distance from the entry's share, in draws, at a multiple of 16. */
  readonly largestDeviation: number;
  /** Seconds between recorded steps (least and most of its episodes) and between chunk steps. */
  readonly sourcePeriod: readonly [number, number];
  readonly dt: number;
  /** `<pose source>, <intrinsics source>` → share of the draws. */
  readonly calibration: Readonly<Record<string, number>>;
  readonly language: {
    readonly distinct: number;
    readonly mostFrequent: string;
    readonly shareOfMostFrequent: number;
    /** Of the draws' instructions, bits. */
    readonly entropy: number;
    readonly shareEmpty: number;
  };
  /** Rule → steps it took (each step counts for the first rule that takes it). */
  readonly removed: Readonly<Record<string, number>>;
  /** Tasks that lost steps, most first. */
  readonly removedByTask: readonly {
    readonly task: string;
    readonly steps: number;
    readonly kept: number;
    readonly rules: Readonly<Record<string, number>>;
  }[];
}

export interface PlanReport {
  readonly entries: readonly EntryReport[];
  readonly warnings: readonly string[];
}

/** Tasks named in a report. */
const MOST_TASKS = 20;

/**
 * @param domains what the entries' pieces draw from, by id
 * @param marks gets what is drawn of the domains that it has
 */
export function planReport(
  segment: Segment,
  entries: readonly GatheredEntry[],
  domains: ReadonlyMap<number, Domain>,
  dt: number,
  marks: Marks = new Map(),
): PlanReport {
  const counters = countDraws(segment, domains, marks);
  const deviations = largestDeviations(segment);
  const reports = segment.entries.map((drawn, k): EntryReport => {
    const entry = entries[k]!;
    const own = [
      ...new Set([
        ...drawn.runs.flatMap(({ pieces }) => pieces.map(({ domain }) => domain)),
        ...drawn.after.map(({ domain }) => domain),
      ]),
    ];
    const eligibleSteps = drawn.after.reduce((sum, { size }) => sum + size, 0);
    const draws = drawn.runs.reduce((sum, run) => sum + run.draws * run.repeat, 0);
    const perEpisode = new Float64Array(entry.instruction.length);
    for (const id of own) {
      const domain = domains.get(id);
      const counter = counters.get(id);
      if (!domain || !counter) continue;
      // Ranges of episodes that are gone have no place in the entry's lists any more.
      for (const [i, note] of domain.notes.entries()) if (note >= 0) perEpisode[note] = perEpisode[note]! + counter[i]!;
    }
    const periods = [...entry.hz].map((hz) => 1 / hz);
    return {
      name: drawn.name,
      dataset: drawn.dataset,
      weight: drawn.weight,
      draws,
      eligibleSteps,
      eligibleEpisodes: entry.instruction.length,
      distinctSteps: Math.min(draws, eligibleSteps),
      passes: draws / Math.max(1, eligibleSteps),
      mostDrawsOfOneEpisode: perEpisode.reduce((a, b) => Math.max(a, b), 0),
      largestDeviation: deviations[k]!,
      sourcePeriod: [Math.min(...periods), Math.max(...periods)],
      dt,
      calibration: shares(entry.calibration, entry.sources, perEpisode, draws),
      language: language(entry, perEpisode, draws),
      ...removals(entry.tasks),
    };
  });
  return { entries: reports, warnings: reports.flatMap((one, k) => warnings(one, entries[k]!)) };
}

/** Draws of every range of every domain. */
function countDraws(segment: Segment, domains: ReadonlyMap<number, Domain>, marks: Marks): Map<number, Float64Array> {
  const order = segmentOrder(segment);
  const counters = new Map([...domains].map(([id, { keys }]) => [id, new Float64Array(keys.length)]));
  for (let t = segment.start; t < segment.start + segment.draws; t++) {
    const { domain, ordinal } = order.draw(t);
    const counter = counters.get(domain)!;
    const range = rangeOf(domains.get(domain)!, ordinal);
    counter[range] = counter[range]! + 1;
    mark(marks, domain, ordinal);
  }
  return counters;
}

function largestDeviations({ entries, turn, draws }: Segment): number[] {
  const turns = turnsOf(entries.map(({ weight }) => weight));
  const most = entries.map(() => 0);
  // Multiples of 16 meet every residue of the period within 16 periods.
  const until = Math.min(draws, Math.ceil((16 * turns.period) / SLOT) * SLOT + SLOT);
  for (let t = SLOT; t <= until; t += SLOT)
    for (const k of entries.keys()) {
      const had = turns.before(k, turn + t);
      most[k] = Math.max(most[k]!, Math.abs(had - ((turn + t) * turns.weights[k]!) / turns.period));
    }
  return most;
}

function shares(
  indexes: readonly number[],
  names: readonly string[],
  perEpisode: Float64Array,
  draws: number,
): Record<string, number> {
  const sums = new Float64Array(names.length);
  for (const [i, index] of indexes.entries()) sums[index] = sums[index]! + perEpisode[i]!;
  return Object.fromEntries(names.map((name, i) => [name, sums[i]! / Math.max(1, draws)]));
}

function language(
  { instruction, texts }: GatheredEntry,
  perEpisode: Float64Array,
  draws: number,
): EntryReport['language'] {
  const sums = new Float64Array(texts.length);
  for (const [i, index] of instruction.entries()) sums[index] = sums[index]! + perEpisode[i]!;
  const total = Math.max(1, draws);
  const most = sums.reduce((best, sum, i) => (sum > sums[best]! ? i : best), 0);
  const empty = texts.indexOf('');
  return {
    distinct: texts.filter((text, i) => text !== '' && sums[i]! > 0).length,
    mostFrequent: texts[most] ?? '',
    shareOfMostFrequent: (sums[most] ?? 0) / total,
    entropy: sums.reduce((bits, sum) => (sum > 0 ? bits - (sum / total) * Math.log2(sum / total) : bits), 0),
    shareEmpty: empty < 0 ? 0 : sums[empty]! / total,
  };
}

function removals(tasks: ReadonlyMap<string, TaskCount>): Pick<EntryReport, 'removed' | 'removedByTask'> {
  const removed: Record<string, number> = {};
  for (const counts of tasks.values())
    for (const [rule, steps] of counts.removed) removed[rule] = (removed[rule] ?? 0) + steps;
  const byTask = [...tasks]
    .filter(([, { steps, kept }]) => kept < steps)
    .sort(([, a], [, b]) => b.steps - b.kept - (a.steps - a.kept))
    .slice(0, MOST_TASKS)
    .map(([task, { steps, kept, removed: rules }]) => ({ task, steps, kept, rules: Object.fromEntries(rules) }));
  return { removed, removedByTask: byTask };
}

/** Rules that choose a part on purpose: that they take much is no news. */
const MEANT = new Set(['robot', 'split', 'episode', 'not_episode', 'fraction']);

function warnings(
  { name, removed, eligibleSteps, calibration, draws }: EntryReport,
  { tasks }: GatheredEntry,
): string[] {
  const all = [...tasks.values()].reduce((sum, { steps }) => sum + steps, 0);
  const out = Object.entries(removed)
    .filter(([rule, steps]) => !MEANT.has(rule) && steps > all / 2)
    .map(([rule, steps]) => `${name}: the rule ${rule} takes ${percent(steps / all)} of the steps`);
  for (const [task, { steps, kept, removed: rules }] of tasks) {
    const unmeant = [...rules].filter(([rule]) => !MEANT.has(rule));
    if (
      kept === 0 &&
      steps > 0 &&
      unmeant.reduce((sum, [, many]) => sum + many, 0) === steps &&
      out.length < MOST_TASKS
    )
      out.push(
        `${name}: nothing is left of the task ${JSON.stringify(task)} (${unmeant.map(([rule]) => rule).join(', ')})`,
      );
  }
  for (const [source, share] of Object.entries(calibration))
    if (share > 0 && /release|assumed/.test(source))
      out.push(`${name}: ${percent(share)} of the draws have calibration ${source}`);
  if (draws > eligibleSteps)
    out.push(`${name}: ${(draws / eligibleSteps).toFixed(1)} passes over ${eligibleSteps} steps`);
  return out;
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
