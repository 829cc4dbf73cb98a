/**
 * `prep reshard`: what is new at the sources becomes rows, a segment of the plan, training shards and one published generation.
 * The list of what is new is frozen first; a run that was killed is finished from that list before news is looked for again.
 */
import { createHash } from 'node:crypto';
import { PrepError } from '../../schemas/errors.ts';
import { type ReshardConfig, type ReshardSource, sourceName } from '../../schemas/reshard.ts';
import { compactDataset } from '../../sinks/compact.ts';
import {
  claimIntent,
  forgetGenerations,
  freezeIntent,
  type Generation,
  type Intent,
  type Listing,
  publishGeneration,
  readGenerations,
  readIntent,
  replaceIntent,
} from '../../sinks/generations.ts';
import { readLedger } from '../../sinks/read.ts';
import { connectStore, type Store } from '../../sinks/store.ts';
import { finishSwap } from '../../sinks/swap.ts';
import type { FileStamps } from '../../sources/frozen.ts';
import type { Access } from '../../sources/remote/access.ts';
import { runIngest } from '../ingest.ts';
import { type IngestRequest, openIngest } from '../ingest-plan.ts';
import { makeShards } from '../shard/shard.ts';
import { makeStats } from '../stats/make.ts';
import { openStoreSink, settleTwins } from '../store-sink.ts';
import { checkFeatures, nightlyFeatures } from './features.ts';
import { changedFiles, listSources, newsOf } from './news.ts';
import { prune } from './retention.ts';
import { segmentOf } from './segment.ts';
import { excludeVanished } from './vanished.ts';

export interface ReshardRequest {
  readonly store: string;
  readonly config: ReshardConfig;
  readonly access: Access;
  /** Do nothing where no file is new; otherwise a segment is appended in any case. */
  readonly ifStale: boolean;
  /** A source of the config as `prep ingest` would take it. */
  ingestOf(source: ReshardSource): IngestRequest;
}

export interface ReshardReport {
  /** `nothing-new`: no file is. `busy`: another process is at it. `interrupted`: what is done stays, the next run goes on. */
  readonly state: 'done' | 'nothing-new' | 'busy' | 'interrupted';
  readonly generation: number;
  /** Generations published by this run: a killed one that it finished, and its own. */
  readonly published: readonly number[];
  readonly plan: string | null;
  readonly draws: number;
  readonly added: number;
  readonly changed: number;
  readonly vanished: number;
  readonly episodes: Readonly<Record<string, { kept: number; rejected: number; quarantined: number }>>;
  readonly shards: number;
  /** Frames whose features were computed; draws of the plan that have none. Null where none were asked for. */
  readonly features: { readonly set: string; readonly computed: number; readonly missing: number | null } | null;
  /** Names the statistics of the plan as it is now; null where none were asked for. */
  readonly stats: string | null;
  readonly seconds: number;
}

export async function reshard(request: ReshardRequest, signal: AbortSignal): Promise<ReshardReport> {
  const started = performance.now();
  const store = await connectStore(request.store);
  const report: Mutable<ReshardReport> = {
    state: 'nothing-new',
    generation: 0,
    published: [],
    plan: null,
    draws: 0,
    added: 0,
    changed: 0,
    vanished: 0,
    episodes: {},
    shards: 0,
    features: null,
    stats: null,
    seconds: 0,
  };
  try {
    await checkFeatures(store, request.config);
    report.state = await rounds(store, request, report, signal);
    return { ...report, seconds: (performance.now() - started) / 1000 };
  } finally {
    store.connection.close();
  }
}

type Mutable<T> = { -readonly [key in keyof T]: T[key] };

/** At most a killed run's intent, and then one of this run's own. */
async function rounds(
  store: Store,
  request: ReshardRequest,
  report: Mutable<ReshardReport>,
  signal: AbortSignal,
): Promise<ReshardReport['state']> {
  for (;;) {
    const last = (await readGenerations(store)).at(-1) ?? null;
    report.generation = last?.generation ?? 0;
    report.plan = last?.plan ?? null;
    const pending = await readIntent(store, report.generation + 1);
    const own = pending === null;
    const found = pending ?? (await newIntent(store, request, last, report));
    if (found === null) return report.published.length > 0 ? 'done' : 'nothing-new';
    const held = found === 'taken' ? null : await claimIntent(store, found.generation);
    if (found === 'taken' || held === null) return 'busy';
    let intent = found;
    try {
      if (!own) intent = await ofThisConfig(store, request, found);
      if (!(await realise(store, request, { intent, last, report, signal }))) return 'interrupted';
    } finally {
      await held.release();
    }
    // Another process may have thought this one dead and published the same: then it is done all the same.
    report.published = [...report.published, intent.generation];
    if (own) {
      report.generation = intent.generation;
      return 'done';
    }
  }
}

const digestOf = (config: ReshardConfig): string =>
  createHash('sha256').update(JSON.stringify(config)).digest('hex').slice(0, 16);

/** Null where nothing is new; `taken` where another process froze the next intent meanwhile. */
async function newIntent(
  store: Store,
  { config, access, ifStale, ingestOf }: ReshardRequest,
  last: Generation | null,
  report: Mutable<ReshardReport>,
): Promise<Intent | 'taken' | null> {
  const before = last ? ((await readIntent(store, last.generation))?.listing ?? null) : null;
  const listing = await listSources(config, access);
  const news = newsOf(before, listing);
  Object.assign(report, news);
  const stale = last === null || last.config !== digestOf(config) || news.added + news.changed + news.vanished > 0;
  if (!stale && (ifStale || report.published.length > 0)) return null;
  // A list that cannot be read would be tried every night, whatever came meanwhile: it is not frozen.
  for (const source of config.sources) await checkSource(ingestOf(source), listing[sourceName(source)]!);
  const intent: Intent = {
    generation: (last?.generation ?? 0) + 1,
    config: digestOf(config),
    listing,
    segments: last?.segments ?? 0,
    plan: last?.plan ?? null,
  };
  return (await freezeIntent(store, intent)) ? intent : 'taken';
}

/** @throws PrepError for a source that has no dataset in these files, such as an empty folder */
async function checkSource(request: IngestRequest, files: FileStamps): Promise<void> {
  const open = await openIngest({ ...request, source: { ...request.source, frozen: { files, changed: () => false } } });
  open.table.sideFiles?.close();
}

/** A killed run's intent under a config that was changed since: sources that it does not know are listed now. */
async function ofThisConfig(
  store: Store,
  { config, access, ingestOf }: ReshardRequest,
  intent: Intent,
): Promise<Intent> {
  if (intent.config === digestOf(config)) return intent;
  const added = config.sources.filter((source) => !Object.hasOwn(intent.listing, sourceName(source)));
  const listing = await listSources({ ...config, sources: added }, access);
  for (const source of added) await checkSource(ingestOf(source), listing[sourceName(source)]!);
  const changed = { ...intent, config: digestOf(config), listing: { ...intent.listing, ...listing } };
  await replaceIntent(store, changed);
  return changed;
}

interface Realising {
  readonly intent: Intent;
  readonly last: Generation | null;
  readonly report: Mutable<ReshardReport>;
  readonly signal: AbortSignal;
}

/** Every step finds out what is done already, so that it may be repeated. False when interrupted. */
async function realise(
  store: Store,
  request: ReshardRequest,
  { intent, last, report, signal }: Realising,
): Promise<boolean> {
  const { config } = request;
  const before = last ? ((await readIntent(store, last.generation))?.listing ?? {}) : {};
  const tables = new Set<string>();
  for (const source of config.sources) {
    const name = sourceName(source);
    const ingested = await ingestSource(
      request,
      source,
      { before: before[name] ?? {}, now: intent.listing[name] ?? {} },
      signal,
    );
    if (ingested === null) return false;
    report.episodes = { ...report.episodes, [ingested.table]: ingested.seen };
    if (config.vanished === 'exclude') await excludeVanished(request.ingestOf(source), intent.listing[name] ?? {});
    tables.add(ingested.table);
  }
  const plan = await segmentOf(store, request.config, intent);
  report.plan = plan.id;
  report.draws = plan.draws;
  if (config.stats)
    report.stats = (await makeStats({ store: store.uri, plan: plan.id, progress: () => undefined })).key;
  if (signal.aborted) return false;
  if (config.shards) {
    const part = { index: 0, of: 1 };
    // All that are to stay: an earlier segment may have ended within a shard, or have none because none were asked for then.
    const from = Math.floor(plan.start / config.shard_draws) * config.shard_draws;
    const range = [from, plan.draws] as const;
    const made = await makeShards(
      { store: store.uri, plan: plan.id, size: config.shard_draws, part, range, replace: false },
      { signal, progress: () => undefined },
    );
    report.shards += made.made;
    if (made.state === 'interrupted') return false;
  }
  if (config.features) {
    const made = await nightlyFeatures(store.uri, plan.id, config.features, signal);
    report.features = { set: made.set, computed: made.computed, missing: made.missing };
    if (made.state === 'interrupted') return false;
  }
  if (config.compact) for (const name of tables) await compactDataset(store.uri, name);
  if (signal.aborted) return false;
  await publishGeneration(store, {
    generation: intent.generation,
    tables: await tableCounts(store.uri, [...tables]),
    plan: plan.id,
    segments: plan.segments,
    stats: report.stats,
    features: report.features?.set ?? null,
    config: intent.config,
    createdMs: Date.now(),
  });
  await prune(store, config, plan.id);
  await forgetGenerations(store, intent.generation - config.retention.generations + 1);
  return true;
}

async function ingestSource(
  { ingestOf }: ReshardRequest,
  source: ReshardSource,
  { before, now }: { before: Listing[string]; now: Listing[string] },
  signal: AbortSignal,
) {
  const request = ingestOf(source);
  await finishSwap(request.store);
  const probe = await openIngest({
    ...request,
    source: { ...request.source, frozen: { files: now, changed: () => false } },
  });
  const changed = changedFiles(before, now, probe.spec.format);
  const open = { ...probe, request: { ...request, source: { ...request.source, frozen: { files: now, changed } } } };
  try {
    const summary = await runIngest(open, await openStoreSink(open), { signal, progress: () => undefined });
    if (summary.state === 'interrupted') return null;
    if (summary.state === 'over-budget' || summary.state === 'failed')
      throw new PrepError({
        code: 'failure-budget',
        at: { dataset: sourceName(source) },
        expected: `at most ${source.max_quarantine} of the episodes damaged, and every file readable`,
        found: `${JSON.stringify(summary.reasons)}${summary.damagedShards.join('; ')}`,
        remedy: 'see `prep status --by reason`; mend the source or raise max_quarantine: nothing was published',
      });
    await settleTwins(open);
    return { table: open.table.name, seen: summary.seen };
  } finally {
    open.table.sideFiles?.close();
  }
}

async function tableCounts(uri: string, names: readonly string[]): Promise<Generation['tables']> {
  const counts: Record<string, { episodes: number; rows: number }> = {};
  for (const name of names) {
    const kept = (await readLedger(uri, name)).filter(({ entry }) => entry.state === 'kept');
    counts[name] = { episodes: kept.length, rows: kept.reduce((sum, { rows }) => sum + rows, 0) };
  }
  return counts;
}
