/**
 * The `parameters` folder of AgiBotWorld as side files for its LeRobot ports, which carry no calibration. A port keeps no
 * episode ids either: an episode is found by the task and number in its dataset's name (`task_327_episode_648642`), else by
 * its action segments, which `task_info` lists for every original episode. Values are passed on as published.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { CameraFacts, EpisodeFacts, EpisodeName, Segment, SideFiles } from '../../../schemas/episode.ts';
import { PrepError } from '../../../schemas/errors.ts';
import type { PoseSeries } from '../../../schemas/source.ts';
import { repeatedAtEnd } from './calibration.ts';

const NONE: EpisodeFacts = { cameras: {}, instructions: [], keepRanges: null, digest: '' };
const SOURCE = 'agibot-parameters';

/**
 * @param directory of the original release (`parameters/` and `task_info/` within), or `parameters` itself
 * @throws PrepError `missing-calibration` where neither is there, `bad-metadata` for a task file that is no JSON
 */
export function openAgibotParameters(directory: string, cameras: readonly string[]): SideFiles {
  const own = basename(directory) === 'parameters';
  const parameters = own ? directory : join(directory, 'parameters');
  const tasks = foldersOf(parameters);
  if (tasks.length === 0)
    throw new PrepError({
      code: 'missing-calibration',
      at: { file: directory },
      expected: 'parameters/<task>/<episode>/… of the original release',
      found: existsSync(parameters) ? 'no task in it' : 'no such folder',
      remedy: 'unpack the archives below parameters/ of AgiBotWorld, and task_info/, into that folder',
    });
  const listed = episodesBySegments(join(own ? dirname(directory) : directory, 'task_info'), tasks);
  const read = remembered((path, steps) => factsIn(join(parameters, path), { cameras, steps }));
  return {
    policy: 'agibot-parameters > release',
    facts: (name) => {
      const path = originalOf(name, listed);
      return path === null ? NONE : read(path, name.steps ?? 0);
    },
    coverage: {
      episodes: tasks.reduce((sum, task) => sum + foldersOf(join(parameters, task)).length, 0),
      'task lists': listed.files,
    },
    close: () => undefined,
  };
}

const foldersOf = (path: string): string[] =>
  existsSync(path) ? readdirSync(path).filter((name) => /^\d+$/.test(name)) : [];

interface Listed {
  readonly files: number;
  /** Segments as one text → `<task>/<episode>`; null where several have the same. */
  readonly bySegments: ReadonlyMap<string, string | null>;
}

const keyOf = (segments: readonly Segment[]): string =>
  JSON.stringify(segments.map(({ start, end, text }) => [start, end, text]));

function episodesBySegments(folder: string, tasks: readonly string[]): Listed {
  const bySegments = new Map<string, string | null>();
  const files = tasks.filter((task) => existsSync(join(folder, `task_${task}.json`)));
  for (const task of files) {
    const entries = jsonAt(join(folder, `task_${task}.json`));
    for (const entry of (Array.isArray(entries) ? entries : []) as Readonly<Record<string, unknown>>[]) {
      const key = keyOf(segmentsOf((entry.label_info as { action_config?: unknown } | undefined)?.action_config));
      bySegments.set(key, bySegments.has(key) ? null : `${task}/${entry.episode_id}`);
    }
  }
  return { files: files.length, bySegments };
}

/** `action_config` of a task list or of a port's own metadata. */
export function segmentsOf(config: unknown): Segment[] {
  const text = (value: unknown): string =>
    (value instanceof Uint8Array ? new TextDecoder().decode(value) : String(value ?? '')).trim();
  return (Array.isArray(config) ? config : []).map((one: Readonly<Record<string, unknown>>) => ({
    start: Number(one.start_frame),
    end: Number(one.end_frame),
    text: text(one.action_text),
  }));
}

/** `…/task_327_episode_648642`, a dataset of one episode, is `327/648642` of the original release. */
export function originalName(container: string): string | null {
  const [, task, episode] = /(?:^|\/)task_(\d+)_episode_(\d+)$/.exec(container) ?? [];
  return task === undefined ? null : `${task}/${episode}`;
}

function originalOf({ id, segments = [] }: EpisodeName, { bySegments }: Listed): string | null {
  if (/^\d+\/\d+$/.test(id)) return id;
  return segments.length === 0 ? null : (bySegments.get(keyOf(segments)) ?? null);
}

/** The last answer: an episode is asked for several times in a row. */
function remembered(read: (path: string, steps: number) => EpisodeFacts): typeof read {
  let last: { key: string; facts: EpisodeFacts } | undefined;
  return (path, steps) => {
    const key = `${path} ${steps}`;
    if (last?.key !== key) last = { key, facts: read(path, steps) };
    return last.facts;
  };
}

function factsIn(episode: string, { cameras, steps }: { cameras: readonly string[]; steps: number }): EpisodeFacts {
  // The folder `parameters` is repeated in some archives.
  const folder = [join(episode, 'parameters/camera'), join(episode, 'camera')].find((path) => existsSync(path));
  if (folder === undefined) return NONE;
  const hash = createHash('sha256');
  const found: Record<string, CameraFacts> = {};
  for (const camera of cameras) {
    const file = (part: string): unknown => {
      const path = join(folder, `${camera}_${part}.json`);
      if (!existsSync(path)) return undefined;
      const value = readable(path);
      hash.update(`${camera} ${part}\0${JSON.stringify(value)}\0`);
      return value;
    };
    const [intrinsic, extrinsic] = [file('intrinsic_params'), file('extrinsic_params_aligned')];
    if (intrinsic === undefined && extrinsic === undefined) continue;
    const pose = extrinsic === undefined ? null : seriesIn(extrinsic, steps);
    found[camera] = {
      poses: pose ? [{ source: SOURCE, pose }] : [],
      intrinsics: intrinsic === undefined ? null : intrinsicsIn(intrinsic),
    };
  }
  const used = Object.keys(found).length > 0;
  return { ...NONE, cameras: found, digest: used ? hash.digest('hex') : '' };
}

/** Camera→base, one per step; what is no number is NaN, so that its refusal is recorded instead of its absence. */
function seriesIn(list: unknown, steps: number): PoseSeries {
  const entries = Array.isArray(list) ? list : [];
  const poses = entries.map((entry) => {
    const { rotation_matrix: r, translation_vector: t } = entry?.extrinsic ?? {};
    return [0, 1, 2].flatMap((row) => [r?.[row]?.[0], r?.[row]?.[1], r?.[row]?.[2], t?.[row]]).map(numberOf);
  });
  const missing = repeatedAtEnd(poses.length, steps);
  // One pose of many would be taken for that of a camera that stands still.
  const all = missing === null && poses.length === 1 ? [] : [...poses, ...new Array(missing ?? 0).fill(poses.at(-1))];
  return { kind: 'matrix34', values: Float64Array.from(all.flat()), field: 'extrinsic_params_aligned' };
}

const numberOf = (value: unknown): number => (typeof value === 'number' ? value : Number.NaN);

function intrinsicsIn(file: unknown): CameraFacts['intrinsics'] {
  const k = (file as { intrinsic?: Readonly<Record<string, unknown>> } | null)?.intrinsic ?? {};
  const values = ['fx', 'fy', 'ppx', 'ppy'].map((name) => k[name] as number);
  return { source: SOURCE, serial: '', values, width: 0, height: 0 };
}

/** A damaged file of one episode is judged like one that holds no poses. */
function readable(path: string): unknown {
  try {
    return jsonAt(path);
  } catch (error) {
    if (error instanceof PrepError) return null;
    throw error;
  }
}

function jsonAt(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw new PrepError({
      code: 'bad-metadata',
      at: { file: path },
      expected: 'JSON',
      found: (cause as Error).message,
      cause,
    });
  }
}
