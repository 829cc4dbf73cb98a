/** Whose steps are counted: the entries of a plan or of a mixture, or every dataset as it is. */
import { createHash } from 'node:crypto';
import { PrepError } from '../../schemas/errors.ts';
import type { PrepMetadata } from '../../schemas/row.ts';
import { STATS_VERSION, type StatsSubject } from '../../schemas/stats.ts';
import { type EpisodePlace, ledgerPlaces, type Places } from '../../sinks/label-rows.ts';
import { readDomains, readSegments } from '../../sinks/plans.ts';
import { listDatasets } from '../../sinks/read.ts';
import { datasetTables, noDataset, openIfThere, type Store } from '../../sinks/store.ts';
import { storedMetadata } from '../../sinks/tables.ts';
import { type NumberHarmony, numberChange } from '../../transforms/alike.ts';
import type { Harmony } from '../../transforms/harmonise.ts';
import { compatible } from '../plan/compatible.ts';
import { count, type StepRange } from '../plan/eligible.ts';
import { gather } from '../plan/gather.ts';
import { readMixture } from '../plan/mixture-file.ts';

/** What is asked for: a plan's id, or a mixture file, or neither. */
export interface Ask {
  readonly plan?: string;
  readonly mixture?: string;
}

export interface CountedEpisode extends StatsSubject {
  readonly place: EpisodePlace;
  readonly wanted: readonly StepRange[];
  readonly rows: number;
}

export interface CountedEntry {
  readonly name: string;
  readonly dataset: string;
  /** Null where every step counts alike. */
  readonly weight: number | null;
  /** By episode key. */
  readonly episodes: readonly CountedEpisode[];
  readonly withoutRows: number;
}

export interface DatasetFacts {
  readonly metadata: PrepMetadata;
  readonly places: Places;
}

export interface Scope {
  readonly plan: string | null;
  readonly harmony: (NumberHarmony & object) | null;
  readonly entries: readonly CountedEntry[];
  readonly datasets: ReadonlyMap<string, DatasetFacts>;
  /** Names of what the datasets differ in; then they cannot be added up. */
  readonly unlike: readonly string[];
}

/** Ranges of an entry's episodes, before the ledger says where they are. */
interface Draft {
  readonly name: string;
  readonly dataset: string;
  readonly weight: number | null;
  readonly ranges: ReadonlyMap<bigint, readonly StepRange[] | null>;
}

/** @throws PrepError `unknown-plan`, `unknown-dataset`, `bad-mixture`, `unlike-datasets`, `stale-shard` */
export async function scopeOf(store: Store, ask: Ask): Promise<Scope> {
  const { plan, harmony, names, draft } = await drafts(store, ask);
  const datasets = new Map<string, DatasetFacts>();
  for (const name of names) datasets.set(name, await factsOf(store, name));
  const entries = draft(datasets).map((one) => counted(one, datasets.get(one.dataset)!, harmony));
  const unlike = harmony ? [] : differences([...datasets.values()].map(({ metadata }) => metadata));
  return { plan, harmony, entries, datasets, unlike };
}

interface Drafts {
  readonly plan: string | null;
  readonly harmony: Harmony | null;
  readonly names: readonly string[];
  draft(datasets: ReadonlyMap<string, DatasetFacts>): Draft[];
}

async function drafts(store: Store, { plan, mixture }: Ask): Promise<Drafts> {
  if (plan !== undefined) return planDrafts(store, plan);
  if (mixture !== undefined) return mixtureDrafts(store, mixture);
  const names = await listDatasets(store.uri);
  const draft = (datasets: ReadonlyMap<string, DatasetFacts>): Draft[] =>
    [...datasets].map(([name, { places }]) => ({
      name,
      dataset: name,
      weight: null,
      ranges: new Map(places.kept.map((key) => [key, null])),
    }));
  return { plan: null, harmony: null, names, draft };
}

/** A plan's newest segment says what is drawn from now on: its weights, and all that its entries' domains hold. */
async function planDrafts(store: Store, plan: string): Promise<Drafts> {
  const segments = await readSegments(store, plan);
  const attempts = [...new Set(segments.map(({ domainAttempt }) => domainAttempt))];
  const domains = new Map((await readDomains(store, plan, attempts)).map((one) => [one.domain, one]));
  const { segment, harmony } = segments.at(-1)!;
  const list = segment.entries.map(({ name, dataset, weight, after }): Draft => {
    const ranges = new Map<bigint, StepRange[]>();
    for (const id of new Set(after.map(({ domain }) => domain))) addRanges(ranges, domains.get(id)!);
    return { name, dataset, weight, ranges };
  });
  return { plan, harmony: harmony as Harmony, names: namesOf(list), draft: () => list };
}

async function mixtureDrafts(store: Store, file: string): Promise<Drafts> {
  const mixture = await readMixture(file);
  const { entries, metadata } = await gather(store, mixture);
  const { harmony } = compatible([...metadata], mixture);
  const list = entries.map(({ name, dataset, weight, eligible }): Draft => {
    const ranges = new Map<bigint, StepRange[]>();
    addRanges(ranges, eligible.build());
    return { name, dataset, weight, ranges };
  });
  return { plan: null, harmony, names: namesOf(list), draft: () => list };
}

const namesOf = (list: readonly Draft[]): string[] => [...new Set(list.map(({ dataset }) => dataset))];

function addRanges(
  into: Map<bigint, StepRange[]>,
  { keys, starts, ends }: { keys: BigInt64Array; starts: Int32Array; ends: Int32Array },
): void {
  for (const [i, key] of keys.entries()) {
    const range = { start: starts[i]!, end: ends[i]! };
    const known = into.get(key);
    if (known) known.push(range);
    else into.set(key, [range]);
  }
}

async function factsOf(store: Store, dataset: string): Promise<DatasetFacts> {
  const names = datasetTables(dataset);
  const ledger = await openIfThere(store, names.ledger);
  const steps = await openIfThere(store, names.steps);
  try {
    if (!ledger || !steps) throw noDataset(store, dataset);
    return { metadata: storedMetadata(await steps.schema()), places: await ledgerPlaces(store, ledger) };
  } finally {
    ledger?.close();
    steps?.close();
  }
}

function counted(draft: Draft, { metadata, places }: DatasetFacts, harmony: Harmony | null): CountedEntry {
  const changes = new Map<string, string>();
  const changeOf = (robot: string): string => {
    const known = changes.get(robot);
    if (known !== undefined) return known;
    const change = harmony && numberChange(robot, metadata, harmony);
    const text = change ? JSON.stringify({ ...change, reference: change.reference && harmony.reference }) : '';
    changes.set(robot, text);
    return text;
  };
  const episodes: CountedEpisode[] = [];
  let withoutRows = 0;
  for (const [episodeKey, given] of draft.ranges) {
    const place = places.byKey.get(episodeKey);
    if (!place) throw gone(draft, episodeKey);
    const wanted = given ? joined(given) : [{ start: 0, end: place.rows }];
    // Of an episode with drawn rows alone the others are not known; a share of them would be another statistic.
    if (place.rows < place.length || wanted.at(-1)!.end > place.rows) {
      withoutRows++;
      continue;
    }
    const whole = wanted.length === 1 && wanted[0]!.start === 0 && wanted[0]!.end === place.rows;
    const subject = {
      episodeKey,
      fingerprint: place.fingerprint,
      change: changeOf(place.robot),
      ranges: whole ? null : wanted,
    };
    episodes.push({ ...subject, key: keyOf(subject), place, wanted, rows: count(wanted) });
  }
  episodes.sort((a, b) => (a.episodeKey < b.episodeKey ? -1 : 1));
  return { name: draft.name, dataset: draft.dataset, weight: draft.weight, episodes, withoutRows };
}

function keyOf({ episodeKey, fingerprint, change, ranges }: Omit<StatsSubject, 'key'>): string {
  const steps = ranges?.map(({ start, end }) => [start, end]) ?? null;
  const text = JSON.stringify([STATS_VERSION, `${episodeKey}`, fingerprint, change, steps]);
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}

/** Ascending ranges without overlaps: domains of one entry may share steps. */
export function joined(ranges: readonly StepRange[]): StepRange[] {
  const out: { start: number; end: number }[] = [];
  for (const { start, end } of [...ranges].sort((a, b) => a.start - b.start)) {
    const last = out.at(-1);
    if (last && start <= last.end) last.end = Math.max(last.end, end);
    else out.push({ start, end });
  }
  return out;
}

const gone = ({ dataset, name }: Draft, key: bigint): PrepError =>
  new PrepError({
    code: 'stale-shard',
    at: { dataset, field: name },
    expected: `episode key ${key}, which the plan draws from`,
    found: 'a ledger without it',
    remedy: 'make the plan again: the dataset was replaced',
  });

/** What numbers of different datasets must share to be numbers of the same thing. */
const ALIKE = ['chunk', 'reference', 'tool', 'rot6d', 'gripper', 'row_version'] as const;

function differences(all: readonly PrepMetadata[]): string[] {
  const value = (one: PrepMetadata, name: (typeof ALIKE)[number]): string =>
    JSON.stringify(name === 'gripper' ? [one.gripper.encoding, one.gripper.command_offset] : one[name]);
  return ALIKE.filter((name) => new Set(all.map((one) => value(one, name))).size > 1);
}
