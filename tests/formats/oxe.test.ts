/** Every line of the Open X-Embodiment table on a record of its set, against scipy and the published rules (fixtures/oxe/make.py). */
import { readFileSync } from 'node:fs';
import { deflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { PrepError } from '../../schemas/errors.ts';
import { toMatrix34 } from '../../schemas/geometry.ts';
import { posesOfSeries } from '../../schemas/pose-series.ts';
import type { RldsRecord } from '../../schemas/records.ts';
import type { EpisodePlace } from '../../schemas/spec.ts';
import { opennessBy } from '../../sources/datasets/oxe/gripper.ts';
import type { OxeRow } from '../../sources/datasets/oxe/row.ts';
import { POSED_ROWS } from '../../sources/datasets/oxe/rows-posed.ts';
import { UNPOSED_ROWS } from '../../sources/datasets/oxe/rows-unposed.ts';
import { oxeSpec } from '../../sources/datasets/oxe/spec.ts';
import { parseFeatures } from '../../sources/formats/features.ts';
import { rldsRecord } from '../../sources/formats/rlds.ts';
import { worst } from '../geometry/golden.ts';
import { bytes, exampleBytes, floats, ints } from './encode-example.ts';

interface Made {
  fields: Record<string, { width: number; values: number[] }>;
  poses: number[][][];
  commanded: number[][];
  measured: number[][] | null;
  zlib?: string[];
}
const read = <T>(name: string): T =>
  JSON.parse(readFileSync(new URL(`../../fixtures/oxe/${name}`, import.meta.url), 'utf8'));
const made = read<Record<string, Made>>('records.json');
const STEPS = 6;
const PLACE: EpisodePlace = { container: 'set', split: 'train', index: 3 };
/** Smallest picture whose header says its size: 2×1. */
const PNG = [...Buffer.from('89504e470d0a1a0a0000000d4948445200000002000000010802000000', 'hex')];

type Leaf = Record<string, unknown>;
const tensor = (width: number, dtype = 'float32', encoding?: string): Leaf => ({
  pythonClassName: 'Tensor',
  tensor: { shape: { dimensions: width === 1 ? [] : [`${width}`] }, dtype, ...(encoding ? { encoding } : {}) },
});
const IMAGE: Leaf = { pythonClassName: 'Image', image: { shape: { dimensions: ['1', '2', '3'] }, dtype: 'uint8' } };
const TEXT: Leaf = { pythonClassName: 'Text', text: {} };

/** The record of a set: its numbers, its cameras and a text where the row says that it stands. */
function recordOf(row: OxeRow, { fields, zlib = [] }: Pick<Made, 'fields' | 'zlib'>): RldsRecord {
  const leaves: Record<string, Leaf> = { is_first: tensor(1, 'bool') };
  const example: Record<string, number[]> = { 'steps/is_first': ints([1, 0, 0, 0, 0, 0]) };
  for (const [path, { width, values }] of Object.entries(fields)) {
    leaves[path] = zlib.includes(path) ? tensor(width, 'float32', 'zlib') : tensor(width);
    const blob = (step: number) =>
      deflateSync(new Uint8Array(Float32Array.from(values.slice(step * width, (step + 1) * width)).buffer));
    example[`steps/${path}`] = zlib.includes(path)
      ? bytes(Array.from({ length: STEPS }, (_, step) => [...blob(step)]))
      : floats(values);
  }
  for (const camera of Object.keys(row.cameras)) {
    leaves[`observation/${camera}`] = IMAGE;
    example[`steps/observation/${camera}`] = bytes(Array.from({ length: STEPS }, () => PNG));
  }
  const language = row.language ?? 'language_instruction';
  leaves[language] = TEXT;
  example[`steps/${language}`] = bytes(Array.from({ length: STEPS }, () => ' put it there '));
  return rldsRecord(exampleBytes(example), parseFeatures(JSON.stringify(featuresOf(leaves))));
}

/** Nested as `features.json` has it. Names with a slash of their own stay one name below `observation` or `action`. */
function featuresOf(leaves: Record<string, Leaf>): Leaf {
  const folders: Record<string, Record<string, Leaf>> = {};
  const top: Record<string, Leaf> = {};
  for (const [path, leaf] of Object.entries(leaves)) {
    const cut = path.indexOf('/');
    if (cut < 0) top[path] = leaf;
    else {
      folders[path.slice(0, cut)] ??= {};
      folders[path.slice(0, cut)]![path.slice(cut + 1)] = leaf;
    }
  }
  const dict = (features: Record<string, Leaf>): Leaf => ({
    pythonClassName: 'FeaturesDict',
    featuresDict: { features },
  });
  for (const [name, features] of Object.entries(folders)) top[name] = dict(features);
  const steps = { pythonClassName: 'Dataset', sequence: { feature: dict(top) } };
  return dict({ steps });
}

function fault(make: () => unknown): PrepError {
  try {
    make();
  } catch (error) {
    if (error instanceof PrepError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('relative grippers', () => {
  it.each(read<{ raw: number[]; open: number[] }[]>('relative.json'))('$raw', ({ raw, open }) => {
    expect([...opennessBy('relative', Float64Array.from(raw))]).toEqual(open);
  });
});

describe('sets with poses', () => {
  it('all lines of the table have a made record, and no other', () => {
    expect(POSED_ROWS.map(({ name }) => name).sort()).toEqual(Object.keys(made).sort());
  });
  it.each(POSED_ROWS.map((row) => [row.name, row] as const))('%s', (name, row) => {
    const spec = oxeSpec(row);
    const { poses, commanded, measured } = made[name]!;
    const record = recordOf(row, made[name]!);
    const data = spec.data(record);
    expect(data.steps).toBe(STEPS);
    expect(data.arms).toHaveLength(poses.length);
    expect(spec.robots[row.robot]!.arms).toBe(poses.length);
    for (const [i, arm] of data.arms.entries()) {
      // The record holds float32.
      expect(worst(posesOfSeries(arm.pose).flatMap(toMatrix34), poses[i]!.flat())).toBeLessThan(2e-6);
      expect(worst(arm.opennessCommanded, commanded[i]!)).toBeLessThan(1e-6);
      expect(worst(arm.opennessMeasured, (measured ?? commanded)[i]!)).toBeLessThan(1e-6);
    }
    const shown = data.cameras.map((camera) => camera.name);
    expect(shown).toEqual(Object.keys(row.cameras));
    expect(spec.cameras.map((camera) => camera.name)).toEqual(shown);
    expect(spec.identity(record, PLACE)).toMatchObject({
      id: 'set/train/3',
      robot: row.robot,
      instructions: ['put it there'],
    });
  });
  it.each(POSED_ROWS.map((row) => [row.name, row] as const))('%s without one of its fields', (name, row) => {
    const { fields, zlib } = made[name]!;
    // Of RoboCook's action nothing is read.
    for (const path of Object.keys(fields).filter((one) => !(name.includes('robocook') && one === 'action'))) {
      const { [path]: _, ...others } = fields;
      const error = fault(() => oxeSpec(row).data(recordOf(row, { fields: others, ...(zlib ? { zlib } : {}) })));
      expect(['missing-field', 'field-shape']).toContain(error.code);
      expect(error.message).toContain(path);
    }
  });
  it('numbers that are too few are refused by name', () => {
    const row = POSED_ROWS.find(({ name }) => name === 'utaustin_mutex')!;
    const fields = {
      ...made.utaustin_mutex!.fields,
      'observation/state': { width: 8, values: Array(8 * STEPS).fill(0.1) },
    };
    const error = fault(() => oxeSpec(row).data(recordOf(row, { fields })));
    expect(error.message).toContain('steps/observation/state');
    expect(error.code).toBe('field-shape');
  });
});

describe('sets without poses', () => {
  it.each(UNPOSED_ROWS.map((row) => [row.name, row] as const))('%s says what is missing', (_, row) => {
    const spec = oxeSpec(row);
    const record = recordOf(row, { fields: {} });
    expect(spec.identity(record, PLACE).robot).toBe(row.robot);
    expect(fault(() => spec.data(record)).code).toBe('no-pose');
    expect(spec.impossible).toMatch(/^actions of any kind: /);
  });
  it('an instruction that is written as code points is no fault of the episode', () => {
    const row = UNPOSED_ROWS.find(({ name }) => name === 'language_table')!;
    const { language, ...silent } = row;
    const text = Array.from({ length: STEPS }, () => [...'push', '\0', '\0'].map((c) => c.codePointAt(0)!));
    const fields = { [language!]: { width: 6, values: text.flat() } };
    const record = recordOf({ ...silent, language: 'elsewhere' }, { fields });
    expect(oxeSpec(row).identity(record, PLACE).instructions).toEqual(['push']);
  });
});

describe('the table', () => {
  const rows = [...POSED_ROWS, ...UNPOSED_ROWS];
  it('names every set once', () => {
    expect(new Set(rows.map(({ name }) => name)).size).toBe(rows.length);
  });
  it.each(rows.map((row) => [row.name, row] as const))('%s is consistent', (_, row) => {
    expect(row.hz).toBeGreaterThan(0);
    expect(Object.keys(row.cameras).length).toBeGreaterThan(0);
    if (typeof row.poses === 'string' || typeof row.commanded === 'string') return;
    expect(row.commanded).toHaveLength(row.poses.length);
    if (row.measured) expect(row.measured).toHaveLength(row.poses.length);
    for (const { path } of row.measured ?? []) expect(path).toMatch(/^observation\//);
    for (const pose of row.poses)
      for (const { path } of 'position' in pose ? [pose.position, pose.rotation] : [pose])
        expect(path).toMatch(/^(observation|ground_truth_states)\//);
  });
});
