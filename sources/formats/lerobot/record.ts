/** One episode of a LeRobot dataset, opened: its rows in memory, its frames to be read when they are needed. */
import { createHash } from 'node:crypto';
import { PrepError } from '../../../schemas/errors.ts';
import { BATCH_BYTES, type FrameStream, type PictureBatch, type SourcePictures } from '../../../schemas/frames.ts';
import type { LerobotInfo, LerobotRecord } from '../../../schemas/records.ts';
import type { Cells, ParquetFile, RowRange } from '../parquet.ts';
import type { Video } from '../video.ts';
import type { EpisodeEntry, EpisodeVideo } from './episodes.ts';
import { pictureSize } from './info.ts';
import type { Rows } from './rows.ts';

export interface Parts {
  readonly info: LerobotInfo;
  readonly entry: EpisodeEntry;
  readonly rows: Rows;
  readonly table: ParquetFile;
  readonly file: string;
  readonly tasks: ReadonlyMap<number, string>;
  /** Videos that are there, each with its place in this episode. */
  readonly videos: ReadonlyMap<string, VideoPart>;
}

export interface VideoPart {
  readonly video: Video;
  readonly path: string;
  readonly place: EpisodeVideo;
}

export function lerobotRecord(parts: Parts): LerobotRecord {
  const { info, entry, rows, tasks, videos, table } = parts;
  const stored = (feature: string): boolean =>
    info.features[feature]?.dtype === 'image' && table.columns.includes(feature);
  return {
    format: 'lerobot',
    info,
    index: entry.index,
    steps: rows.count,
    entry: entry.json,
    has: (feature) => rows.has(feature) || videos.has(feature) || stored(feature),
    numbers: (feature, width) => rows.numbers(feature, width),
    texts: (feature) => rows.texts(feature),
    bytes: (feature) => rows.bytes(feature),
    tasks: () => taskTexts(parts, tasks),
    images: (feature) => (stored(feature) ? storedPictures(parts, feature) : videoPictures(parts, feature)),
  };
}

/** Texts by `task_index`; where no row has one, the texts that the episode's own entry lists. */
function taskTexts({ rows, entry }: Parts, tasks: ReadonlyMap<number, string>): string[] {
  const listed = Array.isArray(entry.json.tasks) ? entry.json.tasks.map(String) : [];
  if (!rows.has('task_index') || tasks.size === 0) return Array.from({ length: rows.count }, () => listed[0] ?? '');
  return Array.from(rows.numbers('task_index', 1), (index, row) => {
    const text = tasks.get(index);
    if (text !== undefined) return text;
    throw new PrepError({
      code: 'bad-value',
      at: { step: row, field: `task_index, row ${row}` },
      expected: `a task of meta/tasks (${tasks.size} tasks)`,
      found: `${index}`,
    });
  });
}

function videoPictures(parts: Parts, feature: string): SourcePictures {
  const { entry, rows, videos } = parts;
  const found = videos.get(feature);
  if (!found) {
    const paths = entry.videos[feature]?.paths;
    throw new PrepError({
      code: 'missing-field',
      at: { field: feature },
      expected: paths ? `the video ${paths.join(' or ')}` : `a feature ${feature}`,
      found: 'nothing there',
    });
  }
  const { video, path } = found;
  const first = firstFrame(parts, found);
  if (first + rows.count > video.frames)
    throw new PrepError({
      code: 'bad-video',
      at: { file: path },
      expected: `${rows.count} frames for ${rows.count} rows${first > 0 ? ` from frame ${first} on` : ''}`,
      found: `${video.frames - first} frames`,
    });
  return { width: video.width, height: video.height, frames: video.stream(first, rows.count), field: path };
}

/**
 * Where an episode begins within a video that holds several: counted by the lengths of those before it, which is exact, and
 * held against the stored time, which drifts by fractions. Where the file has other frames than its episodes, time alone tells.
 * @throws PrepError `bad-video` where neither fits
 */
export function firstFrame({ info }: Parts, { video, place, path }: VideoPart): number {
  const { seconds, frame, total } = place;
  if (seconds === null) return 0;
  const timed = nearest(video.seconds, seconds);
  if (total === video.frames && Math.abs(timed - frame) <= 1) return frame;
  const off = Math.abs((video.seconds[timed] ?? Number.POSITIVE_INFINITY) - seconds) * info.fps;
  if (off <= 0.5) return timed;
  throw new PrepError({
    code: 'bad-video',
    at: { file: path },
    expected: `a frame at ${seconds} s (frame ${frame} by the lengths of the episodes)`,
    found: `${video.frames} frames, the nearest ${off.toFixed(2)} periods away`,
  });
}

function nearest(times: Float64Array, t: number): number {
  let [low, high] = [0, times.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle]! < t) low = middle + 1;
    else high = middle;
  }
  return low > 0 && t - times[low - 1]! < times[low]! - t ? low - 1 : low;
}

function storedPictures(parts: Parts, feature: string): SourcePictures {
  const size = pictureSize(parts.info.features[feature]!);
  const frames: FrameStream = {
    kind: 'stream',
    count: parts.rows.count,
    batches: () => pictureBatches(parts, feature),
  };
  return { ...size, frames };
}

async function* pictureBatches({ table, entry, rows, file }: Parts, feature: string): AsyncGenerator<PictureBatch> {
  const to = entry.row + rows.count;
  for (const unit of await table.units(feature, entry.row, to)) {
    const cells = await cellsOf(table, feature, unit);
    const picture = (row: number): Uint8Array =>
      pictureBytes(cells[row - unit.start], { file, feature, row: row - entry.row });
    const end = Math.min(unit.end, to);
    let batch: Uint8Array[] = [];
    let bytes = 0;
    for (let row = Math.max(unit.start, entry.row); row < end; row++) {
      const next = picture(row);
      if (batch.length > 0 && bytes + next.length > BATCH_BYTES) {
        yield packed(batch, bytes);
        [batch, bytes] = [[], 0];
      }
      batch.push(next);
      bytes += next.length;
    }
    yield packed(batch, bytes);
  }
}

/** The unit of each column that was decoded last: the next episode, or the second reading of this one, is often in it. */
const DECODED = new WeakMap<ParquetFile, Map<string, { start: number; cells: Promise<Cells> }>>();

function cellsOf(table: ParquetFile, feature: string, { start, end }: RowRange): Promise<Cells> {
  const decoded = DECODED.get(table) ?? new Map<string, { start: number; cells: Promise<Cells> }>();
  DECODED.set(table, decoded);
  const last = decoded.get(feature);
  if (last?.start === start) return last.cells;
  const cells = table.read([feature], start, end).then((found) => found.get(feature)!);
  decoded.set(feature, { start, cells });
  // Nobody may be waiting for it any more; whoever is gets the fault, and the next one reads again.
  cells.catch(() => decoded.get(feature)?.cells === cells && decoded.delete(feature));
  return cells;
}

function packed(pictures: readonly Uint8Array[], bytes: number): PictureBatch {
  const out = new Uint8Array(bytes);
  let at = 0;
  const spans = pictures.map((picture) => {
    out.set(picture, at);
    at += picture.length;
    return { offset: at - picture.length, length: picture.length };
  });
  return { kind: 'pictures', buffer: out.buffer, spans };
}

function pictureBytes(
  cell: unknown,
  { file, feature, row }: { file: string; feature: string; row: number },
): Uint8Array {
  const bytes = typeof cell === 'object' && cell !== null && 'bytes' in cell ? cell.bytes : cell;
  if (bytes instanceof Uint8Array && bytes.length > 0) return bytes;
  throw new PrepError({
    code: 'bad-image',
    at: { file, step: row, field: `${feature}, row ${row}` },
    expected: 'the bytes of a picture',
    found: 'none in the row',
  });
}

/** Digest of the episode's content: its rows, its pictures, its coded video frames. */
export async function digestOf(parts: Parts): Promise<string> {
  const hash = createHash('sha256');
  parts.rows.digest(hash);
  for (const [feature, { dtype }] of Object.entries(parts.info.features).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const found = parts.videos.get(feature);
    if (dtype === 'video' && found) {
      hash.update(`${feature}\0`);
      const first = firstFrame(parts, found);
      const count = Math.min(parts.rows.count, found.video.frames - first);
      if (count > 0) await found.video.digest(hash, first, count);
    } else if (dtype === 'image' && parts.table.columns.includes(feature)) {
      hash.update(`${feature}\0`);
      for await (const { buffer } of pictureBatches(parts, feature)) hash.update(new Uint8Array(buffer));
    }
  }
  return hash.digest('hex');
}
