/** What a dataset file makes of one episode: meaning with named conventions, nothing judged yet. */
import type { FlagRun, Segment } from './episode.ts';
import type { Appearance, SourcePictures } from './frames.ts';

/**
 * How a source writes poses, spelled out. `values` holds one pose per step (or one for all), row-major.
 * `…-xyz`, `…-zyx`: 6 numbers (m, rad) · `xyz+wxyz`, `xyz+xyzw`: 7 · `xyz+rotvec`: 6, rotation vector (rad, any length) ·
 * `matrix`: 16 (4×4) · `matrix34`: 12.
 */
export interface PoseSeries {
  readonly kind: PoseKind;
  readonly values: Float64Array;
  /** Name of the field in the source, for messages. */
  readonly field: string;
}

/** Numbers per pose of each way to write one. */
export const POSE_WIDTH = {
  'xyz+extrinsic-xyz': 6,
  'xyz+intrinsic-xyz': 6,
  'xyz+extrinsic-zyx': 6,
  'xyz+intrinsic-zyx': 6,
  'xyz+rotvec': 6,
  'xyz+wxyz': 7,
  'xyz+xyzw': 7,
  matrix34: 12,
  matrix: 16,
} as const;
export type PoseKind = keyof typeof POSE_WIDTH;

/** One arm: conventions named, nothing checked yet. */
export interface SourceArm {
  readonly pose: PoseSeries;
  /** 0 closed … 1 open, one per step; with only one of the two published, both are that one. */
  readonly opennessMeasured: Float64Array;
  readonly opennessCommanded: Float64Array;
  /** Names of their fields in the source, for messages. */
  readonly opennessFields?: { readonly measured: string; readonly commanded: string };
  /** Joint angles (rad), `steps × width` row-major, where a dataset is known to freeze poses: they tell whether the arm moved. */
  readonly joints?: { readonly width: number; readonly values: Float64Array };
}

/** A camera pose as published: once for the episode, or one per step. */
export interface PublishedPose extends PoseSeries {
  /** Default `base-from-cam`: the camera's pose. `cam-from-base`: what OpenCV calls the extrinsics. */
  readonly direction?: 'base-from-cam' | 'cam-from-base';
  /** Default `opencv`. `opengl`: x right, y up, z back. `isaac`: x forward, y left, z up. */
  readonly axes?: 'opencv' | 'opengl' | 'isaac';
  /** Default `base`. `ee`: relative to the end effector of the camera's arm, then the same at all steps. */
  readonly parent?: 'base' | 'ee';
  /** `unknown` where only the rotation can be trusted: the translation is then not used and stored as NaN. */
  readonly translation?: 'unknown';
  /** Name of where it comes from, for the ledger. Default `release`. */
  readonly source?: string;
}

/** fx fy cx cy in pixels, once or one set per step (then they must not change). */
export interface PublishedIntrinsics {
  readonly values: ArrayLike<number>;
  /** Size of the image that they belong to; default the camera's own. */
  readonly width?: number;
  readonly height?: number;
  readonly field: string;
  readonly source?: string;
}

/** One camera of an episode, one frame per step. */
export interface SourceCamera extends SourcePictures {
  readonly name: string;
  readonly appearance?: Appearance;
  /** What the release itself says of the camera; absent where it says nothing. */
  readonly pose?: PublishedPose;
  readonly intrinsics?: PublishedIntrinsics;
}

/** Who an episode is: readable even where its numbers are damaged, so that the ledger can name it. */
export interface EpisodeIdentity {
  /** The source's own stable id, `_` for `:`, unique within the dataset. */
  readonly id: string;
  /** The id as published. */
  readonly sourceId: string;
  readonly robot: string;
  readonly success: boolean | null;
  /** All non-empty instructions of the episode, in the order of the source; texts of segments need not be repeated. */
  readonly instructions: readonly string[];
  readonly segments: readonly Segment[];
  /** Steps per second of this episode where it differs from the robot's. */
  readonly hz?: number;
}

/** What a dataset file makes of one record: meaning, nothing judged yet. */
export interface SourceData {
  readonly steps: number;
  /** Slot order: the only or right arm, then the left. */
  readonly arms: readonly SourceArm[];
  readonly cameras: readonly SourceCamera[];
  /** Seconds of each step; needed where the spec's clock is `timestamps`, not used otherwise. */
  readonly time?: Float64Array;
  /** Joint-velocity command, `steps × width` row-major, for the idle rule; absent where a dataset has none. */
  readonly jointVelocityCommand?: { readonly width: number; readonly values: Float64Array };
  /** What the record itself says of its steps, e.g. `base_moving`. */
  readonly flagRuns?: readonly FlagRun[];
  /** What was noticed and does not hinder, e.g. `2 frames beyond the last step are left out`; goes to the ledger's detail. */
  readonly notes?: readonly string[];
}
