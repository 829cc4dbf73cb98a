/**
 * Side files of KarlP/droid: re-made camera poses, intrinsics, serials, language and keep ranges of DROID episodes.
 * All are optional and keyed by the episode's uuid, which is found by the path `<LAB>/<success|failure>/<date>/<stamp>`.
 * Values are passed on as published; what may be used is judged later.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { CameraFacts, EpisodeFacts, PoseCandidate, SideFiles } from '../../schemas/episode.ts';
import { PrepError } from '../../schemas/errors.ts';
import type { PublishedPose } from '../../schemas/source.ts';
import { type JsonIndex, openJsonIndex } from '../formats/json-index.ts';

const FILES = {
  superset: 'cam2base_extrinsic_superset.json',
  cam2base: 'cam2base_extrinsics.json',
  intrinsics: 'intrinsics.json',
  serials: 'camera_serials.json',
  paths: 'episode_id_to_path.json',
  language: 'droid_language_annotations.json',
  keepRanges: 'keep_ranges_1_0_1.json',
} as const;
type Files = Partial<Record<keyof typeof FILES, JsonIndex>>;

/** Which key of `camera_serials.json` names which camera of the release. */
export type SerialKeys = Readonly<Record<string, 'ext1_cam_serial' | 'ext2_cam_serial' | 'wrist_cam_serial'>>;

/** Size that the published intrinsics are for, unless an entry says otherwise. */
const REFERENCE = { width: 1280, height: 720 } as const;
const SERIAL = /^\d+$/;

/** `:` in a recording's time stamp is `_` in the raw folders; both name the same episode. */
export const normalEpisode = (id: string): string => id.replaceAll(':', '_').replace(/^\/+|\/+$/g, '');

/** `…/<LAB>/<success|failure>/<date>/<stamp>/<file>` → the four folders that name the episode, or null. */
export function episodeFolders(path: string): readonly [string, string, string, string] | null {
  const parts = path.split('/').slice(-5, -1);
  const named = parts.length === 4 && (parts[1] === 'success' || parts[1] === 'failure');
  return named ? (parts as unknown as readonly [string, string, string, string]) : null;
}

/**
 * @throws PrepError `missing-calibration` if the folder holds none of the files, or none that says which episode a uuid is.
 */
export function openKarlp(directory: string, cameras: SerialKeys): SideFiles {
  const files: Files = {};
  for (const [key, name] of Object.entries(FILES))
    if (existsSync(join(directory, name))) files[key as keyof Files] = openJsonIndex(join(directory, name));
  if (Object.keys(files).length === 0)
    throw new PrepError({
      code: 'missing-calibration',
      at: { file: directory },
      expected: `some of ${Object.values(FILES).join(', ')}`,
      found: 'none of them',
      remedy: 'download the JSON files of KarlP/droid from the Hugging Face hub into that folder',
    });
  const uuids = uuidByPath(files);
  if (uuids.size === 0 && !files.keepRanges)
    throw new PrepError({
      code: 'missing-calibration',
      at: { file: join(directory, FILES.paths) },
      expected: 'a file that says which episode a uuid is',
      found: 'neither it nor a file with relative_path entries',
      remedy: `add ${FILES.paths} to the folder`,
    });
  return {
    policy: 'karlp-superset > karlp-cam2base > release',
    facts: ({ id, sourceId }) => factsOf(files, { uuid: uuids.get(normalEpisode(id)), sourceId, cameras }),
    coverage: Object.fromEntries(Object.entries(files).map(([key, index]) => [key, index.size])),
    close: () => {
      for (const index of Object.values(files)) index.close();
    },
  };
}

function uuidByPath(files: Files): Map<string, string> {
  const uuids = new Map<string, string>();
  for (const index of [files.cam2base, files.superset])
    for (const uuid of index?.keys() ?? []) {
      const entry = index?.get(uuid)?.value;
      if (isObject(entry) && typeof entry.relative_path === 'string')
        uuids.set(normalEpisode(entry.relative_path), uuid);
    }
  for (const uuid of files.paths?.keys() ?? []) {
    const path = files.paths?.get(uuid)?.value;
    if (typeof path === 'string') uuids.set(normalEpisode(path), uuid);
  }
  return uuids;
}

function factsOf(
  files: Files,
  { uuid, sourceId, cameras }: { uuid: string | undefined; sourceId: string; cameras: SerialKeys },
): EpisodeFacts {
  const hash = createHash('sha256');
  let used = false;
  const look = (name: keyof Files, key: string | undefined): unknown => {
    const found = key === undefined ? undefined : files[name]?.get(key);
    if (!found) return undefined;
    used = true;
    // The file is part of the hash: the same numbers as superset or as cam2base are different evidence. The values are
    // hashed and not their text, so that a file written again in another layout makes no new revisions.
    hash.update(`${name}\0${JSON.stringify(found.value)}\0`);
    return found.value;
  };
  const entries = {
    superset: look('superset', uuid),
    cam2base: look('cam2base', uuid),
    intrinsics: look('intrinsics', uuid),
    serials: look('serials', uuid),
  };
  const language = look('language', uuid);
  const keepRanges = rangesOf(look('keepRanges', keepRangesKey(sourceId)), sourceId);
  return {
    cameras: cameraFacts(entries, cameras),
    instructions: isObject(language)
      ? Object.values(language).filter((x): x is string => typeof x === 'string' && x.trim() !== '')
      : [],
    keepRanges,
    digest: used ? hash.digest('hex') : '',
  };
}

interface Entries {
  readonly superset?: unknown;
  readonly cam2base?: unknown;
  readonly intrinsics?: unknown;
  readonly serials?: unknown;
}

/** What the entries of one episode say of each camera of the release. */
export function cameraFacts(entries: Entries, cameras: SerialKeys): Record<string, CameraFacts> {
  const facts: Record<string, CameraFacts> = {};
  for (const [camera, serial] of Object.entries(serialsOf(entries, cameras))) {
    const poses: PoseCandidate[] = [];
    for (const [source, entry] of [
      ['karlp-superset', entries.superset],
      ['karlp-cam2base', entries.cam2base],
    ] as const)
      if (isObject(entry) && entry[serial] !== undefined)
        poses.push({ source, serial, pose: poseOf(entry[serial], source) });
    facts[camera] = { poses, intrinsics: intrinsicsOf(entries.intrinsics, serial) };
  }
  return facts;
}

/** What is no list, or a text in it, is passed on as such, so that its refusal is recorded instead of its absence. */
function poseOf(entry: unknown, field: string): PublishedPose {
  const list: unknown[] = Array.isArray(entry) ? entry : [];
  const values = Float64Array.from(list, (x) => (typeof x === 'number' ? x : Number.NaN));
  return { kind: 'xyz+extrinsic-xyz', values, field };
}

/** Serials by camera; without `camera_serials.json` the exterior ones are in sorted order, as the release numbers them. */
function serialsOf({ serials, superset }: Entries, cameras: SerialKeys): Record<string, string> {
  const listed = isObject(serials) ? serials : {};
  const sorted = isObject(superset)
    ? Object.keys(superset)
        .filter((key) => SERIAL.test(key))
        .sort()
    : [];
  const guessed: Record<string, string | undefined> =
    sorted.length === 2 ? { ext1_cam_serial: sorted[0], ext2_cam_serial: sorted[1] } : {};
  const out: Record<string, string> = {};
  for (const [camera, key] of Object.entries(cameras)) {
    const serial = listed[key] ?? guessed[key];
    if (typeof serial === 'string' || typeof serial === 'number') out[camera] = String(serial);
  }
  return out;
}

/** Published as `[fx, cx, fy, cy]` or as `{cameraMatrix: [fx, cx, fy, cy], width?, height?}`: mind the order. */
function intrinsicsOf(entry: unknown, serial: string): CameraFacts['intrinsics'] {
  if (!isObject(entry)) return null;
  // An entry that lists other serials only has no values for this camera: refused by name where it is judged.
  const one = entry[serial];
  const values: unknown = isObject(one) ? one.cameraMatrix : one;
  const list = (Array.isArray(values) ? values : []) as number[];
  const size =
    isObject(one) && Number(one.width) > 0 && Number(one.height) > 0
      ? { width: Number(one.width), height: Number(one.height) }
      : REFERENCE;
  const ordered = list.length < 4 ? list : [list[0]!, list[2]!, list[1]!, ...list.slice(3)];
  return { source: 'karlp-intrinsics', serial, values: ordered, ...size };
}

/** `<recording_folderpath>--<file_path>`; both halves share the episode's folder. */
function keepRangesKey(sourceId: string): string {
  const folder = sourceId.replace(/\/[^/]*$/, '');
  return `${folder}/recordings/MP4--${sourceId}`;
}

function rangesOf(value: unknown, episode: string): EpisodeFacts['keepRanges'] {
  if (value === undefined) return null;
  const fine =
    Array.isArray(value) && value.every((r) => Array.isArray(r) && r.length === 2 && r.every(Number.isInteger));
  if (!fine)
    throw new PrepError({
      code: 'bad-value',
      at: { file: FILES.keepRanges, episode },
      expected: 'a list of [start, end)',
      found: JSON.stringify(value).slice(0, 80),
    });
  return value as [number, number][];
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
