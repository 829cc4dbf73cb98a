/** `prep export`: rows as LeRobot, WebDataset or MDS. */
import { EXPORT_ROWS, type ExportReport, type ExportRequest, exportRows } from '../pipelines/export/export.ts';
import { EXIT } from '../schemas/errors.ts';
import { storeToOpen } from '../sinks/store.ts';
import { onInterrupt } from './interrupt.ts';
import { positive, range } from './options.ts';
import { bytes, duration, openOutput } from './print.ts';

interface ExportWords {
  readonly plan?: string;
  readonly dataset?: string;
  readonly format: ExportRequest['format'];
  readonly out: string;
  readonly range?: string;
  readonly shardSize?: string;
  readonly json?: boolean;
}

export async function exportCommand(store: string, words: ExportWords): Promise<number> {
  const out = openOutput(words.json ?? false);
  const request: ExportRequest = {
    store: storeToOpen(store),
    of: words.plan === undefined ? { dataset: words.dataset! } : { plan: words.plan },
    format: words.format,
    out: words.out,
    range: words.range === undefined ? null : range(words.range),
    shardSize: positive('--shard-size', words.shardSize) ?? EXPORT_ROWS,
  };
  const interrupt = onInterrupt((text) => void process.stderr.write(`${text}\n`));
  const progress = progressLines(words.json ?? false);
  const report = await exportRows(request, { signal: interrupt.signal, progress }).finally(interrupt.release);
  out.result(report, text(report));
  return report.state === 'interrupted' ? EXIT.interrupted : EXIT.done;
}

/** Seconds between two lines of progress. */
const EVERY = 5;

function progressLines(silent: boolean): (rows: number, total: number) => void {
  const started = performance.now();
  let last = started;
  return (rows, total) => {
    const now = performance.now();
    if (silent || now - last < 1000 * EVERY) return;
    last = now;
    const left = ((now - started) / 1000) * (total / rows - 1);
    process.stderr.write(`${rows} of ${total} rows, ${duration(left)} left\n`);
  };
}

function text(report: ExportReport): string {
  const { format, out, rows, episodes, shards, made, there, unknown, bytes: size, seconds, state } = report;
  const counts = `${rows} rows in ${shards} files${format === 'lerobot' ? `, ${episodes} episodes` : ''}`;
  if (state === 'nothing-to-do') return `${out}: nothing to do, all ${counts} are there`;
  return [
    `${out}: ${format} ${state}, ${counts}: ${made} files made, ${there} were there`,
    `  ${bytes(size)} in ${duration(seconds)}`,
    ...(unknown > 0
      ? [`  ${unknown} rows hold NaN in their proprioception (camera unknown): mask them by \`present\``]
      : []),
  ].join('\n');
}
