/** The step row, the ledger row and the track row: names and types fixed by the conventions (row version 1). */
import { arrow, type Schema } from './arrow.ts';
import { ROLES, type Role } from './episode.ts';
import type { LabelOptions, PixelOptions } from './options.ts';

export const ROW_VERSION = 1;
/** Numbers per action, history or proprioception vector: xyz, rot6d, gripper. */
export const VECTOR = 10;
/** Numbers per role in the `camera` column: fx fy cx cy, then baseFromCam 3×4. */
export const CAMERA_NUMBERS = 16;

/** Bits of `flags`, in this order for ever: append only. */
export const FLAGS = [
  'idle',
  'failure',
  'assumed_intrinsics',
  'calibration_suspect',
  'no_instruction',
  'base_moving',
  'clock_gap',
  'outside_keep_ranges',
] as const;
export type Flag = (typeof FLAGS)[number];
export const flagBit = (flag: Flag): number => 1 << FLAGS.indexOf(flag);

/** Bits of `present`: four per role (image, intrinsics, rotation, translation), arms at 16, history at 20. */
export const PRESENT = {
  image: 0,
  intrinsics: 1,
  rotation: 2,
  translation: 3,
} as const;
export const presentBit = (role: Role, what: keyof typeof PRESENT): number =>
  1 << (4 * ROLES.indexOf(role) + PRESENT[what]);
export const armBit = (slot: number): number => 1 << (16 + slot);
export const HISTORY_BIT = 1 << 20;

/** Bit index of each name in `present`, as the metadata lists them. */
export function presentNames(): Record<string, number> {
  const names: Record<string, number> = {};
  for (const [index, role] of ROLES.entries())
    for (const [what, bit] of Object.entries(PRESENT)) names[`${role}_${what}`] = 4 * index + bit;
  return { ...names, arm_0: 16, arm_1: 17, history: 20 };
}

/** What a table needs to know of itself before its first row. */
export interface TableShape {
  readonly dataset: string;
  readonly arms: number;
  readonly roles: readonly Role[];
  readonly chunkSteps: number;
  /** Value of the schema metadata key `prep`. */
  readonly metadata: PrepMetadata;
}

export interface RobotMetadata {
  readonly arms: number;
  readonly roles: readonly Role[];
  readonly hz: number;
  readonly clock: 'index' | 'timestamps';
  readonly ee_origin: string;
  /** 4×4 row-major, for every arm of the robot; null where the dataset does not say. */
  readonly eeFromTool: readonly number[] | null;
}

/** The JSON object under the schema metadata key `prep`: everything needed to read the table without a manual. */
export interface PrepMetadata {
  readonly dataset: string;
  /** Name of the dataset file that gave the fields their meaning; differs from `dataset` after `--as`. */
  readonly spec: string;
  /** Of the source: with `spec` it names the dataset file where a dataset has several layouts. */
  readonly format: 'rlds' | 'lerobot' | 'files';
  readonly spec_version: number;
  readonly robots: Readonly<Record<string, RobotMetadata>>;
  readonly arms: readonly string[];
  /** role → source cameras that may fill it */
  readonly roles: Readonly<Partial<Record<Role, readonly string[]>>>;
  readonly chunk: { readonly steps: number; readonly dt: number };
  readonly reference: 'third' | 'wrist' | 'base';
  readonly tool: 'native' | 'canonical';
  readonly rot6d: 'rows' | 'columns';
  readonly gripper: {
    readonly encoding: string;
    readonly action: 'commanded' | 'measured';
    readonly proprio: 'measured' | 'commanded';
    readonly interpolation: 'linear' | 'hold';
    readonly command_offset: number;
  };
  readonly image: {
    readonly width: number;
    readonly height: number;
    readonly fit: 'letterbox' | 'crop' | 'stretch';
    readonly resample: string;
    readonly codec: 'jpeg';
    readonly quality: number;
    readonly subsampling: '4:4:4' | '4:2:0';
  };
  /** Which calibration sources count, best first. */
  readonly calibration: string;
  readonly flags: Readonly<Record<string, number>>;
  readonly present: Readonly<Record<string, number>>;
  readonly row_version: number;
  /** The options as given, from which `prep relabel` starts. */
  readonly options: { readonly pixels: PixelOptions; readonly labels: LabelOptions };
  readonly fingerprint: { readonly pixels: string; readonly labels: string };
}

/** Arrow schema of `<dataset>_steps`. Every column non-null: absence has its own bits and values. */
export function stepSchema(shape: TableShape): Schema {
  const { Field, Float32, Float64, Int16, Int32, Int64, Utf8 } = arrow;
  const required = (name: string, type: InstanceType<typeof arrow.DataType>) => new Field(name, type, false);
  return new arrow.Schema(
    [
      required('episode', new Utf8()),
      required('step', new Int32()),
      required('episode_key', new Int64()),
      required('group', new Int64()),
      required('time', new Float64()),
      required('robot', new Utf8()),
      required('third', new Utf8()),
      required('instruction', new Utf8()),
      ...shape.roles.map((role) => required(`image_${role}`, new arrow.Binary())),
      required('action', fixedList(shape.arms * shape.chunkSteps * VECTOR, new Float32())),
      required('action_valid', new Int16()),
      required('history', fixedList(shape.arms * VECTOR, new Float32())),
      required('proprio', fixedList(shape.arms * VECTOR, new Float32())),
      required('camera', fixedList(shape.roles.length * CAMERA_NUMBERS, new Float32())),
      required('image_hash', fixedList(shape.roles.length, new Int64())),
      required('present', new Int32()),
      required('flags', new Int32()),
    ],
    new Map([['prep', JSON.stringify(shape.metadata)]]),
  );
}

export function fixedList(size: number, type: InstanceType<typeof arrow.DataType>) {
  return new arrow.FixedSizeList(size, new arrow.Field('item', type, false));
}
