/** Which set a run adds to: the one of this identity if the store has it, else a new one after the quality gate. */
import { createHash, randomBytes } from 'node:crypto';
import type { Role } from '../../schemas/episode.ts';
import { PrepError } from '../../schemas/errors.ts';
import {
  type CodecName,
  FEATURE_TOKENS,
  type FeatureCodec,
  type FeatureSet,
  outlierCount,
  type StoredView,
} from '../../schemas/features.ts';
import { readSets, registerSet } from '../../sinks/features.ts';
import type { Store } from '../../sinks/store.ts';
import { addSquares, emptySquares, outliersOf } from '../../transforms/features/calibrate.ts';
import { codecOf, largestOf } from '../../transforms/features/codec.ts';
import { addToGate, emptyGate, type Gate, judge, type TapQuality } from '../../transforms/features/gate.ts';
import type { Shape } from '../../transforms/features/int8.ts';
import type { Graphs } from './graphs.ts';
import type { FeatureModel } from './model.ts';
import type { FrameSource } from './pictures.ts';

export interface SetWish {
  readonly model: FeatureModel;
  readonly codec: CodecName;
  readonly images: FeatureSet['images'];
  /** Undefined: the preset's. */
  readonly name: string | undefined;
  /** Draws of a part; undefined: the set's, or the default. */
  readonly partDraws: number | undefined;
}

/** Draws of a part, unless another number is asked for: 41 GB of int8 at ten taps and two views of the 2B model. */
export const PART_DRAWS = 16_384;

/** What decides the numbers: model, graphs, codec, pictures. Calibrated channels follow from the first sample and are kept with the set. */
export function identityOf({ model, codec, images }: Pick<SetWish, 'model' | 'codec' | 'images'>): string {
  const graphs = Object.entries(model.files)
    .map(([name, { sha256 }]) => [name, sha256])
    .sort();
  const identity = [model.fingerprint, model.signatures, graphs, codec, images];
  return createHash('sha256').update(JSON.stringify(identity)).digest('hex');
}

export const defaultName = ({ preset, tapPoint }: FeatureModel): string => preset ?? `${tapPoint.replaceAll('_', '-')}`;

/** The registered set of this wish, or null. @throws PrepError `bad-option` where the name or the length of parts is taken otherwise */
export async function registeredSet(store: Store, wish: SetWish): Promise<FeatureSet | null> {
  const sets = await readSets(store);
  const identity = identityOf(wish);
  const found = sets.find((one) => one.identity === identity) ?? null;
  const name = nameOf(wish, found);
  if (found && found.name !== name) throw otherwise(store, '--name', found.name, name);
  const namesake = sets.find((one) => one.name === name);
  if (namesake) checkSame(store, namesake, wish);
  return found;
}

/** @throws PrepError `bad-option` */
function nameOf({ name, model }: SetWish, found: FeatureSet | null): string {
  const chosen = name ?? found?.name ?? defaultName(model);
  if (/^[A-Za-z0-9][\w.-]*$/.test(chosen)) return chosen;
  throw new PrepError({
    code: 'bad-option',
    at: { field: '--name' },
    expected: 'letters, digits, "_", "-", "."',
    found: JSON.stringify(chosen),
  });
}

/** @throws PrepError `bad-option` where the set of that name is another one, or has other parts */
function checkSame(store: Store, set: FeatureSet, wish: SetWish): void {
  if (set.identity !== identityOf(wish))
    throw new PrepError({
      code: 'bad-option',
      at: { store: store.uri, field: '--name' },
      expected: `a name for features that differ from the set ${set.name} (${set.set}) in ${unlike(set, wish).join('; ')}`,
      found: set.name,
      remedy: 'give another --name, or the model that the set was made with',
    });
  if (wish.partDraws !== undefined && set.partDraws !== wish.partDraws)
    throw otherwise(store, '--part-draws', String(set.partDraws), String(wish.partDraws));
}

const otherwise = (store: Store, field: string, expected: string, found: string): PrepError =>
  new PrepError({
    code: 'bad-option',
    at: { store: store.uri, field },
    expected: `${expected}, as the set has it`,
    found,
  });

/** What two sets differ in, in words. */
export function unlike(set: FeatureSet, { model, codec, images }: Omit<SetWish, 'name' | 'partDraws'>): string[] {
  const pairs: [string, unknown, unknown][] = [
    ['model', set.model.name, model.model.name],
    ['revision', set.model.revision, model.model.revision],
    ['prefix', set.model.prefixIds, model.prompt.prefixIds],
    ['taps', set.model.taps, model.taps],
    ['tap point', set.model.tapPoint, model.tapPoint],
    ['precision', set.model.precision, model.precision],
    ['views', set.views, model.views],
    ['signatures', set.signatures, model.signatures],
    ['codec', set.codec.name, codec],
    ['images', set.images, images],
  ];
  const told = pairs.flatMap(([what, a, b]) => {
    const [before, now] = [JSON.stringify(a), JSON.stringify(b)];
    return before === now ? [] : [`${what} (${before} there, ${now} now)`];
  });
  return told.length > 0
    ? told
    : [
        `weights, processor settings or graphs (fingerprint ${set.model.fingerprint.slice(0, 12)} there, ${model.fingerprint.slice(0, 12)} now)`,
      ];
}

export interface Sample {
  readonly source: FrameSource;
  readonly graphs: Graphs;
  /** Real frames by the views that they have. */
  readonly frames: readonly { readonly views: readonly Role[]; readonly draws: readonly number[] }[];
  readonly batch: number;
  readonly signal: AbortSignal;
}

/**
 * Calibrates and measures the codec on a sample of real frames and registers the set; null where interrupted. Of processes that do
 * so at once one's calibration counts.
 * @throws PrepError `bad-codec` with every tap that the codec does not hold
 */
export async function newSet(store: Store, wish: SetWish, sample: Sample): Promise<FeatureSet | null> {
  const { model } = wish;
  const name = nameOf(wish, null);
  const shape = { taps: model.taps.length, tokens: FEATURE_TOKENS, hidden: model.hidden };
  const streams = residualStreams(sample, shape);
  const squares = emptySquares(shape);
  for await (const raw of streams.all()) for (const values of Object.values(raw)) addSquares(squares, values);
  const outliers = outliersOf(squares, outlierCount(model.hidden));
  const codec: FeatureCodec =
    wish.codec === 'int8'
      ? { name: 'int8', block: model.codec.block, signs: model.codec.signs, outliers }
      : { name: wish.codec };
  const measured = emptyGate(shape);
  const coder = codecOf(codec, shape);
  for await (const { raw, coded } of streams.coded(codec))
    for (const [role, values] of Object.entries(raw))
      addToGate(measured, { values, decoded: coder.decode(coded[role as Role]!), outliers });
  if (sample.signal.aborted) return null;
  const frames = sample.frames.reduce((sum, { draws }) => sum + draws.length, 0);
  const gate = { frames, taps: passed(wish, measured, { codec, frames }) };
  const made = await registerSet(store, {
    version: 1,
    set: randomBytes(8).toString('hex'),
    identity: identityOf(wish),
    name,
    model: {
      name: model.model.name,
      revision: model.model.revision,
      fingerprint: model.fingerprint,
      precision: model.precision,
      hidden: model.hidden,
      tokens: model.tokens,
      taps: model.taps,
      tapPoint: model.tapPoint,
      languageModel: model.languageModel,
      prefixIds: model.prompt.prefixIds,
      positionRule: model.prompt.positionRule,
    },
    views: model.views,
    signatures: model.signatures,
    images: wish.images,
    codec,
    partDraws: wish.partDraws ?? PART_DRAWS,
    gate,
  });
  checkSame(store, made, wish);
  return made;
}

/** What was measured of each tap. @throws PrepError `bad-codec` where it is not enough */
function passed(
  { model, codec: name }: SetWish,
  gate: Gate,
  { codec, frames }: { readonly codec: FeatureCodec; readonly frames: number },
): readonly TapQuality[] {
  const verdict = judge(gate, model.taps, largestOf(codec));
  if (verdict.passed) return verdict.taps;
  const { reasons } = verdict;
  throw new PrepError({
    code: 'bad-codec',
    at: { field: `--codec ${name}` },
    expected: 'features that survive the codec',
    found: `${reasons.slice(0, 3).join('; ')}${reasons.length > 3 ? ` and ${reasons.length - 3} more` : ''} (on ${frames} frames)`,
    remedy: '--codec bf16 has the range of float32, f32 its precision, too',
  });
}

type Raw = Readonly<Partial<Record<Role, Float32Array>>>;

/** Residual streams of the sample that are kept between the two passes (bytes); of a larger sample they are computed twice. */
const KEPT_BYTES = 2 ** 30;

/** The sample's batches, uncoded and as the graphs code them: what is measured is what will be stored. Both end early where interrupted. */
function residualStreams({ source, graphs, frames, batch, signal }: Sample, { taps, tokens, hidden }: Shape) {
  const batches = frames.flatMap(({ views, draws }) =>
    Array.from({ length: Math.ceil(draws.length / batch) }, (_, i) => ({
      views,
      draws: draws.slice(i * batch, (i + 1) * batch),
    })),
  );
  const numbers =
    frames.reduce((sum, { views, draws }) => sum + views.length * draws.length, 0) * taps * tokens * hidden;
  const kept: Raw[] | null = 4 * numbers <= KEPT_BYTES ? [] : null;
  const run = async ({ views, draws }: (typeof batches)[number], codec: FeatureCodec | null) => {
    const { images } = await source.read(draws, views);
    return graphs.run({ views, images, frames: draws.length, codec });
  };
  return {
    async *all(): AsyncGenerator<Raw> {
      for (const one of batches) {
        if (signal.aborted) return;
        const { raw } = await run(one, null);
        kept?.push(raw);
        yield raw;
      }
    },
    async *coded(codec: FeatureCodec): AsyncGenerator<{ raw: Raw; coded: Partial<Record<Role, StoredView>> }> {
      for (const [i, one] of batches.entries()) {
        if (signal.aborted) return;
        const raw = kept?.[i] ?? (await run(one, null)).raw;
        yield { raw, coded: (await run(one, codec)).views };
      }
    },
  };
}
