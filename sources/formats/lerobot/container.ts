/** A LeRobot dataset, or a tree of them, as a container of episodes. One data file is one shard. */
import type { Reading, RecordPlace } from '../../../schemas/episode.ts';
import { type Code, type Place, PrepError } from '../../../schemas/errors.ts';
import type { LerobotInfo, LerobotRecord } from '../../../schemas/records.ts';
import type { LerobotLayout } from '../../../schemas/spec.ts';
import type { ByteRoot } from '../../bytes.ts';
import {
  type Container,
  type FoundEpisode,
  type KnownEpisode,
  placeDigest,
  resized,
  type Shard,
  sourceChanged,
} from '../../container.ts';
import { folderAt, readTextAt, walk } from '../../tree.ts';
import type { ParquetFile } from '../parquet.ts';
import { type EpisodeEntry, readEpisodes, readTasks, splitOf } from './episodes.ts';
import { type Lent, type OpenFiles, openFiles } from './files.ts';
import { INFO, parseInfo } from './info.ts';
import { type Locate, openLocate } from './locate.ts';
import { checkTemplates } from './paths.ts';
import { digestOf, firstFrame, lerobotRecord, type Parts, type VideoPart } from './record.ts';
import { checkRows, columnsOf, type Rows, rowsOf, type Window, windowFor } from './rows.ts';

/** A dataset with its metadata read; its files are opened as they are needed. */
export interface LerobotDataset {
  readonly info: LerobotInfo;
  readonly root: ByteRoot;
  readonly files: OpenFiles;
  readonly locate: Locate;
  /** Name of the dataset in ids: its path below the root, or the root's own name. */
  readonly name: string;
  readonly episodes: readonly EpisodeEntry[];
  readonly tasks: ReadonlyMap<number, string>;
}

/** Rows of one episode in memory (an estimate: 100 numbers of 8 bytes in each of 2000 rows, and as much again decoded). */
const RECORD_BYTES = 8 * 2 ** 20;
const MAX_DATASETS = 20_000;

/**
 * @throws PrepError `source-missing` (no dataset below the root), `bad-metadata` naming file and key; a dataset of a tree
 * that the layout does not accept is left out, and named where none is accepted
 */
export async function openLerobot(root: ByteRoot, layout: LerobotLayout): Promise<Container<LerobotRecord>> {
  const datasets: LerobotDataset[] = [];
  const refused: string[] = [];
  for await (const path of datasetPaths(root)) {
    const folder = folderAt(root, path);
    const info = parseInfo(await readTextAt(folder, INFO), path);
    const why = layout.accepts(info);
    if (why !== null) refused.push(`${path || nameOf(root)}: ${why}`);
    else datasets.push(await openLerobotDataset(folder, info, path === '' ? nameOf(root) : path));
  }
  if (datasets.length === 0) throw nothing(root, refused);
  const shards = datasets.flatMap(shardsOf);
  const byShard = new Map(shards.map(({ shard, ...rest }) => [`${shard.split}/${shard.file}`, rest]));
  return {
    format: 'lerobot',
    name: datasets.length === 1 ? datasets[0]!.name : `${datasets.length} datasets`,
    version: [...new Set(datasets.map(({ info }) => info.version))].join(', '),
    splits: [...new Set(shards.map(({ shard }) => shard.split))],
    shards: shards.map(({ shard }) => shard),
    missing: [],
    fields: [...new Set(datasets.flatMap(({ info }) => Object.keys(info.features)))],
    recordBytes: RECORD_BYTES,
    contiguous: false,
    episodes(shard, recorded) {
      const { dataset, members } = byShard.get(`${shard.split}/${shard.file}`)!;
      const all = members.map((entry, record) => ({ place: placeOf(shard, entry, record), entry }));
      const wanted = all.filter(({ place }) => !recorded(place.offset, place.length));
      return episodesOf(dataset, wanted, layout.bytes ?? []);
    },
    again(shard, known) {
      const { dataset, members } = byShard.get(`${shard.split}/${shard.file}`)!;
      const wanted = known.map((one) => ({ place: one.place, entry: members[one.place.record], known: one }));
      return episodesOf(dataset, wanted, layout.bytes ?? []);
    },
    async close() {
      for (const { files } of datasets) await files.close();
    },
  };
}

const nameOf = (root: ByteRoot): string =>
  root.uri
    .split(/[\\/]/)
    .filter((part) => part !== '')
    .at(-1) ?? '';

/** Folders that hold `meta/info.json`; what lies within a dataset is not looked into. */
export async function* datasetPaths(root: ByteRoot): AsyncGenerator<string> {
  const data = /(^|\/)(data|videos|images|meta\/episodes)$/;
  let count = 0;
  for await (const { path } of walk(root, (folder) => !data.test(folder))) {
    if (path !== INFO && !path.endsWith(`/${INFO}`)) continue;
    if (++count > MAX_DATASETS) throw nothing(root, [`more than ${MAX_DATASETS} datasets`]);
    yield path.slice(0, -INFO.length).replace(/\/$/, '');
  }
}

export async function openLerobotDataset(root: ByteRoot, info: LerobotInfo, name: string): Promise<LerobotDataset> {
  try {
    checkTemplates(info);
    const episodes = await readEpisodes(root, info);
    const tasks = await readTasks(root);
    const files = openFiles(root);
    return { info, root, files, locate: openLocate(root, files), name, episodes, tasks };
  } catch (error) {
    throw error instanceof PrepError ? error.within({ file: root.uri }) : error;
  }
}

interface OwnedShard {
  readonly shard: Shard;
  readonly dataset: LerobotDataset;
  readonly members: readonly EpisodeEntry[];
}

/** Episodes of one data file and split, in order. */
function shardsOf(dataset: LerobotDataset): OwnedShard[] {
  const groups = new Map<string, EpisodeEntry[]>();
  for (const entry of dataset.episodes) {
    const key = `${splitOf(dataset.info, entry.index)}\0${entry.data[0]}`;
    groups.set(key, [...(groups.get(key) ?? []), entry]);
  }
  return [...groups].map(([key, members]) => {
    const [split, file] = key.split('\0') as [string, string];
    const path = dataset.info.path === '' ? file : `${dataset.info.path}/${file}`;
    const shard = { split, file: path, size: 0, expected: members.length, first: members[0]!.index };
    return { shard, dataset, members };
  });
}

const placeOf = ({ split, file }: Shard, { row, length }: EpisodeEntry, record: number): RecordPlace => ({
  ...{ split, shard: file, record, offset: row, length },
});

interface Wanted {
  readonly place: RecordPlace;
  /** Absent where the metadata no longer have it. */
  readonly entry: EpisodeEntry | undefined;
  readonly known?: KnownEpisode;
}

async function* episodesOf(
  dataset: LerobotDataset,
  wanted: readonly Wanted[],
  bytes: readonly string[],
): AsyncGenerator<FoundEpisode<LerobotRecord>> {
  let window: Window | null = null;
  for (const { place: at, entry, known } of wanted) {
    const within = { container: dataset.name, split: at.split, index: entry?.index ?? null };
    if (entry?.row !== at.offset || entry.length !== at.length) {
      const found = entry ? `${entry.length} rows from ${entry.row} on` : 'no such episode';
      const record = sourceChanged(at, `${at.length} rows from ${at.offset} on`, found);
      yield { place: at, within, digest: placeDigest(at), record };
      continue;
    }
    const lent: Pick<Lent<unknown>, 'release'>[] = [];
    const release = async (): Promise<void> => {
      for (const one of lent.splice(0)) await one.release();
    };
    try {
      const opened = await openEpisode(dataset, entry, { bytes, known: window, lent });
      window = opened.window;
      const digest = known?.digest ?? (await digestOf(opened.parts));
      const place = { ...at, reading: readingOf(opened) };
      const changed = known && resized(known, place.reading);
      if (changed) throw changed;
      const read = bytesOf(opened.parts, entry.length);
      yield { place, within, digest, bytes: read, record: () => lerobotRecord(opened.parts), release };
    } catch (error) {
      await release();
      if (!(error instanceof PrepError)) throw error;
      yield { place: at, within, digest: placeDigest(at), record: error };
    }
  }
}

/** What reading the episode takes at most; a data file with its footer. */
function readingOf({ parts, size }: { parts: Parts; size: number }): Reading {
  let beside = 0;
  for (const found of parts.videos.values()) {
    const first = firstFrame(parts, found);
    beside += found.video.reach(first, Math.min(parts.rows.count, found.video.frames - first));
  }
  return { shard: size, beside };
}

/** Coded frames of the episode; rows are next to nothing beside them. */
function bytesOf({ videos }: Parts, length: number): number {
  let sum = 0;
  for (const { video, place } of videos.values())
    sum += video.bytes(place.frame, Math.min(length, video.frames - place.frame));
  return sum;
}

export async function openEpisode(
  dataset: LerobotDataset,
  entry: EpisodeEntry,
  options: { bytes: readonly string[]; known: Window | null; lent: Pick<Lent<unknown>, 'release'>[] },
): Promise<{ parts: Parts; window: Window; size: number }> {
  const { info, files, tasks } = dataset;
  const { lent } = options;
  const found = await openRows(dataset, entry, options);
  const { table, file, rows, window } = found;
  checkRows(rows, entry, info, file);
  const videos = new Map<string, VideoPart>();
  for (const [key, place] of Object.entries(entry.videos)) {
    const video = await firstThat(place.paths, (path) => files.video(path)).catch((error: unknown) => {
      // A camera without a file: whoever needs it says so, and the others are read.
      if (error instanceof PrepError && error.code === 'source-missing') return null;
      throw error;
    });
    if (!video) continue;
    lent.push(video);
    videos.set(key, { video: video.value, path: video.path, place });
  }
  const parts = { info, entry: { ...entry, row: found.row }, rows, table, file, tasks, videos };
  return { parts, window, size: found.size };
}

interface OpenRows {
  readonly table: ParquetFile;
  readonly file: string;
  /** First row of the episode within the file. */
  readonly row: number;
  readonly rows: Rows;
  readonly window: Window;
  /** Bytes of the file. */
  readonly size: number;
}

/** The rows where the metadata say that they are; where others are there or none, wherever the dataset's index has them. */
async function openRows(
  dataset: LerobotDataset,
  entry: EpisodeEntry,
  options: { bytes: readonly string[]; known: Window | null; lent: Pick<Lent<unknown>, 'release'>[] },
): Promise<OpenRows> {
  const { first } = entry;
  let fault: unknown;
  try {
    const found = await readRows(dataset, { ...entry, paths: entry.data }, options);
    if (first === null || !found.rows.has('index') || found.rows.numbers('index', 1)[0] === first) return found;
  } catch (error) {
    if (first === null || !(error instanceof PrepError) || !ELSEWHERE.has(error.code)) throw error;
    fault = error;
  }
  const located = await dataset.locate(first);
  if (located) return readRows(dataset, { ...entry, paths: [located.path], row: located.row }, options);
  if (fault) throw fault;
  return readRows(dataset, { ...entry, paths: entry.data }, options);
}

/** Faults of a place where something else lies. */
const ELSEWHERE: ReadonlySet<Code> = new Set(['source-missing', 'count-mismatch']);

async function readRows(
  { info, files }: LerobotDataset,
  { paths, row, length }: { paths: readonly string[]; row: number; length: number },
  { bytes, known, lent }: { bytes: readonly string[]; known: Window | null; lent: Pick<Lent<unknown>, 'release'>[] },
): Promise<OpenRows> {
  const data = await firstThat(paths, (path) => files.parquet(path));
  lent.push(data);
  const { value: table, path: file } = data;
  // A file of its own has exactly the episode's rows; one of several must have all of them.
  const own = info.version !== 'v3.0';
  if (own ? table.rows !== length : table.rows < row + length)
    throw new PrepError({
      code: 'count-mismatch',
      at: { file },
      expected: own ? `${length} rows, as meta/episodes.jsonl says` : `rows to ${row + length}`,
      found: `${table.rows} rows`,
    });
  const range = { file, from: row, to: row + length, known };
  const window = await windowFor(table, columnsOf(table, info, bytes), range);
  return { table, file, row, window, size: data.size, rows: rowsOf(window, row, length, file) };
}

/** The first candidate that is there. @throws PrepError `source-missing` naming the first */
async function firstThat<Value>(
  paths: readonly string[],
  open: (path: string) => Promise<Lent<Value>>,
): Promise<Lent<Value> & { readonly path: string }> {
  let missing: PrepError | undefined;
  for (const path of paths)
    try {
      return { ...(await open(path)), path };
    } catch (error) {
      if (!(error instanceof PrepError) || error.code !== 'source-missing') throw error;
      const at: Place = { file: path };
      missing ??= new PrepError({ code: 'source-missing', at, expected: 'a file', found: error.fault.found });
    }
  throw missing!;
}

const nothing = (root: ByteRoot, refused: readonly string[]): PrepError =>
  new PrepError({
    code: 'source-missing',
    at: { file: root.uri },
    expected: `a LeRobot dataset of this kind (${INFO})`,
    found: refused.length > 0 ? refused.slice(0, 3).join('; ') : `no ${INFO} here or below`,
  });
