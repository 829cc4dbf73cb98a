/** The mixed row of training shards: the step row with the slots of its plan, and what a draw adds (conventions, The mixed row). */
import { arrow, type Schema } from './arrow.ts';
import type { Role } from './episode.ts';
import { primaryKey } from './ledger-row.ts';
import { CAMERA_NUMBERS, fixedList, VECTOR } from './row.ts';

export interface MixedShape {
  readonly arms: number;
  readonly roles: readonly Role[];
  readonly steps: number;
}

/** Rows in draw order, column by column. */
export interface MixedRows {
  readonly count: number;
  readonly dataset: readonly string[];
  readonly draw: BigInt64Array;
  readonly seed: BigUint64Array;
  /** Index of the reference camera's role; −1 base. */
  readonly reference: Int8Array;
  readonly instructions: readonly (readonly string[])[];
  readonly hz: Float32Array;
  readonly episode: readonly string[];
  readonly step: Int32Array;
  readonly episodeKey: BigInt64Array;
  readonly group: BigInt64Array;
  readonly time: Float64Array;
  readonly robot: readonly string[];
  readonly third: readonly string[];
  readonly instruction: readonly string[];
  /** JPEG bytes by role; empty where absent. */
  readonly images: Readonly<Partial<Record<Role, readonly Uint8Array[]>>>;
  readonly action: Float32Array;
  readonly actionValid: Int16Array;
  readonly history: Float32Array;
  readonly proprio: Float32Array;
  readonly camera: Float32Array;
  readonly imageHash: BigInt64Array;
  readonly present: Int32Array;
  readonly flags: Int32Array;
}

export function mixedSchema({ arms, roles, steps }: MixedShape, metadata: object): Schema {
  const { Field, Float32, Float64, Int16, Int32, Int64, Int8, List, Uint64, Utf8 } = arrow;
  const required = (name: string, type: InstanceType<typeof arrow.DataType>) => new Field(name, type, false);
  return new arrow.Schema(
    [
      required('dataset', new Utf8()),
      required('draw', new Int64()),
      required('seed', new Uint64()),
      required('reference', new Int8()),
      required('instructions', new List(required('item', new Utf8()))),
      required('hz', new Float32()),
      required('episode', new Utf8()),
      required('step', new Int32()),
      required('episode_key', new Int64()),
      required('group', new Int64()),
      required('time', new Float64()),
      required('robot', new Utf8()),
      required('third', new Utf8()),
      required('instruction', new Utf8()),
      ...roles.map((role) => required(`image_${role}`, new arrow.Binary())),
      required('action', fixedList(arms * steps * VECTOR, new Float32())),
      required('action_valid', new Int16()),
      required('history', fixedList(arms * VECTOR, new Float32())),
      required('proprio', fixedList(arms * VECTOR, new Float32())),
      required('camera', fixedList(roles.length * CAMERA_NUMBERS, new Float32())),
      required('image_hash', fixedList(roles.length, new Int64())),
      required('present', new Int32()),
      required('flags', new Int32()),
    ],
    new Map([['prep', JSON.stringify(metadata)]]),
  );
}

/** `shards_<plan>`: which table holds which draws; a shard counts from the moment its row is inserted, which happens once. */
export function shardIndexSchema(): Schema {
  const { Field, Float64, Int32, Int64, Utf8 } = arrow;
  const required = (name: string, type: InstanceType<typeof arrow.DataType>) => new Field(name, type, false);
  return new arrow.Schema([
    primaryKey('key'),
    required('plan', new Utf8()),
    required('shard', new Int32()),
    required('start', new Int64()),
    required('draws', new Int64()),
    required('table', new Utf8()),
    /** sha-256 over every row's episode key (int64) and step (int32), little-endian, in order. */
    required('order_hash', new Utf8()),
    required('fingerprint', new Utf8()),
    required('created_ms', new Float64()),
  ]);
}

export const shardIndex = (plan: string): string => `shards_${plan}`;
export const shardTable = (plan: string, shard: number, attempt: string): string =>
  `shards_${plan}_${String(shard).padStart(5, '0')}_${attempt}`;
