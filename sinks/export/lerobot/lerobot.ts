/**
 * LeRobotDataset v3.0. Pictures are stored in Parquet as the JPEG bytes that the store has: no video is encoded, so nothing
 * is lost to a codec and every frame opens at random.
 */
import { PrepError } from '../../../schemas/errors.ts';
import type { CreateFile, ExportFormat, ExportSet, ExportUnit, UnitRows, UnitWriter } from '../format.ts';
import { chunkPath, type EpisodeFacts, episodeTable, FILES_PER_CHUNK } from './episodes.ts';
import { columnOf, described, type Feature, featuresOf, huggingface, type Standing } from './features.ts';
import { openParquetTable, parquetBytes } from './parquet.ts';
import { blackPicture, countPixels, sampledFrames } from './pictures.ts';
import { type Histogram, imageStats, mergeStats, newHistogram, numberStats, type Stats } from './stats.ts';

/** What `meta/` says of the whole needs this of each unit. */
interface UnitFacts {
  /** Instructions that were new, in the order of their indices. */
  readonly tasks: readonly string[];
  readonly stats: Readonly<Record<string, Stats>>;
}

interface Common {
  readonly set: ExportSet;
  readonly create: CreateFile;
  readonly features: readonly Feature[];
  readonly fps: number;
  /** Instruction → index, by first appearance. */
  readonly tasks: Map<string, number>;
  readonly black: Uint8Array;
}

/** @throws PrepError `bad-option` where the episodes have no one rate, which LeRobot wants */
export function lerobot(set: ExportSet, create: CreateFile): ExportFormat {
  const common: Common = {
    set,
    create,
    features: featuresOf(set),
    fps: framesPerSecond(set),
    tasks: new Map(),
    black: blackPicture(set.image.width, set.image.height),
  };
  const total: Record<string, Stats> = {};
  return {
    open: (unit) => openUnit(common, unit),
    learn(_, { facts }) {
      const { tasks, stats } = facts as UnitFacts;
      for (const task of tasks) taskIndex(common.tasks, task);
      for (const [name, one] of Object.entries(stats)) total[name] = total[name] ? mergeStats(total[name], one) : one;
    },
    index: () => aboutTheWhole(common, total),
  };
}

/** Draws have no rate: their frames are a second apart, so that `timestamp` is the frame's index. */
function framesPerSecond({ kind, hz }: ExportSet): number {
  if (kind === 'plan') return 1;
  if (hz !== null) return hz;
  throw new PrepError({
    code: 'bad-option',
    at: { field: '--format' },
    expected: 'episodes of one rate, which LeRobot asks of a dataset',
    found: 'several',
    remedy: 'export a plan, or as webdataset or mds',
  });
}

function taskIndex(tasks: Map<string, number>, task: string): number {
  const known = tasks.get(task);
  if (known !== undefined) return known;
  tasks.set(task, tasks.size);
  return tasks.size - 1;
}

async function openUnit(common: Common, unit: ExportUnit): Promise<UnitWriter> {
  const { create, features, tasks } = common;
  const file = await create(chunkPath('data', unit.index));
  const table = openParquetTable(features.map(columnOf), (bytes) => file.append(bytes), {
    huggingface: huggingface(features),
  });
  const knownTasks = tasks.size;
  const episodes: EpisodeFacts[] = [];
  let open: OpenEpisode | null = null;
  const endEpisode = (): void => {
    if (open) episodes.push(open.close());
    open = null;
  };
  return {
    async add(part) {
      if (open?.index !== part.episode.index) endEpisode();
      open ??= openEpisode(common, part);
      await table.group(open.cells(part));
    },
    async close() {
      endEpisode();
      await table.finish();
      const about = await create(chunkPath('meta/episodes', unit.index));
      await about.append(await episodeTable(features, episodes, unit));
      const stats = episodes.map((episode) => episode.stats).reduce(mergeAll);
      const facts: UnitFacts = { tasks: [...tasks.keys()].slice(knownTasks), stats };
      // The rows last: a file that lists episodes may name rows that are not there yet, but no row is without its episode.
      return { files: [await about.close(), await file.close()], facts };
    },
    discard: () => file.discard(),
  };
}

const mergeAll = (a: Readonly<Record<string, Stats>>, b: Readonly<Record<string, Stats>>): Record<string, Stats> =>
  Object.fromEntries(Object.entries(a).map(([name, stats]) => [name, mergeStats(stats, b[name]!)]));

interface OpenEpisode {
  readonly index: number;
  /** Columns of some of its rows, remembered for the statistics. */
  cells(part: UnitRows): unknown[][];
  close(): EpisodeFacts;
}

function openEpisode({ features, fps, tasks, black }: Common, { episode }: UnitRows): OpenEpisode {
  const looked = sampledFrames(episode.end - episode.start);
  const numbers = new Map<string, (readonly number[])[]>();
  const pixels = new Map<string, Histogram>();
  for (const { name, dtype, stats } of features)
    if (stats) dtype === 'image' ? pixels.set(name, newHistogram()) : numbers.set(name, []);
  const instructions = new Set<string>();
  const remember = (feature: Feature, value: unknown, frame: number): void => {
    const { name } = feature;
    if (pixels.has(name)) {
      if (looked.has(frame)) countPixels(value as Uint8Array, pixels.get(name)!);
    } else if (numbers.has(name)) numbers.get(name)!.push(Array.isArray(value) ? value : [Number(value)]);
  };
  return {
    index: episode.index,
    cells({ rows, start }) {
      const frame = start - episode.start;
      const standing: Standing = {
        rows,
        index: start,
        frame,
        episode: episode.index,
        fps,
        taskIndex: (instruction) => taskIndex(tasks, instruction),
      };
      for (const instruction of rows.instruction) instructions.add(instruction);
      return features.map((feature) =>
        Array.from({ length: rows.count }, (_, at) => {
          const value = feature.of(standing, at);
          const cell = feature.dtype === 'image' && (value as Uint8Array).length === 0 ? black : value;
          remember(feature, cell, frame + at);
          return cell;
        }),
      );
    },
    close: () => ({
      episode,
      tasks: [...instructions],
      stats: Object.fromEntries([
        ...[...pixels].map(([name, histogram]) => [name, imageStats(histogram, looked.size)] as const),
        ...[...numbers].map(([name, rows]) => [name, numberStats(rows, rows[0]!.length)] as const),
      ]),
    }),
  };
}

async function aboutTheWhole(common: Common, total: Readonly<Record<string, Stats>>) {
  return [
    { path: 'meta/tasks.parquet', content: await tasksTable([...common.tasks.keys()]) },
    { path: 'meta/stats.json', content: `${JSON.stringify(statsJson(common.features, total), null, 1)}\n` },
    { path: 'meta/info.json', content: `${JSON.stringify(infoJson(common), null, 4)}\n` },
  ];
}

/** A pandas frame whose index is the text, as LeRobot looks it up. */
function tasksTable(tasks: readonly string[]): Promise<Uint8Array> {
  const described = (name: string, pandas: string, numpy: string): object => ({
    name,
    field_name: name,
    pandas_type: pandas,
    numpy_type: numpy,
    metadata: null,
  });
  const pandas = {
    index_columns: ['task'],
    column_indexes: [],
    columns: [described('task_index', 'int64', 'int64'), described('task', 'unicode', 'object')],
  };
  return parquetBytes(
    [
      { name: 'task_index', type: { leaf: 'int64', depth: 0 } },
      { name: 'task', type: { leaf: 'string', depth: 0 } },
    ],
    [tasks.map((_, index) => BigInt(index)), tasks],
    { pandas: JSON.stringify(pandas) },
  );
}

function statsJson(features: readonly Feature[], total: Readonly<Record<string, Stats>>): object {
  const one = ({ name, dtype }: Feature): [string, object] => {
    const { count, ...measures } = total[name]!;
    const nested = Object.entries(measures).map(([measure, values]) => [
      measure,
      dtype === 'image' ? values.map((value) => [[value]]) : values,
    ]);
    return [name, { ...Object.fromEntries(nested), count: [count] }];
  };
  return Object.fromEntries(features.filter(({ stats }) => stats).map(one));
}

function infoJson({ set, features, fps, tasks }: Common): object {
  const { arms, roles, steps } = set.shape;
  return {
    codebase_version: 'v3.0',
    robot_type: set.robots.length === 1 ? set.robots[0] : 'mixed',
    total_episodes: set.episodes,
    total_frames: set.rows,
    total_tasks: tasks.size,
    chunks_size: FILES_PER_CHUNK,
    data_files_size_in_mb: 100,
    video_files_size_in_mb: 200,
    fps,
    splits: { train: `0:${set.episodes}` },
    data_path: 'data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet',
    video_path: null,
    features: Object.fromEntries(features.map((feature) => [feature.name, described(feature)])),
    prep: {
      episodes: set.kind === 'plan' ? 'consecutive draws of a plan, not motions: neighbours are unrelated' : 'recorded',
      action: { feature: 'prep.action', shape: [arms, steps, 10], valid: 'prep.action_valid' },
      roles,
      ...set.metadata,
    },
  };
}
