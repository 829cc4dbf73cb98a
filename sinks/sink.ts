/** What a pipeline sees of a sink, and the in-memory index of what earlier runs committed. */
import type { EpisodeOutcome, EpisodeState, RecordPlace } from '../schemas/episode.ts';
import type { Code } from '../schemas/errors.ts';

/** What an earlier run committed for one episode: its latest attempt. */
export interface RecordedEpisode {
  readonly episode: string;
  readonly sourceId: string;
  readonly place: RecordPlace;
  readonly state: EpisodeState;
  /** '' when kept. */
  readonly reason: Code | '';
  readonly attempt: number;
  /** Hex sha-256 of the episode's bytes. */
  readonly digest: string;
  readonly fingerprint: string;
  /** Steps of the source episode. */
  readonly length: number;
  /** Step rows: fewer than `length` where only drawn steps were made, 0 where only the index was. */
  readonly rows: number;
}

/** What earlier runs committed, as it was when the sink opened; read from the ledger's keys, never from the steps. */
export interface LedgerView {
  all(): Iterable<RecordedEpisode>;
  /** The episode last recorded at a `placeKey`. */
  at(placeKey: string): RecordedEpisode | undefined;
  byEpisode(id: string): RecordedEpisode | undefined;
  readonly size: number;
}

export interface SinkStats {
  readonly groups: number;
  readonly bytesWritten: number;
  readonly rows: number;
}

export type EndState = 'done' | 'interrupted' | 'failed';

export interface SinkEnd {
  readonly state: EndState;
  /** Goes as JSON into the log of the part and comes back from `readRuns`. */
  readonly summary: object;
}

/**
 * Where outcomes become durable. `add` takes ownership of the outcome until its group is committed and resolves when there
 * is room for the next: awaiting it is the brake. After an error nothing more is accepted; `close` then only marks the
 * part, and what was committed stays.
 */
export interface Sink {
  readonly recorded: LedgerView;
  add(outcome: EpisodeOutcome): Promise<void>;
  /** Commits what is buffered. */
  commit(): Promise<void>;
  close(end: SinkEnd): Promise<void>;
  readonly stats: SinkStats;
}

/** Name of a place in the source, the same for every attempt on it. */
export const placeKey = (split: string, shard: string, offset: number): string => `${split}/${shard}#${offset}`;

/** `episodes` holds one entry per episode id: its latest attempt. */
export function ledgerView(episodes: Iterable<RecordedEpisode>): LedgerView {
  const byId = new Map<string, RecordedEpisode>();
  const byPlace = new Map<string, RecordedEpisode>();
  for (const episode of episodes) {
    byId.set(episode.episode, episode);
    byPlace.set(placeKey(episode.place.split, episode.place.shard, episode.place.offset), episode);
  }
  return {
    all: () => byId.values(),
    at: (key) => byPlace.get(key),
    byEpisode: (id) => byId.get(id),
    size: byId.size,
  };
}
