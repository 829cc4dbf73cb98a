/** What passes between the pipeline and the thread that runs the graphs. */
import type { Role } from '../../schemas/episode.ts';
import type { FeatureCodec, StoredView } from '../../schemas/features.ts';
import type { GraphOutput } from './model.ts';

export interface GraphStart {
  readonly folder: string;
  readonly provider: string;
  readonly device: number;
  readonly taps: number;
  readonly hidden: number;
  /** Bytes of the weights. */
  readonly weights: number;
  /** Graphs that were exported. */
  readonly outputs: readonly GraphOutput[];
}

export interface GraphJob {
  readonly views: readonly Role[];
  /** RGB [frames, views, 256, 256, 3] */
  readonly images: Uint8Array<ArrayBuffer>;
  readonly frames: number;
  /** How the residual stream comes back; null: as it is, in float32. */
  readonly codec: FeatureCodec | null;
}

export interface GraphResult {
  readonly views: Partial<Record<Role, StoredView>>;
  /** The residual stream itself, [frame][tap][token][channel], where it was asked for. */
  readonly raw: Partial<Record<Role, Float32Array>>;
  /** Digest of each frame's stored bytes. */
  readonly checksum: BigInt64Array;
}
