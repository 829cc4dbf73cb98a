/** Frames of one camera before they are decoded: in memory with their record, or pulled batch by batch. */

/** One encoded picture, a view into the episode's bytes: never copy, never keep beyond the episode. */
export type EncodedFrame = Uint8Array;

/** How stored pixels differ from an upright RGB picture; what is left out does not differ. */
export interface Appearance {
  /** R and B are exchanged (a BGR buffer, or a JPEG that OpenCV made of an RGB array). */
  readonly bgr?: boolean;
  /** The bottom row comes first. */
  readonly rowsReversed?: boolean;
  /** The right column comes first: with `rowsReversed`, a picture stored turned by 180°. */
  readonly columnsReversed?: boolean;
}

export interface Span {
  readonly offset: number;
  readonly length: number;
}

/** Consecutive encoded pictures (JPEG, PNG), one span each. */
export interface PictureBatch {
  readonly kind: 'pictures';
  readonly buffer: ArrayBuffer;
  readonly spans: readonly Span[];
}

/** Consecutive uncompressed 8-bit frames without padding. */
export interface RawBatch {
  readonly kind: 'raw';
  readonly buffer: ArrayBuffer;
  readonly offset: number;
  readonly count: number;
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
  /** `hwc`: interleaved. `chw`: one plane after the other. */
  readonly layout: 'hwc' | 'chw';
}

export type VideoCodec = 'av1' | 'h264' | 'hevc' | 'mpeg4' | 'vp9' | 'mjpeg';

/** One coded frame, in decoding order. */
export interface VideoPacket extends Span {
  /** Place of its picture in presentation order, counted over the whole video. */
  readonly rank: number;
  readonly key: boolean;
  /** Coded or shown before the key frame from which its batch is wanted: it may lean on frames that are not there. */
  readonly leading: boolean;
}

/** Packets from a key frame on that decode on their own, and which of their pictures are wanted. */
export interface VideoBatch {
  readonly kind: 'video';
  /** Name of the file, for messages. */
  readonly file: string;
  readonly buffer: ArrayBuffer;
  readonly codec: VideoCodec;
  /** The codec's configuration record, as libav's `extradata`. */
  readonly extradata: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly packets: readonly VideoPacket[];
  /** Ranks, ascending, one may be there twice: one frame out for each. */
  readonly wanted: readonly number[];
}

/** Every batch can be decoded on its own; its buffer may be handed to another thread. */
export type FrameBatch = PictureBatch | RawBatch | VideoBatch;

export const frameCount = (batch: FrameBatch): number =>
  batch.kind === 'pictures' ? batch.spans.length : batch.kind === 'raw' ? batch.count : batch.wanted.length;

/** Largest batch that a source should make, bytes; one frame or one group of pictures may exceed it. */
export const BATCH_BYTES = 16 * 2 ** 20;

/** All frames are views into the record's own buffer. */
export interface FramesInMemory {
  readonly kind: 'memory';
  readonly frames: readonly EncodedFrame[];
}

/** Frames that are read when they are needed; nothing is read before `batches` is pulled. */
export interface FrameStream {
  readonly kind: 'stream';
  readonly count: number;
  /** Batches that together give the frames 0 … count − 1 in order. @throws PrepError where the source is damaged */
  batches(): AsyncIterable<FrameBatch>;
  /** Only these frames (ascending), where that reads less than all of them. */
  pick?(frames: readonly number[]): FrameStream;
}

export type Frames = FramesInMemory | FrameStream;

export const framesOf = (frames: Frames): number => (frames.kind === 'memory' ? frames.frames.length : frames.count);

/** Pictures of one camera as a format reads them: the size that the source declares (0 if it does not) and the frames. */
export interface SourcePictures {
  readonly width: number;
  readonly height: number;
  readonly frames: Frames;
  /** Where they are in the source, for messages. */
  readonly field?: string;
}
