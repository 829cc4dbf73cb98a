/** Accumulated numbers of entries and robots → what trainers read: weighted as the mixture draws. */
import { VECTOR } from '../../schemas/row.ts';
import {
  type DimensionStats,
  type ScopeStats,
  type SignalStats,
  STATS_VERSION,
  type StatsDocument,
} from '../../schemas/stats.ts';
import { addHistogram, ERROR, emptyHistogram, quantile } from '../../transforms/stats/histogram.ts';
import type { Accumulated } from './reduce.ts';
import type { CountedEntry, Scope } from './scope.ts';

/** The episodes of one robot in one entry. */
export interface Group extends Accumulated {
  readonly entry: number;
  readonly robot: string;
}

/** A group with the weight of each of its values. */
interface Part extends Accumulated {
  readonly scale: number;
}

const Q = { q01: 0.01, q99: 0.99 } as const;

/** Said in round numbers that are not less than the bound itself. */
export const QUANTILE_ERROR = `q01 and q99: the least value that 1 % or 99 % of the weight does not exceed (inverted CDF), to within ${(100 * ERROR.relative).toFixed(1)} % of it or ${ERROR.absolute.toExponential(0)}, whichever is more, up to values of ${ERROR.until}`;

/** @param groups of each entry in the order of robots' names */
export function statsDocument(scope: Scope, groups: readonly Group[]): StatsDocument {
  const { entries, unlike } = scope;
  const rows = entries.map(({ episodes }) => episodes.reduce((sum, one) => sum + one.rows, 0));
  // A step of an entry is drawn weight / rows times as often as one of another.
  const weighted = groups.map((group): Part & Group => {
    const { weight } = entries[group.entry]!;
    return { ...group, scale: weight === null ? 1 : weight / Math.max(1, rows[group.entry]!) };
  });
  const of = (chosen: (group: Group) => boolean): ScopeStats => scopeStats(weighted.filter(chosen));
  const alone = (group: Group): string =>
    unlike.length > 0 ? `${entries[group.entry]!.dataset}/${group.robot}` : group.robot;
  const datasets = unique(entries.map(({ dataset }) => dataset));
  return {
    version: STATS_VERSION,
    plan: scope.plan,
    harmony: scope.harmony,
    quantile_error: QUANTILE_ERROR,
    warnings: warningsFor(scope),
    mixture: unlike.length > 0 ? null : of(() => true),
    entries: Object.fromEntries(
      entries.map(({ name, dataset, weight, episodes, withoutRows }, k) => [
        name,
        {
          dataset,
          weight,
          episodes: episodes.length,
          rows: rows[k]!,
          episodes_without_rows: withoutRows,
          ...of(({ entry }) => entry === k),
        },
      ]),
    ),
    datasets: Object.fromEntries(datasets.map((name) => [name, of(({ entry }) => entries[entry]!.dataset === name)])),
    robots: Object.fromEntries(unique(groups.map(alone)).map((name) => [name, of((group) => alone(group) === name)])),
  };
}

const unique = (names: readonly string[]): string[] => [...new Set(names)].sort();

function warningsFor({ unlike, entries }: Scope): string[] {
  const without = (entry: CountedEntry): string[] =>
    entry.withoutRows === 0
      ? []
      : [`${entry.name}: ${entry.withoutRows} episodes lack step rows (an index, or drawn rows alone)`];
  return [
    ...(unlike.length === 0
      ? []
      : [`the datasets differ in ${unlike.join(', ')}: no mixture; robots are counted by dataset`]),
    ...entries.flatMap(without),
  ];
}

function scopeStats(parts: readonly Part[]): ScopeStats {
  // One weight for all is no weight: sums stay whole numbers.
  const same = parts.every(({ scale }) => scale === parts[0]!.scale);
  const fair = same ? parts.map((part) => ({ ...part, scale: 1 })) : parts;
  const arms = Math.max(0, ...parts.map(({ shape }) => shape.arms));
  const slots = Array.from({ length: arms }, (_, arm) => arm);
  const all = signalStats(fair, slots);
  return arms < 2 ? all : { ...all, arms: slots.map((arm) => signalStats(fair, [arm])) };
}

function signalStats(parts: readonly Part[], slots: readonly number[]): SignalStats {
  const steps = parts[0]?.shape.steps ?? 0;
  const chunk = Array.from({ length: steps }, (_, k) => k);
  const of = (rows: readonly number[]): DimensionStats => dimensionStats(parts, slots, rows);
  return {
    action: { overall: of(chunk), steps: chunk.map((k) => of([k])) },
    history: { overall: of([steps]) },
    proprio: { overall: of([steps + 1]) },
  };
}

/** @param rows which vectors of an arm: chunk steps, then history, then proprioception */
function dimensionStats(parts: readonly Part[], slots: readonly number[], rows: readonly number[]): DimensionStats {
  const cells = parts.flatMap((part) =>
    slots
      .filter((arm) => arm < part.shape.arms)
      .flatMap((arm) => rows.map((row) => ({ part, from: (arm * (part.shape.steps + 2) + row) * VECTOR }))),
  );
  const all = Array.from({ length: VECTOR }, (_, d) =>
    combined(cells.map(({ part, from }) => ({ ...part, at: from + d }))),
  );
  const column = <K extends keyof Combined>(name: K) => all.map((one) => one[name]);
  return {
    mean: column('mean'),
    std: column('std'),
    min: column('min'),
    max: column('max'),
    q01: column('q01'),
    q99: column('q99'),
    count: column('count'),
  };
}

interface Combined {
  readonly mean: number | null;
  readonly std: number | null;
  readonly min: number | null;
  readonly max: number | null;
  readonly q01: number | null;
  readonly q99: number | null;
  readonly count: number;
}

const NOTHING: Combined = { mean: null, std: null, min: null, max: null, q01: null, q99: null, count: 0 };

/** One number of several parts: `mean = Σ w·n·mean / Σ w·n`, variance within plus variance between. */
function combined(all: readonly (Part & { readonly at: number })[]): Combined {
  const cells = all.filter(({ moments, at }) => moments.count[at]! > 0);
  if (cells.length === 0) return NOTHING;
  const sum = (of: (cell: (typeof cells)[number]) => number): number =>
    cells.reduce((total, cell) => total + of(cell), 0);
  const weight = sum(({ scale, moments, at }) => scale * moments.count[at]!);
  const mean = sum(({ scale, moments, at }) => scale * moments.count[at]! * moments.mean[at]!) / weight;
  const m2 = sum(({ scale, moments, at }) => {
    const between = moments.mean[at]! - mean;
    return scale * (moments.m2[at]! + moments.count[at]! * between * between);
  });
  const [min, max] = [
    Math.min(...cells.map(({ moments, at }) => moments.min[at]!)),
    Math.max(...cells.map(({ moments, at }) => moments.max[at]!)),
  ];
  const histogram = emptyHistogram();
  for (const { scale, histograms, at } of cells) addHistogram(histogram, histograms[at]!, scale);
  const within = (share: number): number => Math.min(Math.max(quantile(histogram, share), min), max);
  return {
    mean,
    std: Math.sqrt(m2 / weight),
    min,
    max,
    q01: within(Q.q01),
    q99: within(Q.q99),
    count: sum(({ moments, at }) => moments.count[at]!),
  };
}
