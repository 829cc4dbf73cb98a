/** What a run reads, and which steps of it become rows: all of what is not recorded yet, its index, or what a plan draws. */
import type { LackingEpisode } from '../sinks/lacking.ts';
import type { Sink } from '../sinks/sink.ts';
import type { Found, FoundEpisode } from '../sources/container.ts';
import { lackingFor } from './drawn-reading.ts';
import type { OpenIngest } from './ingest-plan.ts';
import { knownEpisodes, partEpisodes } from './records.ts';
import { selectRecords } from './registry.ts';
import { openTally, type Tally } from './tally.ts';

export interface Selection {
  readonly tally: Tally;
  readonly nothingLeft: boolean;
  /** In source order. */
  records(): AsyncGenerator<FoundEpisode>;
  /** Steps that become rows, ascending; undefined: all. */
  stepsOf(found: Pick<Found, 'place'>): Int32Array | undefined;
}

const NO_STEPS = new Int32Array(0);

/** @throws PrepError of what the request asks for; the sink is closed then */
export async function openSelection(open: OpenIngest, sink: Sink): Promise<Selection> {
  const { plan } = open.request.run;
  try {
    return plan === undefined ? selectWhole(open, sink) : await selectDrawn(open, sink, plan);
  } catch (error) {
    await sink.close({ state: 'failed', summary: {} });
    throw error;
  }
}

/** Everything that is not recorded, or recorded otherwise. */
function selectWhole(open: OpenIngest, sink: Sink): Selection {
  const { table, request, container, excluded } = open;
  const tally = openTally(open, sink);
  const indexOnly = request.run.indexOnly ?? false;
  const retry = new Set(request.run.retry);
  const selection = {
    ...selectRecords(sink.recorded, {
      table,
      retry,
      excluded,
      indexOnly,
      contiguous: container.contiguous,
      ...(request.source.frozen ? { changed: request.source.frozen.changed } : {}),
    }),
    damaged: tally.damaged,
  };
  return {
    tally,
    nothingLeft: tally.nothingLeft(selection),
    records: () => changedOnly(partEpisodes({ container, dataset: table.name }, open.shards, selection), selection),
    stepsOf: () => (indexOnly ? NO_STEPS : undefined),
  };
}

/** Passes over episodes that were read again and turned out to be what they were. */
async function* changedOnly(
  records: AsyncGenerator<FoundEpisode>,
  { unchanged }: { unchanged(found: FoundEpisode): boolean },
): AsyncGenerator<FoundEpisode> {
  for await (const found of records)
    if (unchanged(found)) await found.release?.();
    else yield found;
}

/** Episodes of this part that lack rows which the plan draws; nothing else of the source is read. */
async function selectDrawn(open: OpenIngest, sink: Sink, plan: string): Promise<Selection> {
  const { container, table, request } = open;
  const lacking = await lackingFor(request.store, plan, table.name);
  const steps = new Map(lacking.map((one) => [placeName(one), one.steps]));
  const byShard = new Map<string, LackingEpisode[]>();
  for (const one of lacking) {
    const shard = `${one.place.split}/${one.place.shard}`;
    const known = byShard.get(shard);
    if (known) known.push(one);
    else byShard.set(shard, [one]);
  }
  const shards = open.shards.flatMap((shard) => {
    const known = byShard.get(`${shard.split}/${shard.file}`);
    return known ? { shard, known: known.sort((a, b) => a.place.record - b.place.record) } : [];
  });
  const total = shards.reduce((sum, { known }) => sum + known.length, 0);
  const tally = openTally(open, sink, total);
  return {
    tally,
    nothingLeft: total === 0,
    records: () => knownEpisodes({ container, dataset: table.name }, shards, tally.damaged),
    stepsOf: (found) => steps.get(placeName(found)) ?? NO_STEPS,
  };
}

const placeName = ({ place }: Pick<Found, 'place'>): string => `${place.split}/${place.shard}#${place.record}`;
