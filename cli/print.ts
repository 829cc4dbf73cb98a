/** What the terminal shows: progress on one line where there is a terminal, plain lines elsewhere, JSON when asked. */
import type { IngestSummary, Progress } from '../schemas/report.ts';

export interface Output {
  readonly json: boolean;
  line(text: string): void;
  /** The result: JSON on stdout with `--json`, else the text. */
  result(value: object, text: string): void;
  progress(progress: Progress): void;
  endProgress(): void;
}

/** Seconds between plain progress lines where there is no terminal. */
const PLAIN_EVERY = 30;
const TERMINAL_EVERY = 0.2;

export function openOutput(json: boolean): Output {
  const terminal = process.stderr.isTTY === true && !json;
  let last = 0;
  let shown = false;
  return {
    json,
    line: (text) => void (json ? undefined : process.stdout.write(`${text}\n`)),
    result: (value, text) => void process.stdout.write(json ? `${JSON.stringify(value)}\n` : `${text}\n`),
    progress(progress) {
      if (json || progress.seconds - last < (terminal ? TERMINAL_EVERY : PLAIN_EVERY)) return;
      last = progress.seconds;
      shown = terminal;
      process.stderr.write(terminal ? `\r\x1b[2K${progressText(progress)}` : `${progressText(progress)}\n`);
    },
    endProgress: () => void (shown && process.stderr.write('\r\x1b[2K')),
  };
}

function progressText({ episodes, total, frames, kept, seconds }: Progress): string {
  const rate = frames / Math.max(seconds, 1e-9);
  const left = total === null || episodes === 0 ? '' : `, ${duration(((total - episodes) * seconds) / episodes)} left`;
  return `${episodes}${total === null ? '' : `/${total}`} episodes (${kept} kept), ${rate.toFixed(0)} frames/s${left}`;
}

export function duration(seconds: number): string {
  if (seconds < 90) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${(minutes / 60).toFixed(1)} h`;
}

export function bytes(count: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  const step = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(count, 1)) / 3));
  return `${(count / 1000 ** step).toFixed(step === 0 ? 0 : 1)} ${units[step]}`;
}

/** Columns padded to their widest cell. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]!.length))) ?? [];
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

export function summaryText(summary: IngestSummary): string {
  const { episodes, seen } = summary;
  if (summary.state === 'nothing-to-do')
    return `${summary.dataset}: nothing to do, all ${seen.kept + seen.rejected + seen.quarantined} episodes are recorded (${countsText(seen)}); checked in ${duration(summary.seconds)}`;
  const list = (counts: Readonly<Record<string, number>>): string =>
    Object.entries(counts)
      .sort(([, a], [, b]) => b - a)
      .map(([name, count]) => `    ${count}  ${name}`)
      .join('\n');
  const reasons = list(summary.reasons as Record<string, number>);
  const calibration = list(summary.calibration);
  return [
    `${summary.dataset}: ${summary.state}, ${countsText(episodes)}${episodes.skipped > 0 ? `; ${episodes.skipped} were recorded before` : ''}`,
    ...(reasons ? [`  set aside, by reason:\n${reasons}`] : []),
    ...(calibration ? [`  calibration of the kept episodes:\n${calibration}`] : []),
    `  ${summary.rows} rows, ${summary.frames} frames at ${summary.framesPerSecond.toFixed(0)} frames/s in ${duration(summary.seconds)}; ${bytes(summary.bytesIn)} in, ${bytes(summary.bytesOut)} out`,
    ...(summary.missingShards > 0 ? [`  ${summary.missingShards} shards of the set were not there (--partial)`] : []),
    ...summary.damagedShards.map((fault) => `  damaged shard: ${fault}`),
  ].join('\n');
}

const countsText = ({ kept, rejected, quarantined }: IngestSummary['seen']): string =>
  `${kept} kept, ${rejected} rejected, ${quarantined} quarantined`;
