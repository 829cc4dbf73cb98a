/** `prep status`: what a store holds and what was lost on the way, from ledgers and part logs alone. */
import { type DatasetStatus, type LossGroup, losses, storeStatus } from '../pipelines/status.ts';
import { EXIT } from '../schemas/errors.ts';
import { storeToOpen } from '../sinks/store.ts';
import { finishSwap } from '../sinks/swap.ts';
import { openOutput, table } from './print.ts';

interface StatusWords {
  readonly by?: 'reason' | 'lab' | 'task';
  readonly dataset?: string;
  readonly json?: boolean;
}

export async function status(store: string, words: StatusWords): Promise<number> {
  const out = openOutput(words.json ?? false);
  const uri = storeToOpen(store);
  await finishSwap(uri);
  const all = await storeStatus(uri, words.dataset);
  const lost = words.by
    ? await losses(
        uri,
        all.map(({ dataset }) => dataset),
        words.by,
      )
    : undefined;
  const text = [...all.map(datasetText), ...(lost ? [lossText(lost, uri)] : [])];
  out.result({ store: uri, datasets: all, ...(lost ? { lost } : {}) }, text.join('\n\n') || `${uri}: an empty store`);
  return EXIT.done;
}

function datasetText(one: DatasetStatus): string {
  const { states, rows, hours, indexOnly, partial, parts, calibration } = one;
  return [
    `${one.dataset}: ${states.kept} kept, ${states.rejected} rejected, ${states.quarantined} quarantined; ${rows} rows, ${hours.toFixed(2)} h`,
    ...(indexOnly + partial > 0
      ? [`  ${indexOnly} kept episodes only in the index, ${partial} with drawn rows only (prep ingest --plan)`]
      : []),
    `  reference ${one.reference}, chunk ${one.chunk.steps} x ${Number(one.chunk.dt.toPrecision(6))} s, roles ${one.roles.join(', ')}, tool ${one.tool}`,
    ...Object.entries(calibration).map(([camera, count]) => `  ${camera}: ${count} episodes`),
    ...parts.map(
      ({ part, of, status: state, host, pid }) =>
        `  part ${part}/${of}: ${state}${state === 'live' ? ` (host ${host}, pid ${pid})` : ''}`,
    ),
  ].join('\n');
}

function lossText(lost: readonly LossGroup[], store: string): string {
  if (lost.length === 0) return 'nothing was set aside';
  const rows = lost.map(({ dataset, group, state, episodes, example }) => [
    dataset,
    group,
    state,
    `${episodes}`,
    example,
  ]);
  const first = lost[0]!;
  return `${table([['dataset', 'what', 'state', 'episodes', 'example'], ...rows])}\n\n${first.detail}\nto try these again: prep ingest ${first.dataset} --store ${store} --root … --retry ${first.reason}`;
}
