/** The memory sink: same contract, nothing durable; for tests and `--dry-run`. */
import type { EpisodeOutcome } from '../schemas/episode.ts';
import { newGuard, outcomeBytes } from './guard.ts';
import { ledgerView, type RecordedEpisode, type Sink, type SinkEnd } from './sink.ts';

export interface MemorySink extends Sink {
  /** What was committed, in order. */
  readonly outcomes: readonly EpisodeOutcome[];
  /** How it was closed; null while open. */
  readonly ended: SinkEnd | null;
}

export interface MemorySinkOptions {
  /** What earlier runs recorded: another sink's `outcomes` through `recordedOutcome`, or a store's view. */
  readonly recorded?: Iterable<RecordedEpisode>;
  readonly groupBytes?: number;
}

export function openMemorySink({ recorded = [], groupBytes = 64e6 }: MemorySinkOptions = {}): MemorySink {
  const view = ledgerView(recorded);
  const guard = newGuard(view, new Map());
  const outcomes: EpisodeOutcome[] = [];
  let pending: EpisodeOutcome[] = [];
  let bytes = 0;
  let ended: SinkEnd | null = null;
  const stats = { groups: 0, bytesWritten: 0, rows: 0 };
  const commit = async () => {
    if (pending.length === 0) return;
    outcomes.push(...pending);
    stats.groups++;
    stats.bytesWritten += bytes;
    stats.rows += pending.reduce((sum, outcome) => sum + (outcome.rows?.steps ?? 0), 0);
    pending = [];
    bytes = 0;
  };
  return {
    recorded: view,
    outcomes,
    get ended() {
      return ended;
    },
    get stats() {
      return { ...stats };
    },
    async add(outcome) {
      guard.attemptOf(outcome);
      pending.push(outcome);
      bytes += outcomeBytes(outcome);
      if (bytes >= groupBytes) await commit();
    },
    commit,
    async close(end) {
      await commit();
      ended = end;
    },
  };
}

/** What a later sink's view shows of a committed outcome. */
export function recordedOutcome({ ledger, rows }: EpisodeOutcome, attempt = 1): RecordedEpisode {
  const { episode, sourceId, record: place, state, reason, sourceDigest: digest, fingerprint, length } = ledger;
  return { episode, sourceId, place, state, reason, attempt, digest, fingerprint, length, rows: rows?.steps ?? 0 };
}
