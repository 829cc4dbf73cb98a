/** Counts of a run, for progress, budget and summary. */
import type { EpisodeOutcome, EpisodeState } from '../schemas/episode.ts';
import type { PrepError } from '../schemas/errors.ts';
import type { IngestSummary, Progress } from '../schemas/report.ts';
import type { Sink } from '../sinks/sink.ts';
import type { Shard } from '../sources/container.ts';
import type { SeenEpisodes } from './budget.ts';
import type { OpenIngest } from './ingest-plan.ts';
import type { RecordSelection } from './records.ts';

export interface Tally {
  count(outcome: EpisodeOutcome & { readonly bytesIn: number }): void;
  damaged(shard: Shard, error: PrepError): void;
  shardFaults(): number;
  /** Episodes of this part: this run's and earlier ones'. */
  seen(): SeenEpisodes;
  /** True when every shard of the part is recorded: then nothing is opened. */
  nothingLeft(selection: Pick<RecordSelection, 'complete'> & { readonly redo: number }): boolean;
  /** True when all that the part has was recorded by earlier runs. */
  foundNothing(): boolean;
  progress(): Progress;
  summary(state: IngestSummary['state']): IngestSummary;
}

/** @param wanted episodes that are to be read, where that is not known from the container */
export function openTally(open: OpenIngest, sink: Sink, wanted: number | null = null): Tally {
  const started = performance.now();
  const mine = new Set(open.shards.map(({ split, file }) => `${split}/${file}`));
  // Latest state of each place, so that an episode that is done again is not counted twice.
  const seen = new Map<string, EpisodeState>();
  for (const { place, state } of sink.recorded.all())
    if (mine.has(`${place.split}/${place.shard}`)) seen.set(`${place.shard}#${place.offset}`, state);
  const before = seen.size;
  const episodes = { kept: 0, rejected: 0, quarantined: 0 };
  const reasons: Record<string, number> = {};
  const calibration: Record<string, number> = {};
  const faults: string[] = [];
  const sums = { frames: 0, rows: 0, bytesIn: 0, done: 0, redone: 0 };
  const seconds = (): number => (performance.now() - started) / 1000;
  const seenCounts = (): SeenEpisodes => {
    const counts = { kept: 0, rejected: 0, quarantined: 0 };
    for (const state of seen.values()) counts[state]++;
    return counts;
  };
  return {
    count({ ledger, rows, bytesIn }) {
      const place = `${ledger.record.shard}#${ledger.record.offset}`;
      if (seen.has(place)) sums.redone++;
      seen.set(place, ledger.state);
      episodes[ledger.state]++;
      sums.done++;
      sums.bytesIn += bytesIn;
      sums.rows += rows?.steps ?? 0;
      for (const column of Object.values(rows?.images ?? {}))
        sums.frames += column.data.length > 0 ? column.offsets.length - 1 : 0;
      if (ledger.reason !== '') reasons[ledger.reason] = (reasons[ledger.reason] ?? 0) + 1;
      if (ledger.state !== 'kept') return;
      for (const [camera, { source, quality }] of Object.entries(ledger.calibration)) {
        const key = `${camera}: ${source} (${quality})`;
        calibration[key] = (calibration[key] ?? 0) + 1;
      }
    },
    damaged: (_, error) => void faults.push(error.message),
    shardFaults: () => faults.length,
    seen: seenCounts,
    nothingLeft: ({ complete, redo }) => redo === 0 && open.shards.every(complete),
    foundNothing: () => sums.done === 0 && before > 0,
    progress: () => ({
      episodes: sums.done,
      total:
        wanted !== null || open.plan.episodes === null
          ? wanted
          : Math.min(open.plan.episodes - before + sums.redone, open.request.run.episodes ?? Number.POSITIVE_INFINITY),
      frames: sums.frames,
      kept: episodes.kept,
      bytesIn: sums.bytesIn,
      seconds: seconds(),
    }),
    summary: (state) => ({
      command: 'ingest',
      dataset: open.table.name,
      store: open.request.store,
      state,
      episodes: { ...episodes, skipped: before - sums.redone },
      seen: seenCounts(),
      reasons,
      calibration,
      rows: sums.rows,
      frames: sums.frames,
      bytesIn: sums.bytesIn,
      bytesOut: sink.stats.bytesWritten,
      seconds: seconds(),
      framesPerSecond: sums.frames / Math.max(seconds(), 1e-9),
      missingShards: open.container.missing.length,
      damagedShards: faults,
    }),
  };
}
