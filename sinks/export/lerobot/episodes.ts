/** `meta/episodes`: one row per episode, one file beside each data file. */
import type { ExportEpisode, ExportUnit } from '../format.ts';
import type { Feature } from './features.ts';
import { type Cells, type Column, parquetBytes } from './parquet.ts';
import { MEASURES, type Stats } from './stats.ts';

export interface EpisodeFacts {
  readonly episode: ExportEpisode;
  readonly tasks: readonly string[];
  /** By feature. */
  readonly stats: Readonly<Record<string, Stats>>;
}

/** LeRobot's `chunks_size`: files per folder. */
export const FILES_PER_CHUNK = 1000;
export const placeOf = (file: number): { chunk: number; file: number } => ({
  chunk: Math.floor(file / FILES_PER_CHUNK),
  file: file % FILES_PER_CHUNK,
});

export function chunkPath(folder: string, index: number): string {
  const { chunk, file } = placeOf(index);
  const three = (n: number): string => String(n).padStart(3, '0');
  return `${folder}/chunk-${three(chunk)}/file-${three(file)}.parquet`;
}

export async function episodeTable(
  features: readonly Feature[],
  episodes: readonly EpisodeFacts[],
  unit: ExportUnit,
): Promise<Uint8Array> {
  const { chunk, file } = placeOf(unit.index);
  const columns: [Column, Cells][] = [];
  const add = (name: string, leaf: 'int64' | 'string' | 'float64', of: (one: EpisodeFacts) => unknown, depth = 0) =>
    void columns.push([{ name, type: { leaf, depth } }, episodes.map(of)]);
  add('episode_index', 'int64', ({ episode }) => BigInt(episode.index));
  add('tasks', 'string', ({ tasks }) => [...tasks], 1);
  add('length', 'int64', ({ episode }) => BigInt(episode.end - episode.start));
  add('data/chunk_index', 'int64', () => BigInt(chunk));
  add('data/file_index', 'int64', () => BigInt(file));
  add('dataset_from_index', 'int64', ({ episode }) => BigInt(episode.start));
  add('dataset_to_index', 'int64', ({ episode }) => BigInt(episode.end));
  add('prep/episode', 'string', ({ episode }) => episode.name);
  for (const feature of features.filter(({ stats }) => stats)) {
    // Channels of a picture are [[[r]], [[g]], [[b]]], as LeRobot's arrays of shape (3, 1, 1).
    const nest = (values: readonly number[]): unknown =>
      feature.dtype === 'image' ? values.map((value) => [[value]]) : [...values];
    for (const measure of MEASURES)
      add(
        `stats/${feature.name}/${measure}`,
        'float64',
        ({ stats }) => nest(stats[feature.name]![measure]),
        feature.dtype === 'image' ? 3 : 1,
      );
    add(`stats/${feature.name}/count`, 'int64', ({ stats }) => [BigInt(stats[feature.name]!.count)], 1);
  }
  add('meta/episodes/chunk_index', 'int64', () => BigInt(chunk));
  add('meta/episodes/file_index', 'int64', () => BigInt(file));
  return parquetBytes(
    columns.map(([column]) => column),
    columns.map(([, cells]) => cells),
  );
}
