/** The failure budget: how many damaged episodes a part may have before it is the source that is wrong. */

export interface SeenEpisodes {
  readonly kept: number;
  readonly rejected: number;
  readonly quarantined: number;
}

/** While running, a share is judged only from this many episodes on: one bad episode among the first three says nothing. */
const JUDGED_FROM = 20;
/** At the end, so many quarantined episodes are tolerated in a set too small for a share. */
const TOLERATED = 2;

/** True when more than `share` of all episodes seen in this part, earlier runs included, are quarantined. */
export function overBudget(seen: SeenEpisodes, share: number, when: 'running' | 'ended'): boolean {
  // A share of zero is no estimate that small numbers could mislead: whoever says 0 wants to hear of the first.
  if (share === 0) return seen.quarantined > 0;
  const total = seen.kept + seen.rejected + seen.quarantined;
  const judged = when === 'running' ? total >= JUDGED_FROM : total >= JUDGED_FROM || seen.quarantined > TOLERATED;
  return judged && seen.quarantined > share * total;
}
