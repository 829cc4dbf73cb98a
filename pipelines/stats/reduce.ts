/** Episodes of one entry and robot → their moments and histograms together; rows are read only for what is not known yet. */
import type { PrepMetadata } from '../../schemas/row.ts';
import type { LabelReader } from '../../sinks/label-rows.ts';
import type { EpisodeMoments, StatsIndex, StatsStore } from '../../sinks/stats.ts';
import { alike, type NumberHarmony } from '../../transforms/alike.ts';
import {
  addEncoded,
  BINS,
  emptyHistogram,
  encodeHistograms,
  type Histogram,
} from '../../transforms/stats/histogram.ts';
import {
  addMoments,
  emptyMoments,
  type Moments,
  momentsOfRows,
  numbersOf,
  type Shape,
} from '../../transforms/stats/moments.ts';
import type { CountedEpisode } from './scope.ts';

/** Numbers of many episodes together. */
export interface Accumulated {
  readonly shape: Shape;
  readonly moments: Moments;
  readonly histograms: readonly Histogram[];
}

export interface Reading {
  readonly metadata: PrepMetadata;
  readonly harmony: NumberHarmony | null;
  readonly labels: LabelReader;
  readonly stats: StatsStore;
  /** Rows that were read; for the report. */
  note(episodes: number, rows: number): void;
  readonly signal?: AbortSignal | undefined;
}

/** Episodes whose values share histograms: one that vanishes makes that many be read again. */
const EPISODES_PER_SKETCH = 256;
/** Rows in memory at once: about 1.4 KB each and arm. */
const ROWS_PER_READ = 4096;

/** @param episodes of one robot, by episode key */
export async function reduce(episodes: readonly CountedEpisode[], reading: Reading): Promise<Accumulated> {
  const { metadata, stats } = reading;
  const shape = { arms: metadata.arms.length, steps: metadata.chunk.steps };
  const before = await stats.index();
  const missing = uncovered(episodes, before);
  for (let from = 0; from < missing.length; from += EPISODES_PER_SKETCH)
    await readEpisodes(missing.slice(from, from + EPISODES_PER_SKETCH), before, shape, reading);
  const index = missing.length === 0 ? before : await stats.index();
  const moments = emptyMoments(numbersOf(shape));
  const rows = episodes.map(({ key }) => index.moments.get(key)!);
  for await (const one of stats.readMoments(rows)) addMoments(moments, one);
  const histograms = Array.from({ length: numbersOf(shape) }, emptyHistogram);
  for await (const bins of stats.readSketches(sketchesOf(episodes, index))) addEncoded(histograms, bins);
  return { shape, moments, histograms };
}

/** Sketches that count nothing but wanted episodes, each once. */
function* usable(wanted: ReadonlySet<string>, { sketches, moments }: StatsIndex) {
  const covered = new Set<string>();
  for (const sketch of sketches) {
    if (!sketch.members.every((key) => wanted.has(key) && !covered.has(key) && moments.has(key))) continue;
    for (const key of sketch.members) covered.add(key);
    yield sketch;
  }
}

const keysOf = (episodes: readonly CountedEpisode[]): Set<string> => new Set(episodes.map(({ key }) => key));
const sketchesOf = (episodes: readonly CountedEpisode[], index: StatsIndex): bigint[] =>
  [...usable(keysOf(episodes), index)].map(({ row }) => row);

/** What no sketch counts, in the order of the rows: neighbours are read together. */
function uncovered(episodes: readonly CountedEpisode[], index: StatsIndex): CountedEpisode[] {
  const covered = new Set([...usable(keysOf(episodes), index)].flatMap(({ members }) => members));
  return episodes
    .filter(({ key }) => !covered.has(key))
    .sort((a, b) => (a.place.firstRow < b.place.firstRow ? -1 : a.place.firstRow > b.place.firstRow ? 1 : 0));
}

async function readEpisodes(
  episodes: readonly CountedEpisode[],
  known: StatsIndex,
  shape: Shape,
  reading: Reading,
): Promise<void> {
  const dense = new Uint32Array(numbersOf(shape) * BINS);
  const fresh: EpisodeMoments[] = [];
  for (const batch of batches(episodes)) {
    reading.signal?.throwIfAborted();
    const withCamera =
      batch.some(({ change }) => change !== '') && reading.harmony?.reference !== reading.metadata.reference;
    const rows = await reading.labels.read(
      batch.map((one) => ({ ...one, ranges: one.wanted })),
      withCamera,
    );
    for (const [i, subject] of batch.entries()) {
      const columns = { ...rows[i]!, robot: subject.place.robot };
      const harmonised = reading.harmony ? alike(columns, reading.metadata, reading.harmony) : columns;
      const moments = momentsOfRows(harmonised, shape, dense);
      if (!known.moments.has(subject.key)) fresh.push({ subject, rows: subject.rows, moments });
    }
    reading.note(
      batch.length,
      batch.reduce((sum, { rows: many }) => sum + many, 0),
    );
  }
  // Moments first: a sketch counts from when its episodes' moments are there.
  if (fresh.length > 0) await reading.stats.addMoments(fresh, shape);
  await reading.stats.addSketch({ ...shape, members: episodes.map(({ key }) => key), bins: encodeHistograms(dense) });
}

function* batches(episodes: readonly CountedEpisode[]): Generator<CountedEpisode[]> {
  let batch: CountedEpisode[] = [];
  let rows = 0;
  for (const one of episodes) {
    if (batch.length > 0 && rows + one.rows > ROWS_PER_READ) {
      yield batch;
      [batch, rows] = [[], 0];
    }
    batch.push(one);
    rows += one.rows;
  }
  if (batch.length > 0) yield batch;
}
