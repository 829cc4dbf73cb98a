/**
 * What a frame costs by the kind of source, on the same pictures:
 *   path     read, decode, scale, encode, hash, join by one worker: what `prep ingest` does with a camera
 *   limit    video: PyAV decodes and scales, one thread; others: our decoder and scaler in a bare loop over bytes in
 *            memory; to both the bare JPEG coder is added
 *   LeRobot  LeRobotDataset[i], one after the other: decoded, neither scaled nor coded                   (--lerobot)
 *   OpenCV   h5py and OpenCV: a frame read, scaled with INTER_AREA, coded; without bars                  (HDF5)
 *
 *     node bench/sources/run.ts --video ROBOT.mp4 --python VENV [--lerobot VENV] [--frames 1500] [--runs 3] [--json FILE]
 *
 * make.py writes the first 300 frames of the video as AV1, H.264, HDF5 and PNG in Parquet. Linux only.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { measured } from '../ingest/measure.ts';
import { hdf5Of, KINDS, type Kind, videoOf } from './source.ts';

const here = import.meta.dirname;
const { values: flags } = parseArgs({
  options: {
    video: { type: 'string' },
    python: { type: 'string' },
    lerobot: { type: 'string' },
    frames: { type: 'string', default: '1500' },
    runs: { type: 'string', default: '3' },
    work: { type: 'string' },
    json: { type: 'string' },
  },
});

/** CPU-seconds per 1000 frames. */
interface Costs {
  readonly path: number;
  /** Decode and scale alone: in our bare loop, and in PyAV's (video only). */
  readonly scale: number;
  readonly pyav?: number;
  readonly encode: number;
  readonly lerobot?: number;
  readonly opencv?: number;
}

const isVideo = (kind: Kind): boolean => kind === 'av1' || kind === 'h264';
const lastJson = (stdout: string) => JSON.parse(stdout.trim().split('\n').at(-1)!);
const per1000 = (seconds: number, frames: number): number => (1000 * seconds) / frames;
const round = (value: number): number => Number(value.toFixed(3));

async function costsOf(kind: Kind, folder: string): Promise<Costs> {
  const child = async (way: string) =>
    lastJson((await measured(process.execPath, [join(here, 'child.ts'), way, folder, kind, flags.frames])).stdout);
  const python = async (venv: string, script: string, source: string): Promise<number> => {
    const args = [join(here, script), source, flags.frames];
    const { loop_cpu_s, frames } = lastJson((await measured(join(venv, 'bin', 'python'), args)).stdout);
    return per1000(loop_cpu_s, frames);
  };
  const path = await child('path');
  const bare = await child('bare');
  return {
    path: per1000(path.cpu, path.frames),
    scale: per1000(bare.cpu, bare.frames),
    encode: per1000(bare.encode, bare.frames),
    ...(isVideo(kind) ? { pyav: await python(flags.python!, 'limit.py', videoOf(folder, kind)) } : {}),
    ...(kind === 'hdf5' ? { opencv: await python(flags.python!, 'opencv_read.py', hdf5Of(folder)) } : {}),
    ...(flags.lerobot !== undefined && kind !== 'hdf5'
      ? { lerobot: await python(flags.lerobot, 'lerobot_read.py', join(folder, kind)) }
      : {}),
  };
}

const median = (all: readonly number[]): number => [...all].sort((a, b) => a - b)[all.length >> 1]!;

function lineOf(kind: Kind, runs: readonly Costs[]) {
  const of = (key: keyof Costs): number | undefined =>
    runs[0]![key] === undefined ? undefined : median(runs.map((run) => run[key]!));
  const limits = runs.map(({ pyav, scale, encode }) => (pyav ?? scale) + encode);
  const told = Object.entries({ pyav: of('pyav'), lerobot: of('lerobot'), opencv: of('opencv') }).flatMap(
    ([key, value]) => (value === undefined ? [] : [[key, round(value)] as const]),
  );
  return {
    kind,
    path: round(of('path')!),
    limit: round(median(limits)),
    ratio: round(of('path')! / median(limits)),
    spread: runs.map(({ path }) => round(path)).sort((a, b) => a - b),
    ...{ scale: round(of('scale')!), encode: round(of('encode')!) },
    ...Object.fromEntries(told),
  };
}

async function main(): Promise<void> {
  if (flags.video === undefined || flags.python === undefined) throw new Error('--video and --python are missing');
  const work = mkdtempSync(join(flags.work ?? tmpdir(), 'prep-bench-'));
  try {
    const args = [join(here, 'make.py'), resolve(flags.video), work];
    const input = lastJson((await measured(join(flags.python, 'bin', 'python'), args)).stdout);
    const done = new Map<Kind, Costs[]>(KINDS.map((kind) => [kind, []]));
    // Rounds over all kinds, so that a busy minute of the machine does not fall on one of them alone.
    for (let run = 0; run < Number(flags.runs); run++)
      for (const kind of KINDS) done.get(kind)!.push(await costsOf(kind, work));
    const lines = [...done].map(([kind, runs]) => lineOf(kind, runs));
    console.table(lines.map(({ spread, ...line }) => ({ ...line, spread: `${spread[0]} … ${spread.at(-1)}` })));
    const machine = {
      cores: availableParallelism(),
      node: process.versions.node,
      arch: `${process.platform} ${process.arch}`,
    };
    const result = { machine, input, runs: Number(flags.runs), lines };
    writeFileSync(flags.json ?? join(here, 'results.json'), `${JSON.stringify(result, null, 1)}\n`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

await main();
