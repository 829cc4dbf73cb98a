/** A mixture over a store → an immutable plan: which step is drawn when. Ledgers are read, steps never. */
import { createHash } from 'node:crypto';
import { PrepError } from '../../schemas/errors.ts';
import type { Mixture } from '../../schemas/mixture.ts';
import { PLAN_VERSION, type Segment, type SegmentEntry, SLOT } from '../../schemas/plan.ts';
import { insertSegment, readSegments, type StoredSegment, writeDomains } from '../../sinks/plans.ts';
import { connectStore, type Store } from '../../sinks/store.ts';
import { openDomain, quotasOf } from '../../transforms/order/quotas.ts';
import { turnsOf } from '../../transforms/order/turns.ts';
import { type Compatibility, compatible } from './compatible.ts';
import type { Domain } from './domain.ts';
import { drawnSteps, newMarks } from './drawn-steps.ts';
import { type Gathered, gather } from './gather.ts';
import { lackingDatasets, type PlannedReading, plannedReading } from './planned-reading.ts';
import { type PlanReport, planReport } from './report.ts';

export interface PlanOptions {
  readonly store: string;
  readonly mixture: Mixture;
  readonly draws: number;
  readonly seed: number;
}

export interface MadePlan {
  readonly plan: string;
  /** False where the same plan was there before. */
  readonly made: boolean;
  readonly segment: Segment;
  readonly report: PlanReport;
  readonly compatibility: Compatibility;
  /** What `prep ingest --plan` has to read, of datasets that lack drawn rows. */
  readonly reading: readonly PlannedReading[];
}

/** @throws PrepError `bad-option`, `unknown-dataset`, `unlike-datasets`, `nothing-eligible` */
export async function makePlan(options: PlanOptions): Promise<MadePlan> {
  checkDraws(options.draws);
  const store = await connectStore(options.store);
  try {
    return await planIn(store, options);
  } finally {
    store.connection.close();
  }
}

/** @throws PrepError `bad-option` for a length that would cut a slot */
export function checkDraws(draws: number): void {
  if (Number.isSafeInteger(draws) && draws > 0 && draws % SLOT === 0) return;
  const near = Math.max(1, Math.round(draws / SLOT)) * SLOT;
  throw new PrepError({
    code: 'bad-option',
    at: { field: '--draws' },
    expected: `a multiple of ${SLOT} (at its multiples every entry has its share)`,
    found: String(draws),
    remedy: `for example ${near}`,
  });
}

async function planIn(store: Store, { mixture, draws, seed }: PlanOptions): Promise<MadePlan> {
  const gathered = await gather(store, mixture);
  const compatibility = compatible([...gathered.metadata], mixture);
  checkIntrinsics(gathered, mixture);
  const domains = new Map(gathered.entries.map((entry, k) => [k, entry.eligible.build()] as const));
  for (const [k, entry] of gathered.entries.entries()) if (domains.get(k)!.size === 0) throw nothingEligible(entry);
  const plan = planId(mixture, compatibility, draws, seed, domains);
  const segment = firstSegment(plan, gathered, domains, draws, seed);
  const lacking = await lackingDatasets(store, [...gathered.metadata.keys()]);
  const ofLacking = new Map([...domains].filter(([k]) => lacking.includes(gathered.entries[k]!.dataset)));
  const marks = newMarks(ofLacking);
  const report = planReport(segment, gathered.entries, domains, compatibility.harmony.dt, marks);
  const reading: PlannedReading[] = [];
  for (const dataset of lacking) {
    const own = new Map([...ofLacking].filter(([k]) => gathered.entries[k]!.dataset === dataset));
    const { format } = gathered.metadata.get(dataset)!;
    reading.push(await plannedReading(store, { dataset, format }, drawnSteps(own, marks)));
  }
  const result = {
    plan,
    segment,
    report: { ...report, warnings: [...compatibility.warnings, ...report.warnings] },
    compatibility,
    reading: reading.filter(({ steps }) => steps > 0),
  };
  if ((await readSegments(store)).some((one) => one.segment.plan === plan)) return { ...result, made: false };
  const number = domainAttempt();
  await writeDomains(
    store,
    plan,
    number,
    [...domains].map(([domain, one]) => ({ domain, ...one })),
  );
  const row: StoredSegment = {
    segment,
    version: PLAN_VERSION,
    domainAttempt: number,
    mixture,
    harmony: compatibility.harmony,
    report: result.report,
    createdMs: Date.now(),
  };
  return { ...result, made: await insertSegment(store, row) };
}

/** Milliseconds and a random part: attempts of two processes must not share a number. */
export const domainAttempt = (): bigint => BigInt(Date.now()) * 4096n + BigInt(Math.floor(Math.random() * 4096));

function firstSegment(
  plan: string,
  { entries }: Gathered,
  domains: ReadonlyMap<number, Domain>,
  draws: number,
  seed: number,
): Segment {
  const turns = turnsOf(entries.map(({ weight }) => weight));
  return {
    plan,
    segment: 0,
    start: 0,
    draws,
    seed,
    turn: 0,
    entries: entries.map(({ name, dataset, weight }, k): SegmentEntry => {
      const state = openDomain({ domain: k, size: domains.get(k)!.size, pass: 0, cursor: 0 });
      return { name, dataset, weight, ...quotasOf(turns.before(k, draws), [state]) };
    }),
    domains: Object.fromEntries([...domains].map(([id, { size }]) => [id, size])),
  };
}

/** The same question over the same content is the same plan. */
function planId(
  mixture: Mixture,
  { harmony }: Compatibility,
  draws: number,
  seed: number,
  domains: ReadonlyMap<number, Domain>,
): string {
  const hash = createHash('sha256');
  hash.update(JSON.stringify([PLAN_VERSION, mixture, harmony, draws, seed]));
  for (const [id, { keys, starts, ends }] of domains) {
    hash.update(`\0${id}\0`);
    for (const values of [keys, starts, ends])
      hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }
  return hash.digest('hex').slice(0, 12);
}

function nothingEligible({ name, dataset, tasks }: Gathered['entries'][number]): PrepError {
  const removed = new Map<string, number>();
  for (const counts of tasks.values())
    for (const [rule, steps] of counts.removed) removed.set(rule, (removed.get(rule) ?? 0) + steps);
  const rules = [...removed].map(([rule, steps]) => `${rule}: ${steps}`).join(', ');
  return new PrepError({
    code: 'nothing-eligible',
    at: { dataset, field: name },
    expected: 'steps that the rules leave',
    found: rules === '' ? 'no kept episode' : `none; steps taken by ${rules}`,
    remedy: 'change the entry’s filter, or leave it out',
  });
}

export function checkIntrinsics({ entries }: Gathered, { needsIntrinsics, allow }: Mixture): void {
  if (!needsIntrinsics || allow.includes('no-intrinsics')) return;
  for (const { name, dataset, sources } of entries) {
    const without = sources.find((source) => source.endsWith(', none'));
    if (without !== undefined)
      throw new PrepError({
        code: 'unlike-datasets',
        at: { dataset, field: name },
        expected: 'intrinsics in every row, which the mixture says it needs',
        found: `episodes whose reference camera has ${without}`,
        remedy: 'ingest with --calibration, filter them out, or allow "no-intrinsics"',
      });
  }
}
