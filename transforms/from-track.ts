/** A stored track as an episode again: what labels need, without frames. */
import type { ArmTrack, Camera, CameraCalibration, Episode, LedgerEntry, Track } from '../schemas/episode.ts';
import { fromMatrix34, type Rigid, rotationFromQuaternion } from '../schemas/geometry.ts';

interface Release {
  readonly extrinsics: Readonly<Record<string, readonly number[]>>;
  readonly instructions: readonly string[];
}

/** What the release said, for the track's `release`. JSON has no NaN: numbers that are not finite are written as texts. */
export const releaseText = (release: Release): string =>
  JSON.stringify(release, (_, value) => (typeof value === 'number' && !Number.isFinite(value) ? `${value}` : value));

function readRelease(text: string): Release {
  const { extrinsics, instructions } = JSON.parse(text) as Release;
  const numbers = Object.entries(extrinsics).map(([camera, values]) => [camera, values.map(Number)]);
  return { extrinsics: Object.fromEntries(numbers), instructions };
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
    cameras: track.cameras.map(({ name, width, height }) => ({ name, width, height, frames: [] })),
    released: release.extrinsics,
  };
  return { episode, told: release.instructions };
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
    calibration: calibration[name]!,
  }));
}

function posesOf(values: Float64Array): Rigid<'base', 'cam'>[] {
  return Array.from({ length: values.length / 12 }, (_, i) => fromMatrix34(values.subarray(12 * i, 12 * i + 12)));
}
