/** What every sink checks of an outcome before it takes it, and what it counts of it. */
import type { EpisodeOutcome } from '../schemas/episode.ts';
import { PrepError } from '../schemas/errors.ts';
import type { LedgerView } from './sink.ts';

export interface Guard {
  /**
   * The attempt that this outcome will be: one more than the episode's last. Throws `key-collision` when another episode
   * has its key and `duplicate-id` when it was added to this sink before.
   */
  attemptOf(outcome: EpisodeOutcome): number;
}

/** `keys` (episode_key → episode id, what is in the store) is taken over and grows. */
export function newGuard(view: LedgerView, keys: Map<bigint, string>): Guard {
  const added = new Set<string>();
  return {
    attemptOf({ ledger: entry }) {
      const at = { shard: entry.shard, episode: entry.episode };
      if (added.has(entry.episode))
        throw new PrepError({
          code: 'duplicate-id',
          at,
          expected: 'an episode once per run',
          found: 'it a second time',
        });
      const holder = keys.get(entry.episodeKey);
      if (holder !== undefined && holder !== entry.episode)
        throw new PrepError({
          code: 'key-collision',
          at,
          expected: 'a 63-bit key of its own',
          found: `that ${holder} has key ${entry.episodeKey} too`,
          remedy: 'exclude one of the two episodes',
        });
      added.add(entry.episode);
      keys.set(entry.episodeKey, entry.episode);
      return (view.byEpisode(entry.episode)?.attempt ?? 0) + 1;
    },
  };
}

/** Bytes that an outcome holds: pictures, numbers, poses; texts are noise beside them. */
export function outcomeBytes({ rows, track }: EpisodeOutcome): number {
  const numbers = rows ? [rows.action, rows.history, rows.proprio, rows.camera, rows.imageHash, rows.time] : [];
  const pictures = rows ? Object.values(rows.images).map((jpegs) => jpegs.data) : [];
  const poses = track ? [track.baseFromEe, ...track.cameras.map((camera) => camera.baseFromCam)] : [];
  return [...numbers, ...pictures, ...poses].reduce((sum, values) => sum + values.byteLength, 0);
}
