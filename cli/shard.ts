/** `prep shard` and `prep read`: a plan's rows as tables in draw order, and as a trainer sees them. */

import type { MissingFeatures } from '../pipelines/features/reader.ts';
import { openPlanReader } from '../pipelines/mixed/reader.ts';
import { makeShards } from '../pipelines/shard/shard.ts';
import { EXIT } from '../schemas/errors.ts';
import { featureValues } from '../schemas/features.ts';
import type { MixedRows } from '../schemas/mixed-row.ts';
import { SHARD_DRAWS } from '../schemas/plan.ts';
import { storeToOpen } from '../sinks/store.ts';
import { onInterrupt } from './interrupt.ts';
import { integer, part, positive, range } from './options.ts';
import { bytes, duration, openOutput } from './print.ts';

interface ShardWords {
  readonly plan: string;
  readonly size?: string;
  readonly shard?: string;
  readonly range?: string;
  readonly replace?: boolean;
  readonly json?: boolean;
}

export async function shard(store: string, words: ShardWords): Promise<number> {
  const out = openOutput(words.json ?? false);
  const request = {
    store: storeToOpen(store),
    plan: words.plan,
    size: positive('--size', words.size) ?? SHARD_DRAWS,
    part: part(words.shard),
    range: words.range === undefined ? null : range(words.range),
    replace: words.replace ?? false,
  };
  const interrupt = onInterrupt((text) => void process.stderr.write(`${text}\n`));
  const progress = (done: number, total: number): void =>
    void (words.json ? undefined : process.stderr.write(`shard ${done} of ${total}\n`));
  const report = await makeShards(request, { signal: interrupt.signal, progress }).finally(interrupt.release);
  const text = [
    `plan ${report.plan}: ${report.made} shards made, ${report.there} were there (${report.shards} in all)`,
    `  ${report.rows} rows, ${bytes(report.bytes)} of pictures in ${duration(report.seconds)}; ${report.compared} rows compared byte for byte with their source`,
  ].join('\n');
  out.result(report, text);
  return report.state === 'interrupted' ? EXIT.interrupted : EXIT.done;
}

interface ReadWords {
  readonly plan: string;
  readonly batch: string;
  readonly rank: string;
  readonly world: string;
  readonly start: string;
  readonly batches?: string;
  readonly from?: 'shards' | 'plan';
  readonly images: boolean;
  readonly features?: string;
  readonly report?: boolean;
  readonly json?: boolean;
}

export async function read(store: string, words: ReadWords): Promise<number> {
  const out = openOutput(words.json ?? false);
  const [opened, cpu] = [performance.now(), process.cpuUsage()];
  const reader = await openPlanReader({
    store: storeToOpen(store),
    plan: words.plan,
    batch: integer('--batch', words.batch),
    rank: integer('--rank', words.rank),
    world: integer('--world', words.world),
    startStep: integer('--start', words.start),
    images: words.images,
    ...(words.from ? { from: words.from } : {}),
    ...(words.features === undefined ? {} : { features: { set: words.features, compute: noFeatures } }),
  });
  const most = positive('--batches', words.batches) ?? Number.POSITIVE_INFINITY;
  const tally = newTally();
  let firstBatch = 0;
  let without = 0;
  for await (const { rows, features } of reader.batches()) {
    without += features?.missing ?? 0;
    if (tally.batches === 0) firstBatch = (performance.now() - opened) / 1000;
    count(tally, rows);
    if (tally.batches >= most) break;
  }
  const seconds = (performance.now() - opened) / 1000;
  const used = process.cpuUsage(cpu);
  const state = reader.state();
  const ideal = words.report ? reader.idealEpisodes() : 0;
  reader.close();
  const rate = tally.rows / seconds;
  const value = {
    from: reader.from,
    state,
    batches: tally.batches,
    rows: tally.rows,
    bytes: tally.bytes,
    seconds,
    firstBatchSeconds: firstBatch,
    rowsPerSecond: rate,
    cpuSecondsPer1000Rows: (used.user + used.system) / 1000 / Math.max(1, tally.rows),
    shares: Object.fromEntries([...tally.datasets].map(([name, rows]) => [name, rows / tally.rows])),
    episodesPerBatch: tally.episodes / Math.max(1, tally.batches),
    // Of the whole batch: a rank's share of it holds fewer.
    idealEpisodesPerBatch: words.report ? ideal : null,
    repeatsPerBatch: tally.repeats / Math.max(1, tally.batches),
    ...(words.features === undefined ? {} : { features: words.features, withoutFeatures: without }),
  };
  const report = words.report
    ? [
        ...Object.entries(value.shares).map(([name, share]) => `  ${name}: ${(100 * share).toFixed(2)} % of the rows`),
        `  episodes per batch: ${value.episodesPerBatch.toFixed(1)}, an ideal shuffle ${ideal.toFixed(1)}; steps repeated within a batch: ${value.repeatsPerBatch.toFixed(2)}`,
      ]
    : [];
  out.result(
    value,
    [
      `${tally.batches} batches, ${tally.rows} rows from ${reader.from} in ${duration(seconds)}: ${rate.toFixed(0)} rows/s, first batch after ${firstBatch.toFixed(2)} s; ${bytes(tally.bytes)} of pictures`,
      ...(words.features === undefined
        ? []
        : [`  features ${words.features}: ${tally.rows - without} of ${tally.rows} rows have them`]),
      `  goes on at --start ${state.step}`,
      ...report,
    ].join('\n'),
  );
  return EXIT.done;
}

/** Rows without features are counted here, not computed. */
const noFeatures = async ({ set, at }: MissingFeatures): Promise<Float32Array> =>
  new Float32Array(at.length * set.views.length * featureValues(set));

const newTally = () => ({
  batches: 0,
  rows: 0,
  bytes: 0,
  episodes: 0,
  repeats: 0,
  datasets: new Map<string, number>(),
});

function count(tally: ReturnType<typeof newTally>, rows: MixedRows): void {
  tally.batches++;
  tally.rows += rows.count;
  for (const jpegs of Object.values(rows.images)) for (const jpeg of jpegs) tally.bytes += jpeg.length;
  for (const name of rows.dataset) tally.datasets.set(name, (tally.datasets.get(name) ?? 0) + 1);
  tally.episodes += new Set(rows.episodeKey).size;
  tally.repeats += rows.count - new Set(Array.from(rows.episodeKey, (key, i) => `${key}/${rows.step[i]}`)).size;
}
