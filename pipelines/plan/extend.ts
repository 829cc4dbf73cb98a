/**
 * One more segment of a plan, over what the store holds now. Draws that exist keep meaning what they meant: new episodes become a
 * domain of their own, and episodes that are gone (replaced by a new revision, or set aside) are passed over from here on.
 */
import { PrepError } from '../../schemas/errors.ts';
import type { Mixture } from '../../schemas/mixture.ts';
import { type DomainState, PLAN_VERSION, type Segment, type SegmentEntry } from '../../schemas/plan.ts';
import { insertSegment, readDomains, readSegments, type StoredSegment, writeDomains } from '../../sinks/plans.ts';
import type { Store } from '../../sinks/store.ts';
import { bijection } from '../../transforms/order/bijection.ts';
import { high, keyOf, low, PURPOSE } from '../../transforms/order/hash.ts';
import { type OpenDomain, openDomain, quotasOf } from '../../transforms/order/quotas.ts';
import { turnsOf } from '../../transforms/order/turns.ts';
import { compatible } from './compatible.ts';
import { type Domain, sorted } from './domain.ts';
import { type GatheredEntry, gather } from './gather.ts';
import { checkDraws, checkIntrinsics, domainAttempt } from './make.ts';
import { planReport } from './report.ts';

export interface Extension {
  readonly segment: Segment;
  /** False where somebody else has appended that segment before. */
  readonly made: boolean;
  readonly newEpisodes: number;
  readonly goneEpisodes: number;
  readonly report: ReturnType<typeof planReport>;
}

/** @throws PrepError `unknown-plan`, `nothing-eligible`, `unlike-datasets` */
export async function extendPlan(store: Store, plan: string, draws: number): Promise<Extension> {
  checkDraws(draws);
  const segments = await readSegments(store, plan);
  const last = segments.at(-1)!;
  const mixture = last.mixture as Mixture;
  const gathered = await gather(store, mixture);
  const { harmony } = compatible([...gathered.metadata], mixture);
  checkIntrinsics(gathered, mixture);
  if (JSON.stringify(harmony) !== JSON.stringify(last.harmony)) throw otherHarmony(plan, last.harmony, harmony);
  const known = await domainsOf(store, plan, segments);
  const building: Building = { seed: last.segment.seed, next: 1 + Math.max(...known.keys()), known, made: new Map() };
  const turns = turnsOf(last.segment.entries.map(({ weight }) => weight));
  const turn = last.segment.turn + last.segment.draws;
  let [newEpisodes, goneEpisodes] = [0, 0];
  const entries = last.segment.entries.map((before, k): SegmentEntry => {
    const { open, added, gone } = openDomains(before, gathered.entries[k]!, building);
    newEpisodes += added;
    goneEpisodes += gone;
    const count = turns.before(k, turn + draws) - turns.before(k, turn);
    const { name, dataset, weight } = before;
    return { name, dataset, weight, ...quotasOf(count, open) };
  });
  const named = new Set(
    entries.flatMap(({ runs, after }) =>
      [...runs.flatMap(({ pieces }) => pieces), ...after].map(({ domain }) => domain),
    ),
  );
  const size = (id: number) => (building.made.get(id) ?? known.get(id))!.size;
  const segment: Segment = {
    plan,
    segment: last.segment.segment + 1,
    start: last.segment.start + last.segment.draws,
    draws,
    seed: last.segment.seed,
    turn,
    entries,
    domains: Object.fromEntries([...named].sort((a, b) => a - b).map((id) => [id, size(id)])),
  };
  const all = new Map([...known, ...building.made].filter(([id]) => named.has(id)));
  const report = planReport(segment, gathered.entries, noted(segment, all, gathered.entries), harmony.dt);
  const attempt = domainAttempt();
  await writeDomains(
    store,
    plan,
    attempt,
    // What a later pass would have drawn from is made again when that pass comes: stored every time, it would fill the store.
    [...building.made].filter(([domain]) => named.has(domain)).map(([domain, one]) => ({ domain, ...one })),
  );
  const row: StoredSegment = {
    segment,
    version: PLAN_VERSION,
    domainAttempt: attempt,
    mixture,
    harmony,
    report,
    createdMs: Date.now(),
  };
  return { segment, made: await insertSegment(store, row), newEpisodes, goneEpisodes, report };
}

const otherHarmony = (plan: string, found: object, expected: object): PrepError =>
  new PrepError({
    code: 'unlike-datasets',
    at: { field: plan },
    expected: `rows as in the plan's first segment (${JSON.stringify(found)})`,
    found: JSON.stringify(expected),
    remedy: 'make a new plan: a dataset was ingested or relabelled with other options',
  });

export async function domainsOf(
  store: Store,
  plan: string,
  segments: readonly StoredSegment[],
): Promise<Map<number, Domain>> {
  const ranges = await readDomains(store, plan, [...new Set(segments.map(({ domainAttempt: one }) => one))]);
  return new Map(
    ranges.map(({ domain, keys, starts, ends }) => [
      domain,
      sorted(keys, starts, ends, new Int32Array(keys.length).fill(-1)),
    ]),
  );
}

export interface Building {
  readonly seed: number;
  next: number;
  readonly known: ReadonlyMap<number, Domain>;
  readonly made: Map<number, Domain>;
}

/**
 * The domains of an entry as the new segment finds them: those before, less what is gone, and one of what is new. An episode
 * of which other steps are eligible now (its flags changed) is gone, and new.
 */
export function openDomains(
  before: Pick<SegmentEntry, 'after' | 'name' | 'dataset'>,
  entry: Pick<GatheredEntry, 'eligible'>,
  building: Building,
) {
  const now = entry.eligible.build();
  const places = new Map<bigint, number>();
  for (let i = now.keys.length - 1; i >= 0; i--) places.set(now.keys[i]!, i);
  const seen = new Set<bigint>();
  let gone = 0;
  const open = before.after.flatMap((state): OpenDomain[] => {
    const domain = building.known.get(state.domain)!;
    const eligible = unchanged(domain, now, places);
    for (const key of eligible) seen.add(key);
    const dead = domain.keys.reduce((count, key) => count + (eligible.has(key) ? 0 : 1), 0);
    if (dead === 0) return [openDomain(state)];
    gone += new Set(domain.keys.filter((key) => !eligible.has(key))).size;
    return withoutDead(state, domain, eligible, building);
  });
  const fresh = chosen(now, (key) => !seen.has(key));
  if (fresh.size > 0)
    open.push(openDomain({ domain: addDomain(building, fresh), size: fresh.size, pass: 0, cursor: 0 }));
  const left = open.reduce((sum, { size, next }) => sum + Math.max(size, next.size), 0);
  if (open.length === 0 || left === 0)
    throw new PrepError({
      code: 'nothing-eligible',
      at: { dataset: before.dataset, field: before.name },
      expected: 'steps that the rules leave',
      found: 'none any more',
      remedy: 'make a new plan without the entry',
    });
  return { open, added: new Set(fresh.keys).size, gone };
}

/** Episodes of a domain whose eligible steps are still the same. @param places key → its first range in `now` */
function unchanged(domain: Domain, now: Domain, places: ReadonlyMap<bigint, number>): Set<bigint> {
  const same = new Set<bigint>();
  for (let from = 0; from < domain.keys.length; ) {
    const key = domain.keys[from]!;
    const at = places.get(key) ?? -1;
    let [n, equal] = [0, at >= 0];
    for (; domain.keys[from + n] === key; n++)
      equal &&=
        now.keys[at + n] === key &&
        now.starts[at + n] === domain.starts[from + n] &&
        now.ends[at + n] === domain.ends[from + n];
    if (equal && now.keys[at + n] !== key) same.add(key);
    from += n;
  }
  return same;
}

/** The rest of the current pass without the dead steps; later passes draw from a domain that lacks them. */
function withoutDead(
  state: DomainState,
  domain: Domain,
  eligible: ReadonlySet<bigint>,
  building: Building,
): OpenDomain[] {
  const order = bijection(
    state.size,
    keyOf(building.seed, PURPOSE.step, state.domain, low(state.pass), high(state.pass)),
  );
  const skip: number[] = [];
  for (const [i, key] of domain.keys.entries()) {
    if (eligible.has(key)) continue;
    for (let step = domain.starts[i]!; step < domain.ends[i]!; step++) {
      const position = order.inverse(domain.firsts[i]! + step - domain.starts[i]!);
      if (position >= state.cursor) skip.push(position);
    }
  }
  const alive = chosen(domain, (key) => eligible.has(key));
  if (alive.size === 0) return [];
  skip.sort((a, b) => a - b);
  return [{ ...state, skip, next: { domain: addDomain(building, alive), size: alive.size } }];
}

function addDomain(building: Building, domain: Domain): number {
  const id = building.next++;
  building.made.set(id, domain);
  return id;
}

function chosen({ keys, starts, ends, notes }: Domain, takes: (key: bigint) => boolean): Domain {
  const which = [...keys.keys()].filter((i) => takes(keys[i]!));
  const pick = (values: Int32Array) => Int32Array.from(which, (i) => values[i]!);
  return sorted(
    BigInt64Array.from(which, (i) => keys[i]!),
    pick(starts),
    pick(ends),
    pick(notes),
  );
}

/** The same domains with each range's episode as its entry's lists count them; −1 for what is gone. */
function noted(
  segment: Segment,
  domains: ReadonlyMap<number, Domain>,
  entries: readonly GatheredEntry[],
): Map<number, Domain> {
  const out = new Map<number, Domain>();
  for (const [k, { runs, after }] of segment.entries.entries()) {
    const { keys, notes } = entries[k]!.eligible.build();
    const places = new Map(Array.from(keys, (key, i) => [key, notes[i]!]));
    for (const { domain } of [...runs.flatMap(({ pieces }) => pieces), ...after]) {
      const one = domains.get(domain)!;
      out.set(domain, { ...one, notes: Int32Array.from(one.keys, (key) => places.get(key) ?? -1) });
    }
  }
  return out;
}
