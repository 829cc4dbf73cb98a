/** A LeRobot dataset (v2.0, v2.1, v3.0) as `prep inspect` sees it: metadata, and the rows and videos of a few episodes. */
import { PrepError } from '../../schemas/errors.ts';
import type { LerobotFeature, LerobotInfo } from '../../schemas/records.ts';
import type { ByteRoot } from '../bytes.ts';
import { imageFacts } from '../formats/image-header.ts';
import { datasetPaths, type LerobotDataset, openEpisode, openLerobotDataset } from '../formats/lerobot/container.ts';
import type { EpisodeEntry } from '../formats/lerobot/episodes.ts';
import { INFO, isPicture, parseInfo, pictureSize } from '../formats/lerobot/info.ts';
import { lerobotRecord, type Parts } from '../formats/lerobot/record.ts';
import type { FieldDescription } from '../formats/rlds-describe.ts';
import { folderAt, readTextAt } from '../tree.ts';
import { type CameraDescription, type Described, EPISODES_READ, MAX_VALUES, type Sample } from './description.ts';
import { openSeen, type Seen } from './seen.ts';

/** Datasets of a tree that are counted. */
const MAX_DATASETS = 1000;
/** Episodes tried before it is given up that one of them can be read. */
const TRIED = 8;
/** Episodes whose files are looked for by name, and folders that are listed for it. */
const [LISTED, FOLDERS] = [5000, 64];

/** @throws PrepError of the metadata; what is wrong with episodes is in `faults` */
export async function describeLerobot(root: ByteRoot): Promise<Described & { readonly info: LerobotInfo }> {
  const paths: string[] = [];
  for await (const path of datasetPaths(root)) if (paths.push(path) === MAX_DATASETS) break;
  if (paths.length === 0)
    throw new PrepError({
      code: 'source-missing',
      at: { file: root.uri },
      expected: INFO,
      found: 'none here or below',
    });
  const folder = folderAt(root, paths[0]!);
  const info = parseInfo(await readTextAt(folder, INFO), paths[0]!);
  const dataset = await openLerobotDataset(folder, info, folder.uri.split(/[\\/]/).at(-1) ?? '');
  try {
    const described = await look(dataset);
    const { description } = described;
    const datasets = paths.length > 1 ? { datasets: paths.length } : {};
    return { ...described, description: { ...description, ...datasets }, info };
  } finally {
    await dataset.files.close();
  }
}

interface Looked {
  readonly seen: ReadonlyMap<string, Seen>;
  readonly cameras: Map<string, CameraDescription>;
  readonly steps: number[];
  readonly faults: string[];
}

async function look(dataset: LerobotDataset): Promise<Described> {
  const { info, episodes, tasks } = dataset;
  const seen = new Map(Object.keys(info.features).map((name) => [name, openSeen()]));
  const looked: Looked = { seen, cameras: new Map(), steps: [], faults: countFaults(dataset) };
  for (const entry of episodes.slice(0, TRIED)) {
    if (looked.steps.length === EPISODES_READ) break;
    await readOne(dataset, entry, looked);
  }
  const absent = await absentFiles(dataset, looked.faults);
  const lengths = episodes.map(({ length }) => length);
  const features = Object.entries(info.features);
  return {
    description: {
      format: 'lerobot',
      root: dataset.root.uri,
      name: dataset.name,
      version: info.version,
      robot: info.robotType,
      fps: info.fps,
      episodes: episodes.length,
      lengths: {
        min: lengths.reduce((a, b) => Math.min(a, b), Infinity),
        max: lengths.reduce((a, b) => Math.max(a, b), 0),
      },
      steps: looked.steps,
      tasks: { count: tasks.size, first: [...tasks.values()].slice(0, 5) },
      fields: features.map(([name, feature]) => fieldOf(name, feature, looked)),
      cameras: features
        .filter(([, feature]) => isPicture(feature))
        .map(([name, feature]) => cameraOf(name, feature, { looked, info, absent })),
      faults: looked.faults,
    },
    samples: features.flatMap(([name, { names }]): Sample[] => {
      const sample = BOOKKEEPING.has(name) ? null : seen.get(name)!.sample(name, true, names);
      return sample ? [sample] : [];
    }),
  };
}

/** Columns that every LeRobot dataset has and that say nothing of the robot. */
const BOOKKEEPING = new Set(['timestamp', 'frame_index', 'episode_index', 'index', 'task_index']);

function countFaults({ info, episodes }: LerobotDataset): string[] {
  const frames = episodes.reduce((sum, { length }) => sum + length, 0);
  const told = [
    ['total_episodes', episodes.length],
    ['total_frames', frames],
  ] as const;
  return told.flatMap(([key, count]) =>
    info.json[key] !== undefined && info.json[key] !== count
      ? [`${INFO} says ${key} ${info.json[key]}, meta/episodes lists ${count}`]
      : [],
  );
}

async function readOne(dataset: LerobotDataset, entry: EpisodeEntry, looked: Looked): Promise<void> {
  const lent: { release(): Promise<void> }[] = [];
  const { info } = dataset;
  try {
    const { parts } = await openEpisode(dataset, entry, { bytes: [], known: null, lent });
    if (parts.file !== entry.data[0])
      looked.faults.push(`data_path leads to ${entry.data[0]}, the file is at ${parts.file}`);
    looked.steps.push(parts.rows.count);
    for (const [name, feature] of Object.entries(info.features)) {
      try {
        if (isPicture(feature)) await lookAtPictures(name, parts, looked);
        else lookAtColumn(name, feature, parts, looked.seen.get(name)!);
      } catch (error) {
        if (!(error instanceof PrepError)) throw error;
        looked.faults.push(error.within({ episode: `${entry.index}`, field: name }).message);
      }
    }
  } catch (error) {
    if (!(error instanceof PrepError)) throw error;
    looked.faults.push(error.within({ episode: `${entry.index}` }).message);
  } finally {
    for (const one of lent) await one.release();
  }
}

function lookAtColumn(name: string, { dtype, shape }: LerobotFeature, { rows, file }: Parts, seen: Seen): void {
  if (dtype === 'binary' || dtype === 'language') return;
  if (!rows.has(name))
    throw new PrepError({ code: 'missing-field', at: { file }, expected: `a column ${name}`, found: 'none' });
  const width = shape.reduce((product, length) => product * length, 1);
  if (dtype === 'string') seen.texts(rows.texts(name));
  else if (width * rows.count <= MAX_VALUES) seen.numbers(rows.numbers(name, width), width);
}

async function lookAtPictures(name: string, parts: Parts, { cameras, faults }: Looked): Promise<void> {
  const record = lerobotRecord(parts);
  const feature = parts.info.features[name]!;
  // Videos that are not there are counted over the whole dataset, in one sentence.
  if (!record.has(name)) return;
  const part = parts.videos.get(name);
  const before = cameras.get(name);
  const depth = isDepth(name, parts.info);
  if (!part) {
    let facts = imageFacts(new Uint8Array(0));
    const { frames } = record.images(name);
    if (frames.kind === 'stream')
      for await (const batch of frames.batches()) {
        if (batch.kind === 'pictures')
          facts = imageFacts(new Uint8Array(batch.buffer, batch.spans[0]!.offset, batch.spans[0]!.length));
        break;
      }
    const count = (before?.frames ?? 0) + parts.rows.count;
    cameras.set(name, { field: name, ...facts, fps: parts.info.fps, frames: count, depth });
    return;
  }
  const { video, place, path } = part;
  const { codec, width, height } = video;
  const due = place.total ?? parts.rows.count;
  if (video.frames !== due) {
    const rows = place.total === null ? `${due} rows` : `${due} rows of the episodes in it`;
    faults.push(`${path}: ${video.frames} frames for ${rows}`);
  }
  const declared = pictureSize(feature);
  if (declared.width !== width || declared.height !== height)
    faults.push(`${path}: ${width}x${height}, ${INFO} says ${declared.width}x${declared.height}`);
  const seconds = video.seconds.at(-1) ?? 0;
  const fps = video.frames > 1 && seconds > 0 ? Math.round((1000 * (video.frames - 1)) / seconds) / 1000 : null;
  if (fps !== null && Math.abs(fps / parts.info.fps - 1) > 0.02)
    faults.push(`${path}: ${fps} frames per second, ${INFO} says ${parts.info.fps}`);
  const frames = (before?.frames ?? 0) + Math.min(parts.rows.count, video.frames);
  cameras.set(name, { field: name, codec, width, height, fps, frames, depth });
}

function isDepth(name: string, { json }: LerobotInfo): boolean {
  const feature = (json.features as Record<string, { info?: Record<string, unknown> }>)[name];
  return feature?.info?.['video.is_depth_map'] === true || feature?.info?.is_depth_map === true || /depth/i.test(name);
}

interface Absent {
  readonly named: number;
  readonly missing: number;
}

/** Looks for data files and videos by listing their folders: nothing is opened. */
async function absentFiles(dataset: LerobotDataset, faults: string[]): Promise<Map<string, Absent>> {
  const entries = dataset.episodes.slice(0, LISTED);
  const listings = new Map<string, Promise<Set<string> | null>>();
  const there = async (paths: readonly string[]): Promise<boolean> => {
    for (const path of paths) {
      const cut = path.lastIndexOf('/');
      const folder = path.slice(0, cut);
      if (!listings.has(folder))
        listings.set(folder, listings.size < FOLDERS ? names(dataset.root, folder) : Promise.resolve(null));
      const found = await listings.get(folder)!;
      if (found === null || found.has(path.slice(cut + 1))) return true;
    }
    return false;
  };
  const count = async (what: string, all: readonly (readonly string[])[]): Promise<Absent> => {
    const unique = [...new Map(all.map((paths) => [paths[0]!, paths])).values()];
    const missing: string[] = [];
    for (const paths of unique) if (!(await there(paths))) missing.push(paths[0]!);
    if (missing.length > 0)
      faults.push(`${what}: ${missing.length} of ${unique.length} files are missing, first ${missing[0]}`);
    return { named: unique.length, missing: missing.length };
  };
  await count(
    'data',
    entries.map(({ data }) => data),
  );
  const absent = new Map<string, Absent>();
  for (const [key, { dtype }] of Object.entries(dataset.info.features))
    if (dtype === 'video')
      absent.set(
        key,
        await count(
          key,
          entries.flatMap(({ videos }) => (videos[key] ? [videos[key].paths] : [])),
        ),
      );
  return absent;
}

async function names(root: ByteRoot, folder: string): Promise<Set<string>> {
  const list = await folderAt(root, folder)
    .list()
    .catch((error: unknown) => {
      if (error instanceof PrepError) return [];
      throw error;
    });
  return new Set(list.map(({ name }) => name));
}

function fieldOf(path: string, { dtype, shape }: LerobotFeature, { seen, cameras }: Looked): FieldDescription {
  const picture = cameras.get(path);
  const scalar = shape.length === 1 && shape[0] === 1;
  const kind = dtype === 'video' || dtype === 'image' ? 'image' : dtype === 'string' ? 'text' : 'tensor';
  const base = { path, kind, shape: scalar ? [] : shape, dtype, encoding: kind === 'image' ? dtype : '' };
  if (kind !== 'image') return { ...base, ...seen.get(path)!.facts() };
  if (!picture) return { ...base, present: 0 };
  const { codec, width, height } = picture;
  return { ...base, present: 1, image: { codec, width, height, bytes: 0 } };
}

function cameraOf(
  field: string,
  feature: LerobotFeature,
  { looked, info, absent }: { looked: Looked; info: LerobotInfo; absent: ReadonlyMap<string, Absent> },
): CameraDescription {
  const files = absent.get(field);
  const told = { field, codec: 'not seen', ...pictureSize(feature), fps: null, frames: 0, depth: isDepth(field, info) };
  return { ...(looked.cameras.get(field) ?? told), ...(files ? { files } : {}) };
}
