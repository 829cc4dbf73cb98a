/**
 * Does the cost of a commit, of memory and of a restart stay flat as a store grows? Made-up episodes through the Lance sink.
 *
 *     node bench/scale/run.ts --store DIR [--episodes 20000] [--steps 70] [--image-bytes 6000] [--windows 10]
 *                             [--compact 0.1,0.5,1] [--unknown] [--json FILE]
 *
 * Prints one line per window and the ratios of the last to the second window (the first one warms up); the folder is made
 * and stays. Two pictures a step of noise; `--unknown` leaves one camera without calibration (NaN), which takes another way into Lance.
 */
import { spawn } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { EpisodeOutcome, JpegColumn } from '../../schemas/episode.ts';
import { compactDataset } from '../../sinks/compact.ts';
import { type LanceSinkOptions, openLanceSink } from '../../sinks/lance.ts';
import { openDataset } from '../../sinks/read.ts';
import type { Sink } from '../../sinks/sink.ts';
import { syntheticEpisode, syntheticShape } from '../../tests/sinks/synthetic.ts';

const { values: flags } = parseArgs({
  options: {
    store: { type: 'string' },
    episodes: { type: 'string', default: '20000' },
    steps: { type: 'string', default: '70' },
    'image-bytes': { type: 'string', default: '6000' },
    windows: { type: 'string', default: '10' },
    compact: { type: 'string', default: '0.1,0.5,1' },
    unknown: { type: 'boolean', default: false },
    'compact-now': { type: 'boolean', default: false },
    json: { type: 'string' },
  },
});

const CHUNK_STEPS = 32;
const shape = syntheticShape('scale', {}, CHUNK_STEPS);

interface Window {
  readonly episodes: number;
  readonly rows: number;
  readonly commits: number;
  /** Milliseconds of the add that commits a group: median and worst. */
  readonly commitMs: number;
  readonly worstMs: number;
  /** Processor milliseconds of the same add, all threads, median: what a busy machine disturbs least. */
  readonly cpuMs: number;
  /** MB: largest resident set within the window, and disk used after it. */
  readonly rss: number;
  readonly disk: number;
}

interface Timed<T> {
  readonly value: T;
  readonly ms: number;
  /** MB, largest resident set while it ran. */
  readonly rss: number;
}

const megabytes = (bytes: number): number => Math.round(bytes / 1e6);
const median = (all: readonly number[]): number => [...all].sort((a, b) => a - b)[all.length >> 1] ?? Number.NaN;

async function timed<T>(work: () => Promise<T>): Promise<Timed<T>> {
  let peak = process.memoryUsage.rss();
  const watch = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss());
  }, 20);
  const start = performance.now();
  try {
    const value = await work();
    return { value, ms: performance.now() - start, rss: megabytes(Math.max(peak, process.memoryUsage.rss())) };
  } finally {
    clearInterval(watch);
  }
}

function diskBytes(folder: string): number {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

/** The `nth` kept made-up episode: the template's numbers, pictures of its own (noise, as incompressible as JPEG). */
function numberedEpisode(template: EpisodeOutcome, nth: number): EpisodeOutcome {
  const { ledger } = syntheticEpisode(indexOfKept(nth), { steps: 1, imageBytes: 4, dataset: 'scale' }, shape);
  const rows = template.rows!;
  const noise = ({ data, offsets }: JpegColumn) => ({ data: randomFillSync(new Uint8Array(data.length)), offsets });
  const images = { third: noise(rows.images.third!), wrist: noise(rows.images.wrist!) };
  return { ...template, ledger: { ...ledger, length: rows.steps }, rows: { ...rows, images } };
}

/** Of 77 made-up episodes 60 are kept. */
const KEPT = Array.from({ length: 77 }, (_, index) => index).filter((index) => index % 7 !== 6 && index % 11 !== 10);
const indexOfKept = (nth: number): number => 77 * Math.floor(nth / KEPT.length) + KEPT[nth % KEPT.length]!;

function open(store: string): Promise<Sink> {
  const run = { command: 'bench', options: {}, versions: {} };
  const options: LanceSinkOptions = { store, shape, part: { index: 0, of: 1 }, run };
  return openLanceSink(options);
}

async function fillWindow(sink: Sink, make: (index: number) => EpisodeOutcome, range: [number, number]) {
  const commits: number[] = [];
  const cpu: number[] = [];
  const { rss } = await timed(async () => {
    for (let index = range[0]; index < range[1]; index++) {
      const before = sink.stats.groups;
      const episode = make(index);
      const [start, used] = [performance.now(), process.cpuUsage()];
      await sink.add(episode);
      if (sink.stats.groups === before) continue;
      commits.push(performance.now() - start);
      const { user, system } = process.cpuUsage(used);
      cpu.push((user + system) / 1000);
    }
  });
  return { commits, cpu, rss };
}

/** In a process of its own, as `prep compact` is: what it takes of memory is not what ingest takes. */
async function compact(store: string, at: number): Promise<object> {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), '--store', store, '--compact-now'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  for await (const chunk of child.stdout) text += chunk;
  return { at, ...JSON.parse(text) };
}

async function main(): Promise<void> {
  if (flags.store === undefined) throw new Error('--store DIR is missing');
  const store = flags.store;
  if (flags['compact-now']) {
    const { ms, rss, value } = await timed(() => compactDataset(store, 'scale'));
    console.log(JSON.stringify({ seconds: +(ms / 1000).toFixed(1), rss, tables: value }));
    return;
  }
  mkdirSync(store, { recursive: true });
  const [episodes, steps, windows] = [flags.episodes, flags.steps, flags.windows].map(Number) as [
    number,
    number,
    number,
  ];
  const size = { steps, imageBytes: Number(flags['image-bytes']), dataset: 'scale', unknown: flags.unknown };
  const template = syntheticEpisode(0, size, shape);
  const make = (nth: number) => numberedEpisode(template, nth);
  const points = new Set(flags.compact.split(',').map((share) => Math.ceil(Number(share) * windows)));

  const sink = await open(store);
  const lines: Window[] = [];
  const compactions: object[] = [];
  for (let window = 0; window < windows; window++) {
    const range: [number, number] = [
      Math.round((window * episodes) / windows),
      Math.round(((window + 1) * episodes) / windows),
    ];
    const { commits, cpu, rss } = await fillWindow(sink, make, range);
    const { groups, rows } = sink.stats;
    const line: Window = {
      episodes: range[1],
      rows,
      commits: groups,
      commitMs: Math.round(median(commits)),
      worstMs: Math.round(Math.max(...commits)),
      cpuMs: Math.round(median(cpu)),
      rss,
      disk: megabytes(diskBytes(store)),
    };
    lines.push(line);
    console.log(JSON.stringify(line));
    if (!points.has(window + 1)) continue;
    compactions.push(await compact(store, range[1]));
    console.log(JSON.stringify(compactions.at(-1)));
  }
  await sink.close({ state: 'done', summary: {} });
  await report(store, lines, compactions);
}

async function report(store: string, lines: readonly Window[], compactions: readonly object[]): Promise<void> {
  const restart = await timed(() => open(store));
  await restart.value.close({ state: 'interrupted', summary: {} });
  const reader = await openDataset(store, 'scale');
  const ledger = await timed(() => reader.ledger());
  const kept = ledger.value.filter((row) => row.rows > 0);
  const takes: number[] = [];
  for (let round = 0; round < 20; round++)
    takes.push((await timed(() => reader.episodeRows(kept[Math.floor((round * kept.length) / 20)]!))).ms);
  reader.close();
  const [first, last] = [lines[Math.min(1, lines.length - 1)]!, lines.at(-1)!];
  const result = {
    windows: lines,
    compactions,
    restartMs: Math.round(restart.ms),
    readLedgerMs: Math.round(ledger.ms),
    readEpisodeMs: Math.round(median(takes)),
    commitRatio: +(last.commitMs / first.commitMs).toFixed(2),
    cpuRatio: +(last.cpuMs / first.cpuMs).toFixed(2),
    rssRatio: +(last.rss / first.rss).toFixed(2),
  };
  console.table(lines);
  const { windows: _, compactions: __, ...summary } = result;
  console.log(JSON.stringify(summary));
  if (flags.json !== undefined) writeFileSync(flags.json, JSON.stringify(result, null, 1));
}

await main();
