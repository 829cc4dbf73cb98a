/** A plan: which step is drawn when. Immutable segments, each a pure description; draws are computed, never stored. */

/** Raise when the same description would mean other draws. */
export const PLAN_VERSION = 1;
/** Consecutive draws within which the order of entries is shuffled: at multiples of it every entry has its share. */
export const SLOT = 16;
/** Largest sum of the weights, after division by their greatest common divisor. */
export const MOST_WEIGHT = 65_536;
/** Draws of a training shard: a multiple of every usual batch and of the paper's weights. */
export const SHARD_DRAWS = 61_440;

/** What is drawn of one domain in a run: positions `from` … `from + count − 1` of the domain's order in a pass. */
export interface Piece {
  readonly domain: number;
  /** Pass over the domain, counted from 0; grows by one with each repetition of the run. */
  readonly pass: number;
  readonly from: number;
  readonly count: number;
  /** Positions (ascending, ≥ `from`) that are passed over because their steps are no longer valid. */
  readonly skip?: readonly number[];
}

/** A stretch of an entry's draws without a repeated step: a pass, the rest of one, or the begin of one. */
export interface Run {
  /** Draws of one repetition: the sum of the pieces. */
  readonly draws: number;
  readonly repeat: number;
  readonly pieces: readonly Piece[];
}

/** How far a domain is drawn when a segment ends. */
export interface DomainState {
  readonly domain: number;
  /** Eligible steps. */
  readonly size: number;
  readonly pass: number;
  /** Next position of that pass; `size` where the pass is over. */
  readonly cursor: number;
}

export interface SegmentEntry {
  readonly name: string;
  readonly dataset: string;
  readonly weight: number;
  readonly runs: readonly Run[];
  /** From which the next segment goes on. */
  readonly after: readonly DomainState[];
}

/** Draws `start` … `start + draws − 1` of a plan. */
export interface Segment {
  readonly plan: string;
  readonly segment: number;
  readonly start: number;
  readonly draws: number;
  readonly seed: number;
  /** Turn of the weighted round at the first draw: a segment with the weights of the one before goes on where that ended. */
  readonly turn: number;
  readonly entries: readonly SegmentEntry[];
  /** Number of eligible steps of each domain that the pieces name. */
  readonly domains: Readonly<Record<number, number>>;
}

/** A draw, before its domain says which episode and step that is. */
export interface Draw {
  /** Index of the entry in the segment. */
  readonly entry: number;
  readonly domain: number;
  /** Ordinal of the step among the eligible steps of the domain. */
  readonly ordinal: number;
}
