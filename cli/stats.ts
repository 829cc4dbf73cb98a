/** `prep stats`: mean, std, extremes and quantiles of actions, history and proprioception. */
import { writeFile } from 'node:fs/promises';
import { makeStats, type StatsWork } from '../pipelines/stats/make.ts';
import { EXIT, PrepError } from '../schemas/errors.ts';
import type { DimensionStats, ScopeStats, StatsDocument } from '../schemas/stats.ts';
import { storeToOpen } from '../sinks/store.ts';
import { openOutput, table } from './print.ts';

interface StatsWords {
  readonly plan?: string;
  readonly mixture?: string;
  readonly out?: string;
  readonly json?: boolean;
}

export async function stats(store: string, words: StatsWords): Promise<number> {
  const { plan, mixture, out: file } = words;
  if (plan !== undefined && mixture !== undefined)
    throw new PrepError({
      code: 'bad-option',
      at: { field: '--plan' },
      expected: '--plan or --mixture, or neither',
      found: 'both',
    });
  const out = openOutput(words.json ?? false);
  const ask = { ...(plan === undefined ? {} : { plan }), ...(mixture === undefined ? {} : { mixture }) };
  const started = performance.now();
  const progress = ({ episodes, rows }: StatsWork): void => {
    const seconds = (performance.now() - started) / 1000;
    out.progress({ episodes, total: null, frames: rows, kept: episodes, bytesIn: 0, seconds });
  };
  const made = await makeStats({ store: storeToOpen(store), ...ask, progress }).finally(out.endProgress);
  if (file !== undefined) await writeFile(file, made.json);
  const { key, document, known, episodes, rows } = made;
  const read = known ? 'nothing has changed since they were made' : `${rows} rows of ${episodes} episodes were read`;
  const lines = [
    `statistics ${key}: ${read}${file === undefined ? '' : `; written to ${file}`}`,
    scopesText(document),
    ...document.warnings.map((one) => `warning: ${one}`),
    document.quantile_error,
  ];
  out.result({ key, known, read: { episodes, rows }, file: file ?? null, stats: document }, lines.join('\n'));
  return EXIT.done;
}

/** Translation of the chunk as a whole, which is what normalisation is about: the rest is in the JSON. */
function scopesText({ mixture, entries, datasets, robots }: StatsDocument): string {
  const scopes: [string, ScopeStats][] = [
    ...(mixture ? ([['mixture', mixture]] as [string, ScopeStats][]) : []),
    ...Object.entries(entries).map(([name, one]): [string, ScopeStats] => [`entry ${name}`, one]),
    ...Object.entries(datasets).map(([name, one]): [string, ScopeStats] => [`dataset ${name}`, one]),
    ...Object.entries(robots).map(([name, one]): [string, ScopeStats] => [`robot ${name}`, one]),
  ];
  const rows = scopes.map(([name, { action }]) => [
    name,
    `${action.overall.count[0]}`,
    ...(['mean', 'std', 'q01', 'q99'] as const).map((what) => xyz(action.overall, what)),
  ]);
  return table([['action xyz, metres', 'values', 'mean', 'std', 'q01', 'q99'], ...rows]);
}

const xyz = (stats: DimensionStats, what: 'mean' | 'std' | 'q01' | 'q99'): string =>
  stats[what]
    .slice(0, 3)
    .map((x) => (x === null ? 'none' : x.toFixed(4)))
    .join(' ');
