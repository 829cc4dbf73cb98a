/** Which set a run adds to: the one of this identity if the store has it, else a new one after the quality gate. */
import { createHash } from 'node:crypto';
import { PrepError } from '../../schemas/errors.ts';
import {
  type CodecName,
  FEATURE_TOKENS,
  type FeatureCodec,
  type FeatureSet,
  outlierCount,
} from '../../schemas/features.ts';
import { readSets, registerSet } from '../../sinks/features.ts';
import type { Store } from '../../sinks/store.ts';
import { addSquares, emptySquares, outliersOf } from '../../transforms/features/calibrate.ts';
import { codecOf, largestOf } from '../../transforms/features/codec.ts';
import { addToGate, emptyGate, judge } from '../../transforms/features/gate.ts';
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

/** 16 hex digits of what decides the numbers; calibrated channels follow from the first sample and are kept with the set. */
export function setId({ model, codec, images }: Pick<SetWish, 'model' | 'codec' | 'images'>): string {
  const identity = [
    model.fingerprint,
    model.signatures,
    codec,
    codec === 'int8' ? outlierCount(model.hidden) : 0,
    images,
  ];
  return createHash('sha256').update(JSON.stringify(identity)).digest('hex').slice(0, 16);
}

export const defaultName = ({ preset, tapPoint }: FeatureModel): string => preset ?? `${tapPoint.replaceAll('_', '-')}`;

/** The registered set of this wish, or null. @throws PrepError `bad-option` where the name or the length of parts is taken otherwise */
export async function registeredSet(store: Store, wish: SetWish): Promise<FeatureSet | null> {
  const id = setId(wish);
  const sets = await readSets(store);
  const found = sets.find(({ set }) => set === id) ?? null;
  const name = wish.name ?? found?.name ?? defaultName(wish.model);
  const namesake = sets.find((one) => one.name === name && one.set !== id);
  if (namesake)
    throw new PrepError({
      code: 'bad-option',
      at: { store: store.uri, field: '--name' },
      expected: `a name for features that differ from the set ${name} (${namesake.set}) in ${unlike(namesake, wish).join('; ')}`,
      found: name,
      remedy: 'give another --name, or the model that the set was made with',
    });
  if (found && found.name !== name) throw otherwise(store, '--name', found.name, name);
  if (found && wish.partDraws !== undefined && found.partDraws !== wish.partDraws)
    throw otherwise(store, '--part-draws', String(found.partDraws), String(wish.partDraws));
  return found;
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
        `weights or processor settings (fingerprint ${set.model.fingerprint.slice(0, 12)} there, ${model.fingerprint.slice(0, 12)} now)`,
      ];
}

export interface Sample {
  readonly source: FrameSource;
  readonly graphs: Graphs;
  /** Draws that have all views of the set, spread over the plan. */
  readonly draws: readonly number[];
  readonly batch: number;
}

/**
 * Calibrates and measures the codec on a sample of real frames and registers the set.
 * @throws PrepError `bad-codec` with every tap that the codec does not hold
 */
export async function newSet(store: Store, wish: SetWish, sample: Sample): Promise<FeatureSet> {
  const { model } = wish;
  const raw = await residualStreams(model, sample);
  const shape = { taps: model.taps.length, tokens: FEATURE_TOKENS, hidden: model.hidden };
  const squares = emptySquares(shape);
  for (const values of raw) addSquares(squares, values);
  const outliers = outliersOf(squares, outlierCount(model.hidden));
  const codec: FeatureCodec =
    wish.codec === 'int8'
      ? { name: 'int8', block: model.codec.block, signs: model.codec.signs, outliers }
      : { name: wish.codec };
  const gate = emptyGate(shape);
  for (const values of raw)
    addToGate(gate, { values, decoded: codecOf(codec, shape).decode(codecOf(codec, shape).encode(values)), outliers });
  const { passed, taps, reasons } = judge(gate, model.taps, largestOf(codec));
  if (!passed)
    throw new PrepError({
      code: 'bad-codec',
      at: { field: `--codec ${wish.codec}` },
      expected: 'features that survive the codec',
      found: `${reasons.slice(0, 3).join('; ')}${reasons.length > 3 ? ` and ${reasons.length - 3} more` : ''} (on ${sample.draws.length} frames)`,
      remedy:
        wish.codec === 'bf16'
          ? 'export with the precision f32 and look at the activations'
          : '--codec bf16 has the range of float32',
    });
  return registerSet(store, {
    version: 1,
    set: setId(wish),
    name: wish.name ?? defaultName(model),
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
    gate: { frames: sample.draws.length, taps },
  });
}

/** Every view of the sample's frames, a batch each. */
async function residualStreams(model: FeatureModel, { source, graphs, draws, batch }: Sample): Promise<Float32Array[]> {
  const found: Float32Array[] = [];
  for (let from = 0; from < draws.length; from += batch) {
    const some = draws.slice(from, from + batch);
    const { images } = await source.read(some, model.views);
    const { raw } = await graphs.run({ views: model.views, images, frames: some.length, codec: null });
    for (const role of model.views) found.push(raw[role]!);
  }
  return found;
}
