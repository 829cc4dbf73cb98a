/**
 * The vocabulary between sources, transforms and sinks. No I/O, no format, no robot.
 * Metres, radians, seconds; matrices row-major; camera axes OpenCV (x right, y down, z forward).
 */
import type { Code, Place } from './errors.ts';
import type { Rigid } from './geometry.ts';
import type { EpisodeIdentity, PublishedPose, SourceData } from './source.ts';

/** Camera roles in their fixed order (bits, columns and features depend on it). */
export const ROLES = ['third', 'third2', 'wrist', 'wrist2'] as const;
export type Role = (typeof ROLES)[number];

/** Arm slots of a table with two arms: slot 0 is the only or the right arm, slot 1 the left. */
export const ARM_SLOTS = ['right', 'left'] as const;

/** Pinhole intrinsics in pixels, pixel-centre convention: the centre of the first pixel is (0, 0). */
export interface Intrinsics {
  readonly fx: number;
  readonly fy: number;
  readonly cx: number;
  readonly cy: number;
}

/** Where the bytes of an episode lie in the source; enough to read exactly them again. */
export interface RecordPlace {
  readonly split: string;
  /** File name of the shard, without its folder. */
  readonly shard: string;
  /** Index of the record within the shard. */
  readonly record: number;
  /** Byte offset of the record's framing and its length with framing. */
  readonly offset: number;
  readonly length: number;
  /** What reading the episode again takes; left out where that is exactly `length`. */
  readonly reading?: Reading;
}

/** Bytes to read at most: videos are read per group of pictures, and a file is not always read to its end. */
export interface Reading {
  /** Of the shard's own file: counts once for all episodes in it. */
  readonly shard: number;
  /** Of files beside it. */
  readonly beside: number;
}

export interface ArmTrack {
  /**
   * Unit quaternions w x y z, 4 per step. The poses' rotations are made from these numbers and the tracks store them, so
   * that labels made again from a track are the same to the last bit.
   */
  readonly orientation: Float64Array;
  /** Pose of the dataset's own EE frame in the episode's fixed base frame, one per step. */
  readonly baseFromEe: readonly Rigid<'base', 'ee'>[];
  /** Openness per step, 0 closed … 1 open; with only one of the two published, both are that one. */
  readonly opennessMeasured: Float64Array;
  readonly opennessCommanded: Float64Array;
}

export interface Segment {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
  readonly text: string;
}

/** A sound episode: poses are rigid, openness is within 0 … 1, everything has one value per step. */
export interface Episode extends EpisodeIdentity, Omit<SourceData, 'arms'> {
  readonly arms: readonly ArmTrack[];
  readonly hz: number;
  /** Seconds since the first step, ascending: by the spec's clock. */
  readonly time: Float64Array;
}

export type CalibrationQuality = 'unchecked' | 'good' | 'suspect' | 'unusable';

/** What is known of one source camera after all evidence was weighed. Goes to the ledger as JSON. */
export interface CameraCalibration {
  readonly source: string;
  readonly intrinsics_source: string;
  readonly quality: CalibrationQuality;
  /** Code of why it is suspect or unusable, or why a better source was passed over. */
  readonly reason: Code | null;
  readonly detail: string | null;
  /** Numbers the verdict rests on, e.g. `tool_in_view` (share of steps), `ee_distance` (m). */
  readonly measures: Readonly<Record<string, number>>;
}

/** A calibrated camera as transforms use it. Unknown is `null`, never a default. */
export interface Camera {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly intrinsics: Intrinsics | null;
  /** True when the intrinsics are a fleet mean, not this camera's. */
  readonly assumedIntrinsics: boolean;
  /** One pose (fixed camera) or one per step (moving camera); null if unknown or unusable. */
  readonly baseFromCam: readonly Rigid<'base', 'cam'>[] | null;
  /** False where only the rotation is known: the translations of `baseFromCam` are NaN. */
  readonly translationKnown: boolean;
  readonly calibration: CameraCalibration;
}

/** A published camera pose that nobody has judged yet. */
export interface PoseCandidate {
  readonly source: string;
  readonly pose: PublishedPose;
  /** Serial number under which a side file lists it. */
  readonly serial?: string;
}

/** What side files say of one camera, before any rule was applied. */
export interface CameraFacts {
  /** Best source first. */
  readonly poses: readonly PoseCandidate[];
  /** fx, fy, cx, cy of an image of `width`×`height`; as published, not checked. */
  readonly intrinsics: {
    readonly source: string;
    readonly serial: string;
    readonly values: readonly number[];
    /** 0×0: the size of the camera's own frames. */
    readonly width: number;
    readonly height: number;
  } | null;
}

/** What side files say of one episode. */
export interface EpisodeFacts {
  readonly cameras: Readonly<Record<string, CameraFacts>>;
  readonly instructions: readonly string[];
  /** Step ranges [start, end) worth training on; null if no file lists the episode. */
  readonly keepRanges: readonly (readonly [number, number])[] | null;
  /** Hex digest of the entries used, '' if none: part of the episode's fingerprint. */
  readonly digest: string;
}

/** What side files are asked with: an episode's ids, and what tells it apart where they say nothing. */
export interface EpisodeName {
  readonly id: string;
  readonly sourceId: string;
  readonly segments?: readonly Segment[];
  /** Steps of the episode, as far as they are known: lists that end a little early are filled up. */
  readonly steps?: number;
}

/** Calibration and annotations published beside a dataset. */
export interface SideFiles {
  readonly policy: string;
  facts(episode: EpisodeName): EpisodeFacts;
  /** Counts for the plan, e.g. `{ cam2base: 36000 }`. */
  readonly coverage: Readonly<Record<string, number>>;
  close(): void;
}

export type EpisodeState = 'kept' | 'rejected' | 'quarantined';

/** Evidence of one flag as step ranges, `end` exclusive. */
export interface FlagRun {
  readonly flag: string;
  readonly start: number;
  readonly end: number;
}

/** One row of the ledger, before the sink adds `attempt`, `first_row`, `group` and `run`. */
export interface LedgerEntry {
  readonly episode: string;
  readonly episodeKey: bigint;
  readonly sourceId: string;
  readonly shard: string;
  readonly record: RecordPlace;
  readonly length: number;
  readonly robot: string;
  readonly hz: number;
  readonly instructions: readonly string[];
  readonly segments: readonly Segment[];
  readonly split: string;
  readonly success: boolean | null;
  readonly state: EpisodeState;
  /** '' when kept. */
  readonly reason: Code | '';
  readonly detail: string;
  readonly flagRuns: readonly FlagRun[];
  readonly calibration: Readonly<Record<string, CameraCalibration>>;
  /** Hex sha-256 of the episode's bytes. */
  readonly sourceDigest: string;
  /** Hex; the table's fingerprint plus what this episode used (see conventions, Fingerprints). */
  readonly fingerprint: string;
}

/** Poses and openness of a kept episode, float64: enough to make every label again. */
export interface Track {
  readonly time: Float64Array;
  /** Arm-major, 7 per step: x y z qw qx qy qz. */
  readonly baseFromEe: Float64Array;
  readonly opennessMeasured: Float64Array;
  readonly opennessCommanded: Float64Array;
  readonly cameras: readonly {
    readonly name: string;
    readonly width: number;
    readonly height: number;
    /** fx fy cx cy of the source image, or empty. */
    readonly k: readonly number[];
    /** 12 numbers (3×4 row-major), 12 per step for a moving camera, or empty. */
    readonly baseFromCam: Float64Array;
  }[];
  /** JSON of what the release said and `prep relabel` needs again (released extrinsics, keys, instructions). */
  readonly release: string;
}

/** Encoded pictures of one role, one per step; `offsets` has steps + 1 entries. */
export interface JpegColumn {
  readonly data: Uint8Array;
  readonly offsets: Int32Array;
}

/** The step rows of one episode, column by column, in step order. */
export interface StepColumns {
  /** Number of rows. */
  readonly steps: number;
  /** Which step each row is, ascending; left out where the rows are all steps from 0 on. */
  readonly step?: Int32Array;
  readonly robot: string;
  readonly third: string;
  /** One text per step. */
  readonly instruction: readonly string[];
  readonly time: Float64Array;
  readonly images: Readonly<Partial<Record<Role, JpegColumn>>>;
  /** steps · arms · chunk · 10 */
  readonly action: Float32Array;
  readonly actionValid: Int16Array;
  /** steps · arms · 10 */
  readonly history: Float32Array;
  readonly proprio: Float32Array;
  /** steps · roles · 16 */
  readonly camera: Float32Array;
  /** steps · roles; xxh3-64 reinterpreted as int64 */
  readonly imageHash: BigInt64Array;
  readonly present: Int32Array;
  readonly flags: Int32Array;
}

/** What the pipeline hands to a sink for one episode: always a ledger entry, rows and track only when kept. */
export interface EpisodeOutcome {
  readonly ledger: LedgerEntry;
  readonly track?: Track;
  readonly rows?: StepColumns;
}

/** A place for messages, from the record's place. */
export function placeOf(place: RecordPlace): Place {
  return { shard: place.shard, record: place.record, offset: place.offset };
}
