/** What one line of the Open X-Embodiment table says of a set. */
import type { PoseKind } from '../../../schemas/source.ts';

/** Columns of a field: its path below `steps/`, and where they begin. */
export interface Columns {
  readonly path: string;
  readonly from?: number;
  /** Numbers per step, where they are stored as bytes and cannot be counted. */
  readonly width?: number;
}

/**
 * How a gripper number is read. `open`: 0 closed … 1 open, clipped · `closed`: the other way round · `relative`: +1 closing,
 * −1 opening, 0 hold, summed up · `range`: value at closed and at open.
 */
export type GripperRule = 'open' | 'closed' | 'relative' | { readonly closed: number; readonly open: number };
export interface Gripper extends Columns {
  readonly rule: GripperRule;
}

export type PoseSource =
  | (Columns & {
      readonly kind: Exclude<PoseKind, 'matrix' | 'matrix34'>;
      /** Metres per published unit of position; default 1. */
      readonly unit?: number;
    })
  /** Turns about the fixed axes z, x, y in that order (scipy `zxy`). */
  | (Columns & { readonly kind: 'xyz+extrinsic-zxy' })
  /** 16 numbers, column after column, as libfranka gives them. */
  | (Columns & { readonly kind: 'matrix-columns' })
  /** Position and rotation in two fields. */
  | { readonly position: Columns; readonly rotation: Columns; readonly kind: 'xyz+rotvec' | 'xyz+extrinsic-xyz' };

export interface OxeRow {
  readonly name: string;
  /** Name in `dataset_info.json` if it differs. */
  readonly container?: string;
  readonly hz: number;
  readonly robot: string;
  readonly title: string;
  readonly licence?: string;
  /** Path below `steps/observation/` → what the camera is. */
  readonly cameras: Readonly<Record<string, 'fixed' | 'hand'>>;
  /** One per arm, slot order; a text says why there is none. */
  readonly poses: readonly PoseSource[] | string;
  /** One per arm; a text says why there is none. */
  readonly commanded: readonly Gripper[] | string;
  /** Measured opening where the set publishes it; else the command serves for both. */
  readonly measured?: readonly Gripper[];
  readonly language?: string;
  /** The pictures were turned by 180° after they had been stored bottom row first: left and right are exchanged. */
  readonly mirrored?: boolean;
  /** What the set's own description leaves open. */
  readonly doubt?: string;
}
