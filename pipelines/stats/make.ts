/** `prep stats`: what was asked for before is answered at once; else only rows of new episodes are read. */
import { createHash } from 'node:crypto';
import { STATS_VERSION, type StatsDocument } from '../../schemas/stats.ts';
import { openLabels } from '../../sinks/label-rows.ts';
import { openStats } from '../../sinks/stats.ts';
import { readDocument, writeDocument } from '../../sinks/stats-documents.ts';
import { connectStore, datasetTables, type Store } from '../../sinks/store.ts';
import { type Group, statsDocument } from './document.ts';
import { reduce } from './reduce.ts';
import { type Ask, type CountedEpisode, type Scope, scopeOf } from './scope.ts';

export interface StatsOptions extends Ask {
  readonly store: string;
  readonly signal?: AbortSignal;
  /** Told after every read. */
  progress?(done: StatsWork): void;
}

export interface StatsWork {
  /** Read now; all others were known. */
  readonly episodes: number;
  readonly rows: number;
}

export interface MadeStats extends StatsWork {
  /** Digest of everything that the document was made of. */
  readonly key: string;
  readonly document: StatsDocument;
  /** The document as it is stored, byte for byte. */
  readonly json: string;
  /** True where the same was asked before and nothing has changed. */
  readonly known: boolean;
}

/** @throws PrepError as `scopeOf`, and `store` */
export async function makeStats(options: StatsOptions): Promise<MadeStats> {
  const store = await connectStore(options.store);
  try {
    const scope = await scopeOf(store, options);
    const key = digestOf(scope);
    const json = await readDocument(store, key);
    if (json !== null) return { key, json, document: JSON.parse(json), known: true, episodes: 0, rows: 0 };
    return await compute(store, scope, key, options);
  } finally {
    store.connection.close();
  }
}

function digestOf({ plan, harmony, entries, unlike }: Scope): string {
  const hash = createHash('sha256');
  const head = entries.map(({ name, dataset, weight, withoutRows }) => [name, dataset, weight, withoutRows]);
  hash.update(JSON.stringify([STATS_VERSION, plan, harmony, unlike, head]));
  for (const { episodes } of entries) {
    hash.update('\0');
    for (const { key } of episodes) hash.update(key);
  }
  return hash.digest('hex').slice(0, 32);
}

async function compute(store: Store, scope: Scope, key: string, options: StatsOptions): Promise<MadeStats> {
  const work = { episodes: 0, rows: 0 };
  const groups: Group[] = [];
  for (const [dataset, facts] of scope.datasets) {
    const own = scope.entries.flatMap((entry, index) => (entry.dataset === dataset ? [{ entry, index }] : []));
    const labels = (await openLabels(store, datasetTables(dataset).steps))!;
    const stats = await openStats(store, dataset);
    const before = work.episodes;
    const note = (episodes: number, rows: number): void => {
      work.episodes += episodes;
      work.rows += rows;
      options.progress?.(work);
    };
    const { metadata } = facts;
    const reading = { metadata, harmony: scope.harmony, labels, stats, note, signal: options.signal };
    try {
      for (const { entry, index } of own)
        for (const [robot, episodes] of byRobot(entry.episodes))
          groups.push({ entry: index, robot, ...(await reduce(episodes, reading)) });
      if (work.episodes === before) continue;
      const known = new Set([...facts.places.byKey].map(([episode, { fingerprint }]) => `${episode}/${fingerprint}`));
      await stats.prune((episode, fingerprint) => known.has(`${episode}/${fingerprint}`));
      await stats.compact();
    } finally {
      stats.close();
      labels.close();
    }
  }
  groups.sort((a, b) => a.entry - b.entry || (a.robot < b.robot ? -1 : 1));
  const document = statsDocument(scope, groups);
  const json = `${JSON.stringify(document)}\n`;
  await writeDocument(store, { key, plan: scope.plan ?? '', document, json });
  return { key, json, document, known: false, ...work };
}

function byRobot(episodes: readonly CountedEpisode[]): [string, CountedEpisode[]][] {
  const robots = new Map<string, CountedEpisode[]>();
  for (const one of episodes) {
    const known = robots.get(one.place.robot);
    if (known) known.push(one);
    else robots.set(one.place.robot, [one]);
  }
  return [...robots].sort(([a], [b]) => (a < b ? -1 : 1));
}
