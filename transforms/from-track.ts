/** A stored track as an episode again: what labels need, without frames. */
import type { ArmTrack, Camera, CameraCalibration, Episode, LedgerEntry, Track } from '../schemas/episode.ts';
import { fromMatrix34, type Rigid, rotationFromQuaternion } from '../schemas/geometry.ts';
import type { PublishedIntrinsics, PublishedPose, SourceCamera } from '../schemas/source.ts';

interface Release {
  /** Camera poses that the release gives once for the episode; those per step are in the track's cameras. */
  readonly poses: Readonly<Record<string, PublishedPose>>;
  /** Cameras whose poses the release gives per step → name of that source. */
  readonly perStep: Readonly<Record<string, string>>;
  readonly intrinsics: Readonly<Record<string, PublishedIntrinsics>>;
  readonly instructions: readonly string[];
}

/** Numbers beyond this are poses per step: too much to keep twice. */
const SINGLE = 16;

/**
 * What the release said, for the track's `release`: `prep relabel` judges it again. JSON has no NaN: numbers that are not
 * finite are written as texts.
 */
export function releaseText({ cameras }: Pick<Episode, 'cameras'>, instructions: readonly string[]): string {
  const few = (values: ArrayLike<number> | undefined): boolean => values !== undefined && values.length <= SINGLE;
  const release: Release = {
    poses: Object.fromEntries(cameras.flatMap(({ name, pose }) => (few(pose?.values) ? [[name, pose!]] : []))),
    perStep: Object.fromEntries(
      cameras.flatMap(({ name, pose }) => (pose && !few(pose.values) ? [[name, pose.source ?? 'release']] : [])),
    ),
    intrinsics: Object.fromEntries(
      cameras.flatMap(({ name, intrinsics }) => {
        if (!intrinsics) return [];
        return [[name, { ...intrinsics, values: Array.from(intrinsics.values).slice(0, 4) }]];
      }),
    ),
    instructions,
  };
  return JSON.stringify(release, (_, value) => {
    if (value instanceof Float64Array) return Array.from(value);
    return typeof value === 'number' && !Number.isFinite(value) ? `${value}` : value;
  });
}

function readRelease(text: string): Release {
  const { poses, intrinsics, ...rest } = JSON.parse(text) as Release;
  const numbers = <T extends { values: ArrayLike<number> }>(published: Readonly<Record<string, T>>) =>
    Object.fromEntries(
      Object.entries(published).map(([camera, one]) => [
        camera,
        { ...one, values: Float64Array.from(one.values, Number) },
      ]),
    );
  return { ...rest, poses: numbers(poses), intrinsics: numbers(intrinsics) };
}

/** `told`: the instructions of the release itself, without those of side files. */
export function episodeFromTrack(entry: LedgerEntry, track: Track): { episode: Episode; told: readonly string[] } {
  const release = readRelease(track.release);
  const { length: steps } = entry;
  const arms = track.opennessMeasured.length / steps;
  const episode: Episode = {
    id: entry.episode,
    sourceId: entry.sourceId,
    robot: entry.robot,
    success: entry.success,
    instructions: entry.instructions,
    segments: entry.segments,
    steps,
    arms: Array.from({ length: arms }, (_, slot) => armAt(track, slot, steps)),
    hz: entry.hz,
    time: track.time,
    cameras: track.cameras.map((camera) => cameraAt(camera, entry, release)),
  };
  return { episode, told: release.instructions };
}

/** A pose per step is as the track has it: published for that camera and, if it was usable, unchanged since. */
function cameraAt(stored: Track['cameras'][number], entry: LedgerEntry, release: Release): SourceCamera {
  const { name, width, height, baseFromCam } = stored;
  const source = release.perStep[name];
  const stillThere = source !== undefined && source === entry.calibration[name]?.source;
  const pose = release.poses[name] ?? (stillThere ? perStepPose(baseFromCam, source) : undefined);
  const intrinsics = release.intrinsics[name];
  return {
    name,
    width,
    height,
    frames: { kind: 'memory', frames: [] },
    ...(pose ? { pose } : {}),
    ...(intrinsics ? { intrinsics } : {}),
  };
}

function perStepPose(values: Float64Array, source: string): PublishedPose | undefined {
  if (values.length === 0) return undefined;
  const pose = { kind: 'matrix34', values, field: 'base_from_cam', source } as const;
  return Number.isNaN(values[3]) ? { ...pose, translation: 'unknown' } : pose;
}

function armAt(track: Track, slot: number, steps: number): ArmTrack {
  const orientation = new Float64Array(4 * steps);
  const baseFromEe = Array.from({ length: steps }, (_, i): Rigid<'base', 'ee'> => {
    const o = 7 * (slot * steps + i);
    orientation.set(track.baseFromEe.subarray(o + 3, o + 7), 4 * i);
    return {
      r: rotationFromQuaternion(orientation.subarray(4 * i, 4 * i + 4), 'wxyz'),
      t: track.baseFromEe.slice(o, o + 3),
    };
  });
  const part = (values: Float64Array): Float64Array => values.slice(slot * steps, (slot + 1) * steps);
  return {
    orientation,
    baseFromEe,
    opennessMeasured: part(track.opennessMeasured),
    opennessCommanded: part(track.opennessCommanded),
  };
}

/** The cameras as an earlier ingest judged them. */
export function storedCameras(track: Track, calibration: Readonly<Record<string, CameraCalibration>>): Camera[] {
  return track.cameras.map(({ name, width, height, k, baseFromCam }) => ({
    name,
    width,
    height,
    intrinsics: k.length === 4 ? { fx: k[0]!, fy: k[1]!, cx: k[2]!, cy: k[3]! } : null,
    assumedIntrinsics: calibration[name]!.intrinsics_source === 'assumed',
    baseFromCam: baseFromCam.length === 0 ? null : posesOf(baseFromCam),
    translationKnown: baseFromCam.length > 0 && !Number.isNaN(baseFromCam[3]),
    calibration: calibration[name]!,
  }));
}

function posesOf(values: Float64Array): Rigid<'base', 'cam'>[] {
  return Array.from({ length: values.length / 12 }, (_, i) => fromMatrix34(values.subarray(12 * i, 12 * i + 12)));
}
