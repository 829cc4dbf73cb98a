/** How an entry's draws of one segment are taken from its domains: exact quotas, no step twice within a pass. */
import type { DomainState, Piece, Run } from '../../schemas/plan.ts';

/** A domain as the next segment finds it. */
export interface OpenDomain extends DomainState {
  /** Positions of the current pass, ascending and ≥ `cursor`, whose steps are no longer valid. */
  readonly skip: readonly number[];
  /** What later passes draw from: the domain itself, or one without the steps that are no longer valid. */
  readonly next: { readonly domain: number; readonly size: number };
}

export const openDomain = (state: DomainState): OpenDomain => ({
  ...state,
  skip: [],
  next: { domain: state.domain, size: state.size },
});

export interface Quotas {
  readonly runs: readonly Run[];
  readonly after: readonly DomainState[];
}

/**
 * First the rest of the current pass, every domain by what it has left, so that new data is neither starved nor preferred;
 * then whole passes over all domains; then the begin of another. @param domains at least one with a valid step
 */
export function quotasOf(draws: number, domains: readonly OpenDomain[]): Quotas {
  const runs: Run[] = [];
  const left = domains.map(({ size, cursor, skip }) => size - cursor - skip.length);
  const first = Math.min(draws, sum(left));
  const counts = apportion(first, left);
  const pieces = domains.map(
    ({ domain, pass, cursor, skip }, i): Piece => ({
      domain,
      pass,
      from: cursor,
      count: counts[i]!,
      ...(skip.length > 0 ? { skip } : {}),
    }),
  );
  addRun(runs, 1, pieces);
  const rest = draws - first;
  if (rest === 0) return { runs, after: domains.map((one, i) => stateAfter(one, counts[i]!)) };
  const fresh = domains.map(({ domain, pass, next }) =>
    next.domain === domain ? { ...next, pass: pass + 1 } : { ...next, pass: 0 },
  );
  const sizes = fresh.map(({ size }) => size);
  const whole = Math.floor(rest / sum(sizes));
  addRun(
    runs,
    whole,
    fresh.map(({ domain, size, pass }) => ({ domain, pass, from: 0, count: size })),
  );
  const begun = apportion(rest % sum(sizes), sizes);
  addRun(
    runs,
    1,
    fresh.map(({ domain, pass }, i) => ({ domain, pass: pass + whole, from: 0, count: begun[i]! })),
  );
  const partly = rest % sum(sizes) > 0;
  const after = fresh.map(({ domain, size, pass }, i) =>
    partly
      ? { domain, size, pass: pass + whole, cursor: begun[i]! }
      : { domain, size, pass: pass + whole - 1, cursor: size },
  );
  return { runs, after };
}

function addRun(runs: Run[], repeat: number, pieces: readonly Piece[]): void {
  const drawn = pieces.filter(({ count }) => count > 0);
  if (repeat > 0 && drawn.length > 0) runs.push({ draws: sum(drawn.map(({ count }) => count)), repeat, pieces: drawn });
}

/** The cursor after `count` valid positions, with the gaps among them. */
function stateAfter({ domain, size, pass, cursor, skip }: OpenDomain, count: number): DomainState {
  let next = cursor + count;
  for (const gap of skip) if (gap < next) next++;
  return { domain, size, pass, cursor: next };
}

/** `total` split in proportion to `shares`, by largest remainder, never more than the share itself. @param total ≤ their sum */
export function apportion(total: number, shares: readonly number[]): number[] {
  const all = sum(shares);
  if (total === 0 || all === 0) return shares.map(() => 0);
  // Products of whole numbers may pass 2^53: BigInt keeps them exact.
  const parts = shares.map((share) => BigInt(total) * BigInt(share));
  const counts = parts.map((part) => Number(part / BigInt(all)));
  const order = parts
    .map((part, i) => ({ i, remainder: part % BigInt(all) }))
    .sort((a, b) => (a.remainder === b.remainder ? a.i - b.i : a.remainder > b.remainder ? -1 : 1));
  let left = total - sum(counts);
  for (const { i } of order) {
    if (left === 0) break;
    if (counts[i]! >= shares[i]!) continue;
    counts[i]!++;
    left--;
  }
  return counts;
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
