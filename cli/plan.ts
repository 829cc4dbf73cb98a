/** `prep plan`: a mixture over a store becomes an immutable plan. */
import { makePlan } from '../pipelines/plan/make.ts';
import { readMixture } from '../pipelines/plan/mixture-file.ts';
import type { PlannedReading } from '../pipelines/plan/planned-reading.ts';
import type { EntryReport } from '../pipelines/plan/report.ts';
import { EXIT, PrepError } from '../schemas/errors.ts';
import { dropPlan, readSegments, type StoredSegment } from '../sinks/plans.ts';
import { connectStore, storeToOpen } from '../sinks/store.ts';
import { integer, positive } from './options.ts';
import { bytes, openOutput, table } from './print.ts';

interface PlanWords {
  readonly mixture: string;
  readonly draws?: string;
  readonly steps?: string;
  readonly batch?: string;
  readonly seed: string;
  readonly report?: boolean;
  readonly json?: boolean;
}

export async function plan(store: string, words: PlanWords): Promise<number> {
  const out = openOutput(words.json ?? false);
  const draws = drawsOf(words);
  const uri = storeToOpen(store);
  const mixture = await readMixture(words.mixture);
  const {
    plan: id,
    made,
    report,
    compatibility,
    reading,
  } = await makePlan({ store: uri, mixture, draws, seed: integer('--seed', words.seed) });
  const value = {
    plan: id,
    made,
    draws,
    report,
    harmony: compatibility.harmony,
    changes: compatibility.changes,
    reading,
  };
  const lines = [
    `plan ${id}: ${draws} draws${made ? '' : ' (was there before)'}`,
    entriesText(report.entries),
    ...compatibility.changes.map((one) => `made alike: ${one}`),
    ...report.entries.flatMap(removedText),
    ...(words.report ? report.entries.flatMap(detailText) : []),
    ...report.warnings.map((one) => `warning: ${one}`),
    ...reading.map((one) => readingText(one, id)),
  ];
  out.result(value, lines.join('\n'));
  return EXIT.done;
}

/** What the second pass over the source will read. */
function readingText({ dataset, episodes, steps, bytes: size, exact, unknown }: PlannedReading, plan: string): string {
  const some = unknown > 0 ? ` and what ${unknown} episodes take whose ledger rows do not say it` : '';
  return `to ingest: ${dataset}: ${steps} rows of ${episodes} episodes, ${exact ? '' : 'at most '}${size} bytes (${bytes(size)})${some} to read: prep ingest ${dataset} … --plan ${plan}`;
}

function drawsOf({ draws, steps, batch }: PlanWords): number {
  if (draws !== undefined && steps === undefined && batch === undefined) return integer('--draws', draws);
  const [many, size] = [positive('--steps', steps), positive('--batch', batch)];
  if (draws === undefined && many !== undefined && size !== undefined) return many * size;
  throw new PrepError({
    code: 'bad-option',
    at: { field: '--draws' },
    expected: '--draws N, or --steps N with --batch B',
    found: draws === undefined ? 'neither' : 'both',
  });
}

function entriesText(entries: readonly EntryReport[]): string {
  const head = [
    'entry',
    'weight',
    'draws',
    'eligible steps',
    'episodes',
    'distinct',
    'passes',
    'most of one episode',
    'largest deviation',
    'instructions',
    'empty',
  ];
  const rows = entries.map((one) => [
    one.name,
    `${one.weight}`,
    `${one.draws}`,
    `${one.eligibleSteps}`,
    `${one.eligibleEpisodes}`,
    `${one.distinctSteps}`,
    one.passes.toFixed(2),
    `${one.mostDrawsOfOneEpisode}`,
    one.largestDeviation.toFixed(2),
    `${one.language.distinct} (most frequent ${(100 * one.language.shareOfMostFrequent).toFixed(1)} %, ${one.language.entropy.toFixed(2)} bits)`,
    `${(100 * one.language.shareEmpty).toFixed(1)} %`,
  ]);
  return table([head, ...rows]);
}

const removedText = ({ name, removed }: EntryReport): string[] =>
  Object.entries(removed).map(([rule, steps]) => `${name}: the rule ${rule} took ${steps} steps`);

function detailText({ name, sourcePeriod, dt, calibration, removedByTask, language }: EntryReport): string[] {
  const [least, most] = sourcePeriod.map((seconds) => seconds.toFixed(4));
  const period = least === most ? least : `${least} to ${most}`;
  return [
    `${name}: recorded every ${period} s, chunk steps every ${dt.toFixed(4)} s`,
    `${name}: most frequent instruction ${JSON.stringify(language.mostFrequent)}`,
    ...Object.entries(calibration).map(
      ([source, share]) => `${name}: ${(100 * share).toFixed(1)} % of the draws from ${source}`,
    ),
    ...removedByTask.map(
      ({ task, steps, kept, rules }) =>
        `${name}: task ${JSON.stringify(task)}: ${steps - kept} of ${steps} steps taken (${Object.entries(rules)
          .map(([rule, many]) => `${rule} ${many}`)
          .join(', ')})`,
    ),
  ];
}

interface StoreWords {
  readonly json?: boolean;
}

export async function planList(store: string, words: StoreWords): Promise<number> {
  const segments = await stored(store);
  const plans = [...new Set(segments.map(({ segment }) => segment.plan))].map((id) => {
    const own = segments.filter(({ segment }) => segment.plan === id);
    const last = own.at(-1)!.segment;
    const entries = last.entries.map(({ name, weight }) => `${name} ${weight}`);
    return { plan: id, segments: own.length, draws: last.start + last.draws, seed: last.seed, entries };
  });
  const rows = plans.map((one) => [
    one.plan,
    `${one.segments}`,
    `${one.draws}`,
    `${one.seed}`,
    one.entries.join(' : '),
  ]);
  const text = rows.length === 0 ? 'no plan yet' : table([['plan', 'segments', 'draws', 'seed', 'entries'], ...rows]);
  openOutput(words.json ?? false).result(plans, text);
  return EXIT.done;
}

export async function planShow(store: string, id: string, words: StoreWords): Promise<number> {
  const segments = await stored(store, id);
  const text = segments.map(({ segment, report }) =>
    [
      `plan ${id}, segment ${segment.segment}: draws ${segment.start} to ${segment.start + segment.draws - 1}`,
      entriesText((report as { entries: EntryReport[] }).entries),
    ].join('\n'),
  );
  const value = segments.map(({ segment, mixture, harmony, report }) => ({ segment, mixture, harmony, report }));
  openOutput(words.json ?? false).result(value, text.join('\n\n'));
  return EXIT.done;
}

export async function planDrop(store: string, id: string, words: StoreWords): Promise<number> {
  const open = await connectStore(storeToOpen(store));
  try {
    await dropPlan(open, id);
  } finally {
    open.connection.close();
  }
  openOutput(words.json ?? false).result({ dropped: id }, `dropped plan ${id}`);
  return EXIT.done;
}

async function stored(store: string, id?: string): Promise<StoredSegment[]> {
  const open = await connectStore(storeToOpen(store));
  try {
    return await readSegments(open, id);
  } finally {
    open.connection.close();
  }
}
