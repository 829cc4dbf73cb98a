/** Arrow schemas of the tables of feature sets, and the names of those tables. */
import { arrow, type DataType, type Field, type Schema } from './arrow.ts';
import type { Role } from './episode.ts';
import { FEATURE_TOKENS, type FeatureCodec, type FeatureSet, featureValues } from './features.ts';
import { primaryKey } from './ledger-row.ts';

const required = (name: string, type: DataType): Field => new arrow.Field(name, type, false);
const text = (name: string): Field => required(name, new arrow.Utf8());
const list = (name: string, length: number, item: DataType): Field =>
  required(name, new arrow.FixedSizeList(length, required('item', item)));

/** `features`: one row per set. The name is the key: of two that begin a set of one name at once, one wins. */
export const REGISTRY = 'features';

export const registrySchema = (): Schema =>
  new arrow.Schema([primaryKey('name'), text('set'), text('spec_json'), required('created_ms', new arrow.Float64())]);

/** `features_<set>_parts`: one row per part and revision; of a part the highest revision counts. */
export const partsTable = (set: string): string => `features_${set}_parts`;

export const partsSchema = (): Schema =>
  new arrow.Schema([
    primaryKey('key'),
    text('plan'),
    required('start', new arrow.Int64()),
    required('draws', new arrow.Int64()),
    required('revision', new arrow.Int32()),
    text('basis'),
    text('tables_json'),
    text('runtime_json'),
    required('created_ms', new arrow.Float64()),
  ]);

/** `features_<set>_maps`: one row per segment of a plan and revision; the highest revision counts. */
export const mapsTable = (set: string): string => `features_${set}_maps`;

export const mapsSchema = (): Schema =>
  new arrow.Schema([
    primaryKey('key'),
    text('plan'),
    required('segment', new arrow.Int32()),
    required('revision', new arrow.Int32()),
    required('start', new arrow.Int64()),
    required('draws', new arrow.Int64()),
    text('basis'),
    text('parts'),
    text('table'),
    text('tables_json'),
    required('missing', new arrow.Int64()),
    required('created_ms', new arrow.Float64()),
  ]);

/** One row per draw of a segment, in order: which of the map's tables, which row of it; −1 where a draw has no features. */
export const mapSchema = (): Schema =>
  new arrow.Schema([required('part', new arrow.Int32()), required('row', new arrow.Int32())]);

/** One row per draw of a part, in order: the key of its frame by each signature's hashes, 0 where no graph fits its views. */
export const keysSchema = (): Schema => new arrow.Schema([required('frame', new arrow.Int64())]);

export interface FeatureShape {
  readonly views: readonly Role[];
  /** taps · tokens · hidden */
  readonly values: number;
  /** taps · tokens */
  readonly vectors: number;
  readonly codec: FeatureCodec;
}

/** Of the tables of a set whose rows have these views. */
export const featureShape = (set: FeatureSet, views: readonly Role[]): FeatureShape => ({
  views,
  values: featureValues(set),
  vectors: set.model.taps.length * FEATURE_TOKENS,
  codec: set.codec,
});

/** Rows of one signature of a part. A view's values lie as [tap][token][channel]. */
export function featureSchema({ views, values, vectors, codec }: FeatureShape, metadata: object): Schema {
  const { Float16, Float32, Int32, Int64, Int8, Uint16 } = arrow;
  const half = new Float16();
  const plain = { f16: half, bf16: new Uint16(), f32: new Float32() };
  const view = (role: Role): Field[] => {
    if (codec.name !== 'int8') return [list(role, values, plain[codec.name])];
    const side = vectors * codec.outliers[0]!.length;
    return [
      list(role, values, new Int8()),
      list(`${role}_scale`, vectors, half),
      ...(side > 0 ? [list(`${role}_side`, side, half)] : []),
    ];
  };
  const fields = [
    text('dataset'),
    required('episode_key', new Int64()),
    required('step', new Int32()),
    required('frame', new Int64()),
    list('image_hash', views.length, new Int64()),
    required('checksum', new Int64()),
    ...views.flatMap(view),
  ];
  return new arrow.Schema(fields, new Map([['prep', JSON.stringify(metadata)]]));
}

/** Table of rows (`v` and the signature's number) or of keys (`k`) of a part. */
export const featureTable = (
  set: string,
  part: { plan: string; start: number },
  what: string,
  attempt: string,
): string => `features_${set}_${part.plan}x${part.start}${what}_${attempt}`;

export const mapTable = (set: string, plan: string, attempt: string): string =>
  `features_${set}_map_${plan}_${attempt}`;

/** The set and attempt in the name of a table that one attempt wrote; null for other names. */
export function attemptOf(name: string): { readonly set: string; readonly attempt: string } | null {
  const match = /^features_([0-9a-f]{16})_(?:map_[0-9a-f]+|[0-9a-f]+x\d+(?:v\d+|k))_([0-9a-z]{12})$/.exec(name);
  return match ? { set: match[1]!, attempt: match[2]! } : null;
}
