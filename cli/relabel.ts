/** `prep relabel`: every label again from the tracks. */
import { type RelabelSummary, runRelabel } from '../pipelines/relabel.ts';
import { EXIT, PrepError } from '../schemas/errors.ts';
import { listDatasets } from '../sinks/read.ts';
import { storeToOpen } from '../sinks/store.ts';
import { finishSwap } from '../sinks/swap.ts';
import { onInterrupt } from './interrupt.ts';
import { type LabelWords, labelOptions } from './options.ts';
import { duration, openOutput } from './print.ts';

interface RelabelWords extends LabelWords {
  readonly dataset?: string;
  readonly spec?: string;
  readonly calibration?: string;
  readonly json?: boolean;
}

export async function relabel(store: string, words: RelabelWords): Promise<number> {
  const uri = storeToOpen(store);
  const out = openOutput(words.json ?? false);
  await finishSwap(uri);
  const request = {
    store: uri,
    dataset: words.dataset ?? (await onlyDataset(uri)),
    spec: words.spec,
    calibration: words.calibration,
    labels: (current: Parameters<typeof labelOptions>[1]) => labelOptions(words, current),
  };
  const interrupt = onInterrupt((text) => process.stderr.write(`\n${text}\n`));
  try {
    const summary = await runRelabel(request, { signal: interrupt.signal, progress: out.progress });
    out.endProgress();
    out.result(summary, text(summary));
    return summary.state === 'interrupted' ? EXIT.interrupted : EXIT.done;
  } finally {
    interrupt.release();
  }
}

async function onlyDataset(store: string): Promise<string> {
  const names = await listDatasets(store);
  if (names.length === 1) return names[0]!;
  throw new PrepError({
    code: 'usage',
    at: { store },
    expected: names.length === 0 ? 'a store with a dataset' : `--dataset, one of ${names.join(', ')}`,
    found: names.length === 0 ? 'an empty one' : 'none',
  });
}

function text(summary: RelabelSummary): string {
  const changed = Object.entries(summary.changed).map(([name, { from, to }]) => `${name} ${from} → ${to}`);
  if (summary.state === 'nothing-to-do')
    return `${summary.dataset}: nothing to do, the labels have these options already`;
  const head = `${summary.dataset}: ${summary.state}, ${summary.kept} episodes, ${summary.rows} rows relabelled in ${duration(summary.seconds)}`;
  return [
    `${head}${changed.length > 0 ? ` (${changed.join(', ')})` : ''}`,
    ...(summary.state === 'interrupted'
      ? ['  the old labels are still in place; run the same command again to go on']
      : []),
    ...(summary.toIngest > 0
      ? [
          `  ${summary.toIngest} episodes need poses or pictures that the store does not hold: run prep ingest with the same options to add them`,
        ]
      : []),
  ].join('\n');
}
