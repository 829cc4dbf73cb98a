/** HDF5 files as `prep inspect` sees them: the members of a few episodes, their storage, their values. */
import { PrepError } from '../../schemas/errors.ts';
import type { ByteRoot } from '../bytes.ts';
import { openHdf5 } from '../formats/hdf5/file.ts';
import type { DatasetFacts, DescribedGroup } from '../formats/hdf5/group.ts';
import type { FieldDescription } from '../formats/rlds-describe.ts';
import { stage } from '../stage.ts';
import { walk } from '../tree.ts';
import {
  type CameraDescription,
  type Described,
  type Description,
  EPISODES_READ,
  MAX_VALUES,
  type Sample,
} from './description.ts';
import { framesOfDataset } from './hdf5-frames.ts';
import { type Tree, treeOf } from './hdf5-tree.ts';
import { openSeen, type Seen } from './seen.ts';

export const HDF5 = /\.(hdf5|h5)$/i;
/** Files of a folder that are counted. */
const MAX_FILES = 100_000;

interface Field {
  readonly seen: Seen;
  facts: DatasetFacts;
  perStep: boolean;
  read: string;
  camera: CameraDescription | null;
}

interface Looked {
  readonly fields: Map<string, Field>;
  readonly attributes: Record<string, string | number | readonly number[] | readonly string[]>;
  readonly steps: number[];
  readonly faults: string[];
}

/**
 * @param only one file of the folder
 * @throws PrepError where the first file is no HDF5 that can be read; what is wrong within it is in `faults`
 */
export async function describeHdf5(root: ByteRoot, only?: string): Promise<Described> {
  const files = only === undefined ? await filesOf(root) : [only];
  const looked: Looked = { fields: new Map(), attributes: {}, steps: [], faults: [] };
  let tree: Tree | null = null;
  for (const path of files.slice(0, EPISODES_READ)) {
    const staged = await stage(root, path);
    try {
      const file = await openHdf5(staged.path, path);
      try {
        const found = treeOf(file.root, looked.faults);
        tree ??= found;
        const episodes = found.episodes.slice(0, EPISODES_READ - looked.steps.length).map((path) => {
          lookAtEpisode(path === '' ? file.root : file.root.group(path), found.below(path), looked);
          return { path, steps: looked.steps.at(-1)! };
        });
        await lookAtFrames(file.root, episodes, looked);
        attributesOf(file.root, looked);
      } finally {
        file.close();
      }
    } catch (error) {
      if (!(error instanceof PrepError) || tree === null) throw error;
      looked.faults.push(error.message);
    } finally {
      await staged.release();
    }
    if (looked.steps.length >= EPISODES_READ) break;
  }
  return described(root, { files, tree: tree!, looked });
}

async function filesOf(root: ByteRoot): Promise<string[]> {
  const files: string[] = [];
  for await (const { path } of walk(root)) if (HDF5.test(path) && files.push(path) === MAX_FILES) break;
  if (files.length > 0) return files;
  throw new PrepError({ code: 'source-missing', at: { file: root.uri }, expected: 'HDF5 files', found: 'none' });
}

function lookAtEpisode(group: DescribedGroup, paths: readonly string[], looked: Looked): void {
  const { fields, steps, faults } = looked;
  const facts = new Map<string, DatasetFacts>();
  for (const path of paths)
    tolerant(faults, () => {
      facts.set(path, group.facts(path));
    });
  const count = stepsOf([...facts.values()]);
  steps.push(count);
  for (const [path, one] of facts) {
    const perStep = one.shape.length > 0 && one.shape[0] === count;
    const field = fields.get(path) ?? { seen: openSeen(), facts: one, perStep, read: '', camera: null };
    fields.set(path, field);
    field.perStep &&= perStep;
    tolerant(faults, () => lookAtValues(group, path, { field, facts: one, rows: perStep ? count : 1 }));
  }
  attributesOf(group, looked);
}

function lookAtValues(
  group: DescribedGroup,
  path: string,
  { field, facts, rows }: { field: Field; facts: DatasetFacts; rows: number },
): void {
  const { shape, dtype } = facts;
  const count = shape.reduce((product, length) => product * length, 1);
  const picture = dtype === 'uint8' && shape.length >= 2;
  if (dtype === 'text' && (facts.variable || facts.size <= MAX_TEXT)) {
    if (count <= MAX_TEXTS) field.seen.texts(group.texts(path));
  } else if (NUMBERS.test(dtype) && !picture && count > 0 && count <= MAX_VALUES)
    field.seen.numbers(group.numbers(path), count / rows);
}

const NUMBERS = /^(u?int|float|bit field|enumeration)/;
/** Longer texts of fixed length are pictures. */
const MAX_TEXT = 4096;
const MAX_TEXTS = 10_000;

/** What most fields have as their first dimension; of two equally frequent the larger. */
function stepsOf(facts: readonly DatasetFacts[]): number {
  const votes = new Map<number, number>();
  for (const { shape } of facts) if (shape.length > 0) votes.set(shape[0]!, (votes.get(shape[0]!) ?? 0) + 1);
  const ranked = [...votes].sort(([a, countA], [b, countB]) => countB - countA || b - a);
  return ranked[0]?.[0] ?? 0;
}

/** A fault of one field is told once and hinders no other. */
function tolerant(faults: string[], work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof PrepError)) throw error;
    if (!faults.includes(error.message)) faults.push(error.message);
  }
}

/** @param episodes of this file that were read, with their steps */
async function lookAtFrames(
  root: DescribedGroup,
  episodes: readonly { path: string; steps: number }[],
  { fields, faults }: Looked,
): Promise<void> {
  for (const { path: episode, steps } of episodes) {
    const group = episode === '' ? root : root.group(episode);
    for (const [path, field] of fields) {
      try {
        if (!group.has(path)) continue;
        field.camera ??= await framesOfDataset(group, path);
        const frames = field.camera ? (group.facts(path).shape[0] ?? 0) : steps;
        if (frames !== steps)
          faults.push(`${[episode, path].filter(Boolean).join('/')}: ${frames} frames for ${steps} rows`);
      } catch (error) {
        if (!(error instanceof PrepError)) throw error;
        if (!faults.includes(error.message)) faults.push(error.message);
      }
    }
  }
}

function attributesOf(group: DescribedGroup, { attributes, faults }: Looked): void {
  tolerant(faults, () => {
    for (const name of group.attributeNames().slice(0, 50)) {
      const value = group.attribute(name);
      if (value !== undefined && !(name in attributes)) attributes[name] = value;
    }
  });
}

function described(
  root: ByteRoot,
  { files, tree, looked }: { files: readonly string[]; tree: Tree; looked: Looked },
): Described {
  const { fields, steps, faults, attributes } = looked;
  const perFile = tree.pattern === null ? 1 : tree.episodes.length;
  const description: Description = {
    format: 'hdf5',
    root: root.uri,
    name: files.length === 1 ? files[0]! : (root.uri.split(/[\\/]/).at(-1) ?? ''),
    version: '',
    files: { count: files.length, first: files.slice(0, 3) },
    ...(tree.pattern === null ? {} : { groups: tree.pattern }),
    episodes: files.length === 1 ? perFile : tree.pattern === null ? files.length : null,
    lengths: { min: Math.min(...steps), max: Math.max(...steps) },
    steps,
    attributes,
    fields: [...fields].map(([path, field]) => fieldOf(path, field)),
    cameras: [...fields.values()].flatMap(({ camera }) => (camera ? [camera] : [])),
    faults,
  };
  const samples = [...fields].flatMap(([path, { seen, perStep }]): Sample[] => {
    const sample = seen.sample(path, perStep, []);
    return sample ? [sample] : [];
  });
  return { description, samples };
}

function fieldOf(path: string, { seen, facts, perStep, camera }: Field): FieldDescription {
  const { shape, dtype, filters } = facts;
  const layout = perStep ? [null, ...shape.slice(1)] : shape;
  const base = { path, shape: layout, dtype, encoding: filters.join('+') };
  if (camera) {
    const { codec, width, height } = camera;
    return { ...base, kind: 'image', present: 1, image: { codec, width, height, bytes: 0 } };
  }
  return { ...base, kind: dtype === 'text' ? 'text' : 'tensor', ...seen.facts() };
}
