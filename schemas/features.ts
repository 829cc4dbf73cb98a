/** The shape of a model folder, a feature set and its codecs: what the exporter writes and what readers rely on. No I/O. */
import { z } from 'zod';
import { ROLES, type Role } from './episode.ts';

/** Merged tokens of a 256×256 picture: 16 × 16 patches, 2 × 2 of them merged. */
export const FEATURE_TOKENS = 64;

const role = z.enum(ROLES);
const digest = z.string().regex(/^[0-9a-f]{64}$/);
const signaturePrompt = z.looseObject({
  ids: z.array(z.int()),
  imageTokenPositions: z.array(z.array(z.int()).length(2)),
  mropePositions: z.array(z.array(z.int())).length(3),
});

/** `model.json` of a folder that the exporter in `tools/qwen3vl` wrote. Unknown keys are kept: they are for people. */
export const modelSchema = z.looseObject({
  format: z.literal('prep-qwen3vl'),
  version: z.literal(1),
  model: z.looseObject({ name: z.string(), revision: z.string(), sha256: z.record(z.string(), digest) }),
  precision: z.enum(['f32', 'bf16']),
  preset: z.string().nullable(),
  /** Where the residual stream is tapped; `vision`: outputs of the vision tower, before the language model. */
  tapPoint: z.enum(['hf_hidden_states', 'block_input', 'vision']),
  taps: z.array(z.union([z.int(), z.string()])).min(1),
  /** Whether the outputs depend on the language model, which stage 2 trains. */
  languageModel: z.boolean(),
  hidden: z.int().positive(),
  tokens: z.literal(FEATURE_TOKENS),
  /** Roles in the order of the prompt. */
  views: z.array(role).min(1),
  /** One graph each: rows that lack a view use the graph without it. */
  signatures: z.array(z.array(role).min(1)).min(1),
  image: z.looseObject({ width: z.literal(256), height: z.literal(256) }),
  prompt: z.looseObject({
    prefixIds: z.array(z.int()),
    positionRule: z.string(),
    signatures: z.record(z.string(), signaturePrompt),
  }),
  codec: z.strictObject({ block: z.int().positive(), signs: z.array(z.union([z.literal(1), z.literal(-1)])) }),
  files: z.record(z.string(), z.looseObject({ sha256: digest, bytes: z.int().nonnegative() })),
  /** Floating-point operations of a frame, by signature. */
  flops: z.record(z.string(), z.number().positive()),
  fingerprint: digest,
});

export type ModelDocument = z.infer<typeof modelSchema>;

/** The roles of a graph joined by `+`. */
export const signatureName = (views: readonly Role[]): string => views.join('+');

/** `f32` is for checks and small sets. */
export const CODECS = ['int8', 'f16', 'bf16', 'f32'] as const;
export type CodecName = (typeof CODECS)[number];

/** How a set's numbers are stored. */
export type FeatureCodec =
  | { readonly name: Exclude<CodecName, 'int8'> }
  | {
      readonly name: 'int8';
      /** Length of a Hadamard block: the largest power of two that divides `hidden`. */
      readonly block: number;
      readonly signs: readonly (1 | -1)[];
      /** Channels per tap that are kept apart as float16, ascending. */
      readonly outliers: readonly (readonly number[])[];
    };

/** A view of any number of frames as it is stored; float16 and bfloat16 as bits. Scale and side only with int8. */
export interface StoredView {
  /** [frame][tap][token][channel] */
  readonly values: Uint16Array | Int8Array | Float32Array;
  /** [frame][tap][token] */
  readonly scale?: Uint16Array;
  /** [frame][tap][token][outlier] */
  readonly side?: Uint16Array;
}

/** What a set was made of. */
export interface FeatureSet {
  readonly version: 1;
  /** 16 hex digits, in the names of its tables: of this registration, so that what a forgotten set left is never taken for this one's. */
  readonly set: string;
  /** Digest of what decides the numbers, calibration excepted. */
  readonly identity: string;
  readonly name: string;
  readonly model: Pick<ModelDocument, 'hidden' | 'tokens' | 'taps' | 'tapPoint' | 'languageModel' | 'precision'> & {
    readonly name: string;
    readonly revision: string;
    readonly fingerprint: string;
    readonly prefixIds: readonly number[];
    readonly positionRule: string;
  };
  /** Roles in the order of the prompt; a row without one of them has features of the signature without it. */
  readonly views: readonly Role[];
  readonly signatures: readonly (readonly Role[])[];
  /** `stored`: the JPEGs of the rows. `source`: the resized frames before JPEG. */
  readonly images: 'stored' | 'source';
  readonly codec: FeatureCodec;
  /** Draws of a part. */
  readonly partDraws: number;
  /** What the quality gate measured when the set was begun. */
  readonly gate: object;
}

/** Values of one view of one frame. */
export const featureValues = ({ model }: Pick<FeatureSet, 'model'>): number =>
  model.taps.length * model.tokens * model.hidden;

/** Stored bytes of one view of one frame: values, and for int8 a scale per token and the outliers. */
export function featureBytes(
  { taps, hidden }: Pick<ModelDocument, 'taps' | 'hidden'>,
  codec: CodecName,
  outliers: number,
): number {
  const tokens = taps.length * FEATURE_TOKENS;
  if (codec === 'int8') return tokens * (hidden + 2 + 2 * outliers);
  return tokens * hidden * (codec === 'f32' ? 4 : 2);
}

/** The same of a set that exists: with the outliers that it keeps. */
export const storedBytes = ({ model, codec }: Pick<FeatureSet, 'model' | 'codec'>): number =>
  featureBytes(model, codec.name, codec.name === 'int8' ? codec.outliers[0]!.length : 0);

/** Channels per tap that int8 keeps apart. */
export const outlierCount = (hidden: number): number => (hidden >= 1024 ? 8 : 4);
