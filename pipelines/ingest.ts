/** The one loop of an ingest: records → prepared episodes → pixels → rows → committed groups. */
import type { EpisodeOutcome, LedgerEntry } from '../schemas/episode.ts';
import { type Code, PrepError } from '../schemas/errors.ts';
import type { IngestSummary, Progress } from '../schemas/report.ts';
import type { EndState, Sink } from '../sinks/sink.ts';
import type { FoundEpisode } from '../sources/container.ts';
import { overBudget } from './budget.ts';
import { damagedEpisode, detailOf, type Labelled, prepareEpisode } from './episode.ts';
import type { OpenIngest } from './ingest-plan.ts';
import { openPixelPool, type PixelPool } from './pixel-pool.ts';
import { codeEpisode, stepColumns } from './pixels.ts';
import { type EpisodeRegistry, openRegistry } from './registry.ts';
import { openSelection, type Selection } from './selection.ts';
import { mapConcurrent } from './stream.ts';
import type { Tally } from './tally.ts';

export interface IngestControl {
  /** When it fires no further record is read; what is in work is finished and committed. */
  readonly signal: AbortSignal;
  progress(progress: Progress): void;
}

/**
 * Runs an open ingest into a sink and closes the sink. What was committed stays, whatever happens.
 * @throws PrepError `store` and the like; a damaged shard is no exception but `damagedShards` of the summary.
 */
export async function runIngest(open: OpenIngest, sink: Sink, control: IngestControl): Promise<IngestSummary> {
  const { table, request } = open;
  const selection = await openSelection(open, sink);
  const { tally } = selection;
  if (selection.nothingLeft) {
    // A run that went over the budget is not made good by running it once more.
    const over = overBudget(tally.seen(), request.run.maxQuarantine, 'ended');
    const summary = tally.summary(over ? 'over-budget' : 'nothing-to-do');
    await sink.close({ state: over ? 'failed' : 'done', summary });
    return summary;
  }
  const registry = openRegistry(sink.recorded, { excluded: open.excluded, splits: open.container.splits });
  let pool: PixelPool | undefined;
  const lazyPool = (): PixelPool => {
    const { quality, subsampling } = table.pixels;
    pool ??= openPixelPool({ workers: open.workers, fit: table.fit, quality, subsampling });
    return pool;
  };
  try {
    const records = limited(selection.records(), control.signal, request.run.episodes);
    const work = (found: FoundEpisode) =>
      released(found, () => outcomeOf(found, { open, registry, pool: lazyPool, stepsOf: selection.stepsOf }));
    for await (const outcome of mapConcurrent(records, open.workers + 1, work)) {
      tally.count(outcome);
      await sink.add(outcome);
      control.progress(tally.progress());
      if (overBudget(tally.seen(), request.run.maxQuarantine, 'running')) break;
    }
    await sink.commit();
    return await finish(tally, sink, { request, interrupted: control.signal.aborted });
  } catch (error) {
    await sink.close({ state: 'failed', summary: tally.summary('failed') });
    throw error;
  } finally {
    await pool?.close();
  }
}

async function finish(
  tally: Tally,
  sink: Sink,
  { request, interrupted }: { request: OpenIngest['request']; interrupted: boolean },
): Promise<IngestSummary> {
  const over = overBudget(tally.seen(), request.run.maxQuarantine, interrupted ? 'running' : 'ended');
  const failed = over || tally.shardFaults() > 0;
  const state: EndState = interrupted ? 'interrupted' : failed ? 'failed' : 'done';
  // Where only the container itself knows what is in a shard: it was asked, and had nothing that is not recorded.
  const nothing = state === 'done' && tally.foundNothing() && request.run.episodes !== 0;
  const summary = tally.summary(over ? 'over-budget' : nothing ? 'nothing-to-do' : state);
  await sink.close({ state, summary });
  return summary;
}

/** Stops the pulling at a signal or after a number of episodes. */
async function* limited(
  records: AsyncGenerator<FoundEpisode>,
  signal: AbortSignal,
  episodes = Number.POSITIVE_INFINITY,
): AsyncGenerator<FoundEpisode> {
  let count = 0;
  if (episodes <= 0) return;
  for await (const record of records) {
    if (signal.aborted) return;
    yield record;
    if (++count >= episodes) return;
  }
}

interface Work {
  readonly open: OpenIngest;
  readonly registry: EpisodeRegistry;
  pool(): PixelPool;
  readonly stepsOf: Selection['stepsOf'];
}

/** Whatever becomes of an episode, its files are let go. */
async function released<Out>(found: FoundEpisode, work: () => Promise<Out>): Promise<Out> {
  try {
    return await work();
  } finally {
    await found.release?.();
  }
}

async function outcomeOf(
  found: FoundEpisode,
  { open, registry, pool, stepsOf }: Work,
): Promise<EpisodeOutcome & { bytesIn: number }> {
  const { table, spec } = open;
  const { record } = found;
  const bytesIn = found.bytes ?? found.place.length;
  if (record instanceof PrepError) return { ledger: asideOf(damagedEpisode(record, found, { table, spec })), bytesIn };
  const prepared = prepareEpisode(record, found, { table, spec, registry });
  if ('aside' in prepared) return { ledger: prepared.aside, bytesIn };
  const { kept } = prepared;
  registry.keep(kept.ledger.episode, found);
  const steps = stepsOf(found);
  if (steps?.length === 0) return { ledger: kept.ledger, track: kept.track, bytesIn };
  try {
    const drawn = { shape: table.shape, steps };
    const pixels = await codeEpisode(kept, drawn, pool());
    return { ledger: kept.ledger, track: kept.track, rows: stepColumns(kept, pixels, drawn), bytesIn };
  } catch (error) {
    if (!(error instanceof PrepError) || !FRAME_FAULTS.has(error.code)) throw error;
    return { ledger: undecodable(kept, error), bytesIn };
  }
}

/** What is found only when frames are read: the episode is damaged, not the run. */
const FRAME_FAULTS: ReadonlySet<Code> = new Set([
  'bad-image',
  'image-size',
  'bad-video',
  'bad-hdf5',
  'bad-parquet',
  'field-shape',
  'missing-field',
]);

function asideOf(prepared: ReturnType<typeof damagedEpisode>): LedgerEntry {
  if ('aside' in prepared) return prepared.aside;
  throw new Error('a damaged record cannot be kept');
}

function undecodable({ ledger }: Labelled, error: PrepError): LedgerEntry {
  return { ...ledger, state: 'quarantined', reason: error.code, detail: detailOf(error), flagRuns: [] };
}
