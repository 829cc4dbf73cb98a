/**
 * Features of a LeRobot export. Standard names carry their standard meaning; what is ours begins with `prep.`, which
 * LeRobot's policies pass over.
 */
import type { Role } from '../../../schemas/episode.ts';
import type { MixedRows } from '../../../schemas/mixed-row.ts';
import { CAMERA_NUMBERS, VECTOR } from '../../../schemas/row.ts';
import type { ExportSet } from '../format.ts';
import type { Column } from './parquet.ts';

/** Where rows stand in the export. */
export interface Standing {
  readonly rows: MixedRows;
  /** Of the first row: in the export, and in its episode. */
  readonly index: number;
  readonly frame: number;
  readonly episode: number;
  readonly fps: number;
  taskIndex(instruction: string): number;
}

export type Dtype = 'float32' | 'float64' | 'int64' | 'string' | 'image';

export interface Feature {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly names: readonly string[] | null;
  /** LeRobot keeps statistics of it. */
  readonly stats: boolean;
  /** Values of one row. int64 as bigint; pictures as JPEG, empty where there is none. */
  readonly of: (standing: Standing, at: number) => unknown;
}

export function featuresOf(set: ExportSet): Feature[] {
  return [...standard(set), ...actions(set), ...cameras(set), ...facts(set)];
}

/** As `info.json` lists it. */
export const described = ({ dtype, shape, names }: Feature): object => ({ dtype, shape, names });

/** One number is a scalar, several are a list. */
export const isScalar = ({ shape }: Feature): boolean => shape.length === 1 && shape[0] === 1;

export function columnOf(feature: Feature): Column {
  const { name, dtype } = feature;
  if (dtype === 'image') return { name, type: 'image' };
  return { name, type: { leaf: dtype, depth: isScalar(feature) ? 0 : 1 } };
}

/** How Hugging Face `datasets` describes the columns; with it pictures open as pictures in any reader of `datasets`. */
export function huggingface(features: readonly Feature[]): string {
  const typeOf = (feature: Feature): object => {
    if (feature.dtype === 'image') return { _type: 'Image' };
    const value = { dtype: feature.dtype, _type: 'Value' };
    return isScalar(feature) ? value : { feature: value, length: feature.shape[0], _type: 'Sequence' };
  };
  return JSON.stringify({ info: { features: Object.fromEntries(features.map((one) => [one.name, typeOf(one)])) } });
}

function scalar(name: string, dtype: Dtype, of: Feature['of'], stats = false): Feature {
  return { name, dtype, shape: [1], names: null, stats, of };
}

const int = (name: string, of: (standing: Standing, at: number) => number, stats = false): Feature =>
  scalar(name, 'int64', (standing, at) => BigInt(of(standing, at)), stats);

function standard({ shape: { roles }, image: { width, height } }: ExportSet): Feature[] {
  const picture = (role: Role): Feature => ({
    name: `observation.images.${role}`,
    dtype: 'image',
    shape: [height, width, 3],
    names: ['height', 'width', 'channels'],
    stats: true,
    of: ({ rows }, at) => rows.images[role]![at]!,
  });
  return [
    ...roles.map(picture),
    scalar('timestamp', 'float32', ({ frame, fps }, at) => Math.fround((frame + at) / fps), true),
    int('frame_index', ({ frame }, at) => frame + at, true),
    int('episode_index', ({ episode }) => episode, true),
    int('index', ({ index }, at) => index + at, true),
    int('task_index', ({ rows, taskIndex }, at) => taskIndex(rows.instruction[at]!), true),
  ];
}

/**
 * `action` is what LeRobot takes it for, the motion to the next step, and exists only where the next frame is the next
 * step: LeRobot stacks `action` of following frames into chunks, and frames of a plan have nothing to do with each other.
 */
function actions(set: ExportSet): Feature[] {
  const { arms, steps } = set.shape;
  const names = vectorNames(set);
  const vector = (name: string, stats: boolean, of: (rows: MixedRows, at: number) => Float32Array): Feature => ({
    name,
    dtype: 'float32',
    shape: [arms * VECTOR],
    names,
    stats,
    of: ({ rows }, at) => Array.from(of(rows, at)),
  });
  const first = (rows: MixedRows, at: number): Float32Array => {
    const out = new Float32Array(arms * VECTOR);
    for (let arm = 0; arm < arms; arm++) {
      const from = (at * arms + arm) * steps * VECTOR;
      out.set(rows.action.subarray(from, from + VECTOR), arm * VECTOR);
    }
    return out;
  };
  return [
    vector('observation.state', true, (rows, at) => part(rows.proprio, at, arms * VECTOR)),
    ...(set.kind === 'dataset' ? [vector('action', true, first)] : []),
    {
      name: 'prep.action',
      dtype: 'float32',
      shape: [arms * steps * VECTOR],
      names: null,
      stats: true,
      of: ({ rows }, at) => Array.from(part(rows.action, at, arms * steps * VECTOR)),
    },
    int('prep.action_valid', ({ rows }, at) => rows.actionValid[at]!),
    vector('prep.history', true, (rows, at) => part(rows.history, at, arms * VECTOR)),
  ];
}

function vectorNames({ shape: { arms }, rot6d }: ExportSet): string[] {
  const rotation = rot6d === 'rows' ? ['00', '01', '02', '10', '11', '12'] : ['00', '10', '20', '01', '11', '21'];
  const one = ['x', 'y', 'z', ...rotation.map((place) => `r${place}`), 'gripper'];
  return arms === 1 ? one : ['right', 'left'].flatMap((arm) => one.map((name) => `${arm}_${name}`));
}

/** Intrinsics of the picture and the camera's pose in the base frame, NaN where unknown. */
function cameras({ shape: { roles } }: ExportSet): Feature[] {
  const pose = ['0', '1', '2'].flatMap((row) => ['0', '1', '2', '3'].map((column) => `m${row}${column}`));
  const numbers = (rows: MixedRows, at: number, slot: number, from: number, to: number): number[] => {
    const start = (at * roles.length + slot) * CAMERA_NUMBERS;
    return Array.from(rows.camera.subarray(start + from, start + to));
  };
  return roles.flatMap((role, slot): Feature[] => [
    {
      name: `prep.intrinsics.${role}`,
      dtype: 'float32',
      shape: [4],
      names: ['fx', 'fy', 'cx', 'cy'],
      stats: false,
      of: ({ rows }, at) => numbers(rows, at, slot, 0, 4),
    },
    {
      name: `prep.base_from_cam.${role}`,
      dtype: 'float32',
      shape: [12],
      names: pose,
      stats: false,
      of: ({ rows }, at) => numbers(rows, at, slot, 4, CAMERA_NUMBERS),
    },
  ]);
}

function facts({ kind, shape: { roles } }: ExportSet): Feature[] {
  const drawn = [
    scalar('prep.draw', 'int64', ({ rows }, at) => rows.draw[at]!),
    // LeRobot makes tensors of int64: the unsigned seed is reinterpreted.
    scalar('prep.seed', 'int64', ({ rows }, at) => BigInt.asIntN(64, rows.seed[at]!)),
  ];
  return [
    ...(kind === 'plan' ? drawn : []),
    scalar('prep.dataset', 'string', ({ rows }, at) => rows.dataset[at]!),
    scalar('prep.robot', 'string', ({ rows }, at) => rows.robot[at]!),
    scalar('prep.episode', 'string', ({ rows }, at) => rows.episode[at]!),
    scalar('prep.episode_key', 'int64', ({ rows }, at) => rows.episodeKey[at]!),
    int('prep.step', ({ rows }, at) => rows.step[at]!),
    scalar('prep.time', 'float64', ({ rows }, at) => rows.time[at]!),
    scalar('prep.hz', 'float32', ({ rows }, at) => rows.hz[at]!),
    scalar('prep.third', 'string', ({ rows }, at) => rows.third[at]!),
    scalar('prep.instructions', 'string', ({ rows }, at) => JSON.stringify(rows.instructions[at]!)),
    int('prep.reference', ({ rows }, at) => rows.reference[at]!),
    int('prep.present', ({ rows }, at) => rows.present[at]!),
    int('prep.flags', ({ rows }, at) => rows.flags[at]!),
    {
      name: 'prep.image_hash',
      dtype: 'int64',
      shape: [roles.length],
      names: [...roles],
      stats: false,
      of: ({ rows }, at) => {
        const hashes = Array.from(rows.imageHash.subarray(at * roles.length, (at + 1) * roles.length));
        return roles.length === 1 ? hashes[0]! : hashes;
      },
    },
  ];
}

const part = (values: Float32Array, at: number, width: number): Float32Array =>
  values.subarray(at * width, (at + 1) * width);
