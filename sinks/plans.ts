/** The tables of plans: a segment counts from the moment its row in `plans` is inserted, which happens once. */
import { PrepError } from '../schemas/errors.ts';
import { shardIndex } from '../schemas/mixed-row.ts';
import { PLAN_VERSION, type Segment } from '../schemas/plan.ts';
import { domainSchema, domainTable, planSchema } from '../schemas/plan-tables.ts';
import * as column from './columns.ts';
import { scan } from './scan.ts';
import { attempt, insertAbsent, openIfThere, openOrCreate, quoted, type Store } from './store.ts';

export interface StoredSegment {
  readonly segment: Segment;
  readonly version: number;
  readonly domainAttempt: bigint;
  readonly mixture: object;
  readonly harmony: object;
  readonly report: object;
  readonly createdMs: number;
}

/** Columns of a domain's ranges, in ordinal order. */
export interface DomainRanges {
  readonly domain: number;
  readonly keys: BigInt64Array;
  readonly starts: Int32Array;
  readonly ends: Int32Array;
}

/** Rows of one `add`: larger ones cost memory several times over. */
const ROWS_PER_ADD = 1_000_000;

export async function writeDomains(
  store: Store,
  plan: string,
  number: bigint,
  domains: readonly DomainRanges[],
): Promise<void> {
  const name = domainTable(plan);
  const table = await openOrCreate(store, name, domainSchema());
  try {
    await attempt(store.uri, `write ${name}`, async () => {
      for (const { domain, keys, starts, ends } of domains)
        for (let from = 0; from < keys.length; from += ROWS_PER_ADD) {
          const part = keys.subarray(from, from + ROWS_PER_ADD);
          await table.add(
            column.tableOf(domainSchema(), [
              [
                column.int64s(new BigInt64Array(part.length).fill(number)),
                column.int32s(new Int32Array(part.length).fill(domain)),
                column.int64s(part),
                column.int32s(starts.subarray(from, from + ROWS_PER_ADD)),
                column.int32s(ends.subarray(from, from + ROWS_PER_ADD)),
              ],
            ]),
          );
        }
    });
  } finally {
    table.close();
  }
}

/** All ranges of a plan's domains that its segments name. */
export async function readDomains(store: Store, plan: string, attempts: readonly bigint[]): Promise<DomainRanges[]> {
  const table = await openIfThere(store, domainTable(plan));
  if (!table) throw unknownPlan(store, plan, 'no domain table');
  try {
    const chunks = new Map<number, { keys: BigInt64Array[]; starts: Int32Array[]; ends: Int32Array[] }>();
    const wanted = table.query().select(['domain', 'episode_key', 'start', 'end']);
    for await (const batch of scan(wanted.where(`attempt IN (${attempts.join(', ')})`))) {
      const of = <T>(name: string) => batch.getChild(name)!.toArray() as T;
      const [domains, keys] = [of<Int32Array>('domain'), of<BigInt64Array>('episode_key')];
      const [starts, ends] = [of<Int32Array>('start'), of<Int32Array>('end')];
      for (let from = 0; from < domains.length; ) {
        let to = from;
        while (to < domains.length && domains[to] === domains[from]) to++;
        const into = chunks.get(domains[from]!) ?? { keys: [], starts: [], ends: [] };
        into.keys.push(keys.slice(from, to));
        into.starts.push(starts.slice(from, to));
        into.ends.push(ends.slice(from, to));
        chunks.set(domains[from]!, into);
        from = to;
      }
    }
    return [...chunks]
      .sort(([a], [b]) => a - b)
      .map(([domain, { keys, starts, ends }]) => ({
        domain,
        keys: joined(keys, BigInt64Array),
        starts: joined(starts, Int32Array),
        ends: joined(ends, Int32Array),
      }));
  } finally {
    table.close();
  }
}

function joined<T extends BigInt64Array | Int32Array>(parts: readonly T[], kind: new (length: number) => T): T {
  const all = new kind(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    (all as Int32Array).set(part as Int32Array, at);
    at += part.length;
  }
  return all;
}

const segmentKey = ({ plan, segment }: Segment): string => `${plan}/${segment}`;

/** False where somebody else has inserted that segment before. */
export async function insertSegment(store: Store, row: StoredSegment): Promise<boolean> {
  const table = await openOrCreate(store, 'plans', planSchema());
  const { segment } = row;
  try {
    const inserted = await attempt(store.uri, 'write the plan', () =>
      insertAbsent(
        table,
        'key',
        column.tableOf(planSchema(), [
          [
            column.texts([segmentKey(segment)]),
            column.texts([segment.plan]),
            column.int32s([segment.segment]),
            column.int32s([row.version]),
            column.int64s([BigInt(segment.start)]),
            column.int64s([BigInt(segment.draws)]),
            column.int64s([row.domainAttempt]),
            column.texts([JSON.stringify(segment)]),
            column.texts([JSON.stringify(row.mixture)]),
            column.texts([JSON.stringify(row.harmony)]),
            column.texts([JSON.stringify(row.report)]),
            column.float64s([row.createdMs]),
          ],
        ]),
      ),
    );
    return inserted === 1;
  } finally {
    table.close();
  }
}

/** Segments of one plan in order, or of all plans. @throws PrepError `unknown-plan`, also for one of another version */
export async function readSegments(store: Store, plan?: string): Promise<StoredSegment[]> {
  const table = await openIfThere(store, 'plans');
  const rows = table
    ? await (plan === undefined ? table.query() : table.query().where(`plan = ${quoted(plan)}`)).toArray()
    : [];
  table?.close();
  if (plan !== undefined && rows.length === 0) throw unknownPlan(store, plan, 'no such plan');
  const segments = rows.map(
    (row): StoredSegment => ({
      segment: JSON.parse(row.segment_json),
      version: row.version,
      domainAttempt: BigInt(row.domain_attempt),
      mixture: JSON.parse(row.mixture_json),
      harmony: JSON.parse(row.harmony_json),
      report: JSON.parse(row.report_json),
      createdMs: row.created_ms,
    }),
  );
  const foreign = segments.find(({ version }) => version !== PLAN_VERSION);
  if (plan !== undefined && foreign) throw unknownPlan(store, plan, `version ${foreign.version}`);
  return segments.sort((a, b) =>
    a.segment.plan === b.segment.plan ? a.segment.segment - b.segment.segment : a.createdMs - b.createdMs,
  );
}

const unknownPlan = (store: Store, plan: string, found: string): PrepError =>
  new PrepError({
    code: 'unknown-plan',
    at: { store: store.uri, field: plan },
    expected: `a plan of version ${PLAN_VERSION}`,
    found,
    remedy: 'see `prep plan list`',
  });

/** Removes a plan: its rows first, so that nothing refers to a domain that is gone. */
export async function dropPlan(store: Store, plan: string): Promise<void> {
  await readSegments(store, plan);
  const table = await openOrCreate(store, 'plans', planSchema());
  await attempt(store.uri, 'drop the plan', async () => {
    await table.delete(`plan = ${quoted(plan)}`);
    if (await openIfThere(store, domainTable(plan))) await store.connection.dropTable(domainTable(plan));
    // The same plan may be made again, and then grow otherwise than this one did.
    const shards = await openIfThere(store, shardIndex(plan));
    await shards?.delete('true');
    shards?.close();
  });
  table.close();
}
