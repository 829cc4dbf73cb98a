/** Statistics for normalisation: the tables they are kept in, and the document that trainers read. */
import { arrow, type DataType, type Field, type Schema } from './arrow.ts';
import { primaryKey } from './ledger-row.ts';

/** Raise when the same rows would give other numbers. */
export const STATS_VERSION = 1;

/** Ten numbers each (x y z, rot6d, gripper); null where no value counted. */
export interface DimensionStats {
  readonly mean: readonly (number | null)[];
  /** Of the population: the sum of squared deviations over the count. */
  readonly std: readonly (number | null)[];
  readonly min: readonly (number | null)[];
  readonly max: readonly (number | null)[];
  readonly q01: readonly (number | null)[];
  readonly q99: readonly (number | null)[];
  /** Values that counted; weights do not enter. */
  readonly count: readonly number[];
}

export interface SignalStats {
  readonly action: { readonly overall: DimensionStats; readonly steps: readonly DimensionStats[] };
  readonly history: { readonly overall: DimensionStats };
  readonly proprio: { readonly overall: DimensionStats };
}

/** Of all arms together, and where there are two of each slot (0 the right one). */
export interface ScopeStats extends SignalStats {
  readonly arms?: readonly SignalStats[];
}

export interface EntryStats extends ScopeStats {
  readonly dataset: string;
  /** Null where every step counts alike. */
  readonly weight: number | null;
  readonly episodes: number;
  readonly rows: number;
  /** Kept, but no step rows are there yet. */
  readonly episodes_without_rows: number;
}

export interface StatsDocument {
  readonly version: number;
  readonly plan: string | null;
  /** What rows were made alike to; null: as they are stored. */
  readonly harmony: object | null;
  readonly quantile_error: string;
  readonly warnings: readonly string[];
  /** Null where datasets are too unlike to be added up. */
  readonly mixture: ScopeStats | null;
  readonly entries: Readonly<Record<string, EntryStats>>;
  readonly datasets: Readonly<Record<string, ScopeStats>>;
  readonly robots: Readonly<Record<string, ScopeStats>>;
}

/** What a row of `<dataset>_stats` is about: steps of an episode, as the plan makes them. */
export interface StatsSubject {
  /** Hex sha-256, 32 digits, of all the rest: rows of one key are equal. */
  readonly key: string;
  readonly episodeKey: bigint;
  /** The episode's in the ledger: its bytes, calibration and label options. */
  readonly fingerprint: string;
  /** JSON of what is changed in the numbers; '' where nothing is. */
  readonly change: string;
  /** Ends exclusive; null: all steps. */
  readonly ranges: readonly { readonly start: number; readonly end: number }[] | null;
}

const required = (name: string, type: DataType): Field => new arrow.Field(name, type, false);
const text = (name: string): Field => required(name, new arrow.Utf8());
const list = (name: string, type: DataType): Field => required(name, new arrow.List(required('item', type)));

export const statsTables = (dataset: string) => ({ moments: `${dataset}_stats`, sketches: `${dataset}_sketches` });

/**
 * `<dataset>_stats`: moments of the steps of one episode. Lists hold `arms` × (`steps` + 2) × 10 numbers: per arm slot the
 * chunk steps of the action, then history, then proprioception. Equal keys mean equal rows: of several any one counts.
 */
export function momentSchema(): Schema {
  const { Float32, Float64, Int32, Int64 } = arrow;
  return new arrow.Schema([
    text('key'),
    required('episode_key', new Int64()),
    text('fingerprint'),
    text('change'),
    text('ranges'),
    required('rows', new Int32()),
    required('arms', new Int32()),
    required('steps', new Int32()),
    list('count', new Int32()),
    list('mean', new Float64()),
    list('m2', new Float64()),
    list('min', new Float32()),
    list('max', new Float32()),
  ]);
}

/** `<dataset>_sketches`: histograms (`transforms/stats/histogram.ts`) of several episodes together; `members` are their keys, 16 bytes each. */
export function sketchSchema(): Schema {
  const { Binary, Int32 } = arrow;
  return new arrow.Schema([
    text('key'),
    required('arms', new Int32()),
    required('steps', new Int32()),
    required('members', new Binary()),
    required('bins', new Binary()),
  ]);
}

/** `stats`: one row per document; `key` is a digest of everything that it was made of. */
export function documentSchema(): Schema {
  return new arrow.Schema([primaryKey('key'), text('plan'), text('json'), required('created_ms', new arrow.Float64())]);
}

/** `stats_values`: the documents' numbers, a row per scope, arm (-1: all), signal and chunk step (0: overall); NaN where no value counted. */
export function valueSchema(): Schema {
  const { Float64, Int32, Int64 } = arrow;
  return new arrow.Schema([
    primaryKey('key'),
    text('document'),
    text('plan'),
    text('scope'),
    text('name'),
    required('arm', new Int32()),
    text('signal'),
    required('chunk_step', new Int32()),
    ...['mean', 'std', 'min', 'max', 'q01', 'q99'].map((name) => list(name, new Float64())),
    list('count', new Int64()),
  ]);
}
