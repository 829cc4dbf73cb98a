/**
 * What an ingest costs, on the same pictures in one run:
 *   limit    decode → scale → encode in a bare loop, one thread, the same libraries
 *   prep     the whole command, records to committed Lance tables, 2 workers
 *   tf.data  decode, resize, encode in a dlimp-style pipeline, result dropped          (--python)
 *   LeRobot  the port loop: create, add_frame, save_episode                            (--lerobot)
 *
 *     npm run build
 *     node bench/ingest/run.ts --root droid_101/1.0.1 --calibration karlp [--python VENV] [--lerobot VENV]
 *                              [--frames 9000] [--runs 3] [--prep bin/prep.js] [--work DIR] [--json FILE]
 *
 * --root is a small DROID in RLDS; its kept episodes are repeated under new ids until there are --frames. Linux only.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { openDataset } from '../../sinks/read.ts';
import { dumpFrames, type Input, makeInput } from './input.ts';
import { type Cost, measured } from './measure.ts';

const here = import.meta.dirname;
const { values: flags } = parseArgs({
  options: {
    root: { type: 'string' },
    calibration: { type: 'string' },
    python: { type: 'string' },
    lerobot: { type: 'string' },
    frames: { type: 'string', default: '9000' },
    runs: { type: 'string', default: '3' },
    prep: { type: 'string', default: join(here, '..', '..', 'bin', 'prep.js') },
    work: { type: 'string' },
    json: { type: 'string' },
  },
});

const CAMERAS = ['exterior_image_1_left', 'wrist_image_left'] as const;
const WORKERS = 2;
/** LeRobot is 20 times slower: two episodes say enough. */
const LEROBOT_EPISODES = 2;

/** One run of one way. `loop` is its CPU without the start of the interpreter, where the way can tell. */
interface Run {
  readonly frames: number;
  readonly cpu: number;
  readonly loop: number;
  readonly wall: number;
  readonly rss: number;
  readonly notes: Readonly<Record<string, unknown>>;
}

interface Way {
  readonly name: string;
  readonly runs: number;
  run(): Promise<Run>;
}

interface Line {
  readonly way: string;
  readonly runs: number;
  readonly frames: number;
  /** CPU seconds per 1000 frames, median: the whole process, and its loop alone. */
  readonly cpu: number;
  readonly loop: number;
  readonly spread: readonly [number, number];
  readonly wall: number;
  readonly rss: number;
  readonly notes: Readonly<Record<string, unknown>>;
}

const per1000 = (seconds: number, frames: number): number => Number(((1000 * seconds) / frames).toFixed(3));
const sorted = (all: readonly number[]): number[] => [...all].sort((a, b) => a - b);
const median = (all: readonly number[]): number => sorted(all)[all.length >> 1] ?? Number.NaN;

const ingestArgs = (input: Pick<Input, 'root' | 'calibration'>, store: string): string[] => [
  ...[flags.prep, 'ingest', 'droid', '--root', input.root, '--calibration', input.calibration, '--store', store],
  ...['--third', CAMERAS[0], '--workers', `${WORKERS}`, '--json'],
];

/** A first ingest says which records are kept: the others decode no frame. */
async function pilot(root: string, calibration: string, work: string): Promise<Set<string>> {
  const store = join(work, 'pilot');
  await measured(process.execPath, ingestArgs({ root, calibration }, store));
  const reader = await openDataset(store, 'droid');
  const kept = (await reader.ledger()).filter(({ rows }) => rows > 0).map(({ entry }) => entry.record);
  reader.close();
  return new Set(kept.map(({ shard, offset }) => `${shard} ${offset}`));
}

function runOf(cost: Cost, told: { frames: number; loop_cpu_s?: number }): Run {
  const { frames, loop_cpu_s: loop = cost.cpu, ...notes } = told;
  return { frames, cpu: cost.cpu, loop, wall: cost.wall, rss: cost.rss, notes };
}

const lastJson = (stdout: string) => JSON.parse(stdout.trim().split('\n').at(-1)!);

function ways(input: Input, pictures: string, work: string): Way[] {
  const runs = Number(flags.runs);
  const frames = input.steps * CAMERAS.length;
  const python = (venv: string, script: string, args: readonly string[]) =>
    measured(join(venv, 'bin', 'python'), [join(here, script), ...args]);
  const limit = async (): Promise<Run> => {
    const cost = await measured(process.execPath, [join(here, 'limit.ts'), pictures, '--frames', `${frames}`]);
    const told = lastJson(cost.stdout);
    const loop = (told.cpu_s_per_1000 * frames) / 1000;
    // The process also times the half way without encoding: only the loop is the limit.
    return { frames, cpu: loop, loop, wall: loop, rss: cost.rss, notes: told };
  };
  const prep = async (): Promise<Run> => {
    const store = join(work, 'store');
    rmSync(store, { recursive: true, force: true });
    const cost = await measured(process.execPath, ingestArgs(input, store));
    const { frames: done, rows, bytesOut } = lastJson(cost.stdout);
    if (done !== frames) throw new Error(`prep made ${done} frames of ${frames}`);
    return runOf(cost, { frames: done, ...{ rows, bytesOut } });
  };
  const cameras = CAMERAS.flatMap((name) => ['--camera', name]);
  const tfdata = async (): Promise<Run> => {
    const cost = await python(flags.python!, 'tfdata.py', [input.root, ...cameras, '--threads', `${WORKERS}`]);
    return runOf(cost, lastJson(cost.stdout));
  };
  const lerobot = async (): Promise<Run> => {
    const out = join(work, 'lerobot');
    rmSync(out, { recursive: true, force: true });
    const cost = await python(flags.lerobot!, 'lerobot_port.py', [pictures, out, '--episodes', `${LEROBOT_EPISODES}`]);
    return runOf(cost, lastJson(cost.stdout));
  };
  return [
    { name: 'limit', runs, run: limit },
    { name: 'prep', runs, run: prep },
    ...(flags.python === undefined ? [] : [{ name: 'tf.data', runs, run: tfdata }]),
    ...(flags.lerobot === undefined ? [] : [{ name: 'LeRobot', runs: 1, run: lerobot }]),
  ];
}

/** Rounds over all ways, so that a busy minute of the machine does not fall on one of them alone. */
async function inRounds(all: readonly Way[]): Promise<Line[]> {
  const done = new Map<string, Run[]>(all.map(({ name }) => [name, []]));
  for (let round = 0; round < Math.max(...all.map(({ runs }) => runs)); round++)
    for (const way of all) {
      if (round >= way.runs) continue;
      const run = await way.run();
      done.get(way.name)!.push(run);
      process.stderr.write(
        `${way.name}: ${per1000(run.cpu, run.frames)} CPU-s per 1000 frames, ${run.rss.toFixed(0)} MB\n`,
      );
    }
  return [...done].map(([way, runs]) => lineOf(way, runs));
}

function lineOf(way: string, runs: readonly Run[]): Line {
  const cpu = runs.map((run) => per1000(run.cpu, run.frames));
  return {
    way,
    runs: runs.length,
    frames: runs[0]!.frames,
    cpu: median(cpu),
    loop: median(runs.map((run) => per1000(run.loop, run.frames))),
    spread: [sorted(cpu)[0]!, sorted(cpu).at(-1)!],
    wall: median(runs.map((run) => per1000(run.wall, run.frames))),
    rss: Math.round(Math.max(...runs.map((run) => run.rss))),
    notes: runs[0]!.notes,
  };
}

/** Issue's targets: prep's whole process against the loop alone of the others, which favours the others. */
const TARGETS = { limit: 1.25, 'tf.data': 0.6, LeRobot: 0.06 } as const;
const RSS_TARGET_MB = 700;

function verdicts(lines: readonly Line[]) {
  const prep = lines.find(({ way }) => way === 'prep')!;
  const ratios = Object.entries(TARGETS).flatMap(([way, target]) => {
    const other = lines.find((line) => line.way === way);
    return other ? [{ what: `CPU of prep / ${way}`, value: Number((prep.cpu / other.loop).toFixed(3)), target }] : [];
  });
  return [...ratios, { what: 'peak RSS of prep, MB', value: prep.rss, target: RSS_TARGET_MB }];
}

/** Full DROID 1.0.1: episodes and steps as published. */
const DROID = { episodes: 95_658, steps: 18.9e6 };

function fullDroid(lines: readonly Line[], views: number) {
  const frames = DROID.steps * views;
  return {
    views,
    frames,
    cpuHours: Object.fromEntries(
      lines.map(({ way, loop, cpu }) => [way, Math.round(((way === 'prep' ? cpu : loop) * frames) / 1000 / 3600)]),
    ),
  };
}

async function main(): Promise<void> {
  if (flags.root === undefined || flags.calibration === undefined)
    throw new Error('--root and --calibration are missing');
  const work = mkdtempSync(join(flags.work ?? tmpdir(), 'prep-bench-'));
  try {
    const [root, calibration] = [resolve(flags.root), resolve(flags.calibration)];
    const kept = await pilot(root, calibration, work);
    const input = await makeInput({
      ...{ root, calibration, folder: join(work, 'input'), counted: `steps/observation/${CAMERAS[0]}` },
      wantedSteps: Number(flags.frames) / CAMERAS.length,
      take: (shard, offset) => kept.has(`${shard} ${offset}`),
    });
    const pictures = join(work, 'pictures');
    const distinct = await dumpFrames(input.root, pictures, CAMERAS);
    const lines = await inRounds(ways(input, pictures, work));
    const machine = {
      cores: availableParallelism(),
      node: process.versions.node,
      arch: `${process.platform} ${process.arch}`,
    };
    const result = {
      machine,
      input: { episodes: input.episodes, steps: input.steps, cameras: CAMERAS, distinct },
      lines,
      verdicts: verdicts(lines),
      droid: { ...DROID, extrapolated: [2, 3].map((views) => fullDroid(lines, views)) },
    };
    console.table(lines.map(({ notes: _, spread, ...line }) => ({ ...line, spread: spread.join(' … ') })));
    console.table(result.verdicts);
    console.table(result.droid.extrapolated.map(({ cpuHours, ...rest }) => ({ ...rest, ...cpuHours })));
    writeFileSync(flags.json ?? join(here, 'results.json'), `${JSON.stringify(result, null, 1)}\n`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

await main();
