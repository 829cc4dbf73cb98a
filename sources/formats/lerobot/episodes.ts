/** Which episodes a LeRobot dataset has, where their rows and frames lie, and the texts of its tasks. */
import type { LerobotInfo } from '../../../schemas/records.ts';
import type { ByteRoot } from '../../bytes.ts';
import { folderAt, openAt, readTextAt, walk } from '../../tree.ts';
import { openParquet } from '../parquet.ts';
import { bad, parsedObject } from './info.ts';
import { candidates, type Places } from './paths.ts';

export interface EpisodeEntry {
  readonly index: number;
  /** Rows as the metadata say. */
  readonly length: number;
  readonly json: Readonly<Record<string, unknown>>;
  /** Candidate paths of the data file; all episodes of a file have the same. */
  readonly data: readonly string[];
  /** First row within the data file. */
  readonly row: number;
  /** Index of its first row in the whole dataset; null where an episode has its own file. */
  readonly first: number | null;
  readonly videos: Readonly<Record<string, EpisodeVideo>>;
}

export interface EpisodeVideo {
  readonly paths: readonly string[];
  /** First frame within the file by the lengths of the episodes before it there; 0 where an episode has its own file. */
  readonly frame: number;
  /** Time at which the episode begins within the file, seconds; null where an episode has its own file. */
  readonly seconds: number | null;
  /** Frames of all episodes of the file; null where an episode has its own file. */
  readonly total: number | null;
}

const EPISODES_JSONL = 'meta/episodes.jsonl';

/** @throws PrepError `bad-metadata` naming file and line */
export async function readEpisodes(root: ByteRoot, info: LerobotInfo): Promise<EpisodeEntry[]> {
  const keys = Object.entries(info.features)
    .filter(([, feature]) => feature.dtype === 'video')
    .map(([key]) => key);
  if (info.version === 'v3.0') return episodesV3(await rowsOfParquets(root, 'meta/episodes'), info, keys);
  const chunk = Number(info.json.chunks_size ?? 1000) || 1000;
  const seen = new Set<number>();
  return (await jsonLines(root, EPISODES_JSONL)).map((json, line) => {
    const at = `${EPISODES_JSONL} line ${line + 1}`;
    const index = whole(json.episode_index, `${at} episode_index`);
    if (seen.has(index)) throw bad(at, 'each episode once', `episode_index ${index} a second time`);
    seen.add(index);
    const places: Places = {
      episode_index: index,
      episode_chunk: Math.floor(index / chunk),
      total_episodes: Number(info.json.total_episodes ?? 0),
    };
    const video = (key: string): EpisodeVideo => ({
      paths: candidates(info, 'video_path', { ...places, video_key: key }),
      ...{ frame: 0, seconds: null, total: null },
    });
    return {
      index,
      length: whole(json.length, `${at} length`),
      json,
      data: candidates(info, 'data_path', places),
      row: 0,
      first: null,
      videos: Object.fromEntries(keys.map((key) => [key, video(key)])),
    };
  });
}

type Row = Readonly<Record<string, unknown>>;

function episodesV3(rows: readonly Row[], info: LerobotInfo, keys: readonly string[]): EpisodeEntry[] {
  const at = 'meta/episodes';
  const sorted = rows.map((json) => ({ json, index: whole(json.episode_index, `${at} episode_index`) }));
  sorted.sort((a, b) => a.index - b.index);
  const twice = sorted.find(({ index }, i) => i > 0 && sorted[i - 1]!.index === index);
  if (twice) throw bad(at, 'each episode once', `episode_index ${twice.index} a second time`);
  const firstOf = new Map<string, number>();
  const number = (json: Row, key: string): number => whole(json[key], `${at} ${key}`);
  const fileOf = (json: Row, prefix: string): Places => ({
    chunk_index: number(json, `${prefix}/chunk_index`),
    file_index: number(json, `${prefix}/file_index`),
    episode_index: number(json, 'episode_index'),
  });
  const entries = sorted.map(({ json, index }) => {
    const data = candidates(info, 'data_path', fileOf(json, 'data'));
    const from = number(json, 'dataset_from_index');
    firstOf.set(data[0]!, Math.min(firstOf.get(data[0]!) ?? from, from));
    const videos = keys
      .filter((key) => json[`videos/${key}/file_index`] != null)
      .map((key) => {
        const paths = candidates(info, 'video_path', { ...fileOf(json, `videos/${key}`), video_key: key });
        return [key, { paths, frame: 0, seconds: Number(json[`videos/${key}/from_timestamp`]), total: null }] as const;
      });
    return { index, length: number(json, 'length'), json, data, first: from, videos: Object.fromEntries(videos) };
  });
  const placed = entries.map((entry) => ({ ...entry, row: entry.first - firstOf.get(entry.data[0]!)! }));
  return withFrames(placed, keys);
}

/** Frames of a file lie episode after episode, in the order of their times. */
function withFrames(entries: EpisodeEntry[], keys: readonly string[]): EpisodeEntry[] {
  const videos = entries.map((entry) => ({ ...entry.videos }));
  for (const key of keys) {
    const files = new Map<string, number[]>();
    for (const [i, entry] of entries.entries()) {
      const path = entry.videos[key]?.paths[0];
      if (path !== undefined) files.set(path, [...(files.get(path) ?? []), i]);
    }
    for (const members of files.values()) {
      members.sort((a, b) => entries[a]!.videos[key]!.seconds! - entries[b]!.videos[key]!.seconds! || a - b);
      const total = members.reduce((sum, i) => sum + entries[i]!.length, 0);
      let frame = 0;
      for (const i of members) {
        videos[i]![key] = { ...entries[i]!.videos[key]!, frame, total };
        frame += entries[i]!.length;
      }
    }
  }
  return entries.map((entry, i) => ({ ...entry, videos: videos[i]! }));
}

/** `task_index` → text. Absent files are no fault: a dataset may have no language. */
export async function readTasks(root: ByteRoot): Promise<Map<number, string>> {
  const files = (await root.folder('meta').list()).map(({ name }) => name);
  if (files.includes('tasks.jsonl'))
    return new Map(
      (await jsonLines(root, 'meta/tasks.jsonl')).map((json, line) => [
        whole(json.task_index, `meta/tasks.jsonl line ${line + 1} task_index`),
        String(json.task ?? ''),
      ]),
    );
  if (!files.includes('tasks.parquet')) return new Map();
  const rows = await rowsOfParquet(root, 'meta/tasks.parquet');
  // A pandas frame whose index is the text: the index is a column named `task` or `__index_level_0__`.
  return new Map(
    rows.map((row) => [
      whole(row.task_index, 'meta/tasks.parquet task_index'),
      String(row.task ?? row.__index_level_0__ ?? ''),
    ]),
  );
}

async function rowsOfParquets(root: ByteRoot, folder: string): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const { path } of walk(folderAt(root, folder)))
    if (path.endsWith('.parquet')) rows.push(...(await rowsOfParquet(root, `${folder}/${path}`)));
  return rows;
}

async function rowsOfParquet(root: ByteRoot, path: string): Promise<Row[]> {
  const file = await openAt(root, path);
  try {
    const table = await openParquet(file);
    // Statistics of every feature are most of the file and nothing of it is needed.
    const columns = table.columns.filter((name) => !name.startsWith('stats/'));
    const cells = await table.read(columns, 0, table.rows);
    return Array.from({ length: table.rows }, (_, row) =>
      Object.fromEntries(columns.map((name) => [name, plain(cells.get(name)![row])])),
    );
  } finally {
    await file.close();
  }
}

const plain = (value: unknown): unknown => (typeof value === 'bigint' ? Number(value) : value);

async function jsonLines(root: ByteRoot, path: string): Promise<Row[]> {
  const lines = (await readTextAt(root, path, 2 ** 30)).split('\n').map((line) => line.trim());
  while (lines.at(-1) === '') lines.pop();
  return lines.map((line, i) => parsedObject(line, `${path} line ${i + 1}`));
}

function whole(value: unknown, field: string): number {
  const number = typeof value === 'bigint' ? Number(value) : value;
  if (typeof number === 'number' && Number.isSafeInteger(number) && number >= 0) return number;
  throw bad(field, 'a whole number', JSON.stringify(value) ?? 'nothing');
}

/** Names of the split that an episode belongs to: `{"train": "0:90"}`; published ranges may be too long. */
export function splitOf(info: LerobotInfo, index: number): string {
  for (const [name, range] of Object.entries(info.json.splits ?? {})) {
    const [from, to] = String(range).split(':').map(Number);
    if (index >= (from ?? 0) && index < (to ?? Number.POSITIVE_INFINITY)) return name;
  }
  return 'train';
}
