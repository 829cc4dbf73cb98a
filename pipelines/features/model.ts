/** A model folder as the exporter wrote it: checked against its own digests before anything is computed with it. */
import { createHash } from 'node:crypto';
import { createReadStream, readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { z } from 'zod';
import type { Role } from '../../schemas/episode.ts';
import { PrepError } from '../../schemas/errors.ts';
import { type ModelDocument, modelSchema, signatureName } from '../../schemas/features.ts';

/** What a graph puts out: float32, float16, or int8 with scales and outliers. */
export type GraphOutput = 'f32' | 'f16' | 'int8';

export interface FeatureModel extends ModelDocument {
  readonly folder: string;
}

const REMEDY = 'export it again with tools/qwen3vl';

/** Reads `model.json`; the weights are not opened. @throws PrepError `bad-model` */
export function readModel(folder: string): FeatureModel {
  const file = join(folder, 'model.json');
  const bad = (expected: string, found: string, cause?: unknown): PrepError =>
    new PrepError({ code: 'bad-model', at: { file }, expected, found, remedy: REMEDY, cause });
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw bad('a model folder of the exporter', (cause as NodeJS.ErrnoException).code ?? String(cause), cause);
  }
  const parsed = modelSchema.safeParse(parseJson(text, bad));
  if (!parsed.success) throw bad('the description of an exported model', faults(parsed.error));
  const { hidden, codec, fingerprint, ...model } = parsed.data;
  if (codec.signs.length !== hidden || hidden % codec.block !== 0 || codec.block !== (hidden & -hidden))
    throw bad(`${hidden} signs and blocks of ${hidden & -hidden}`, `${codec.signs.length} and ${codec.block}`);
  const told = fingerprintOf({ hidden, codec, fingerprint, ...model });
  if (told !== fingerprint) throw bad(`the fingerprint ${told}, which its own entries give`, fingerprint);
  return { hidden, codec, fingerprint, ...model, folder };
}

const faults = ({ issues }: z.ZodError): string =>
  issues
    .slice(0, 4)
    .map(({ path, message }) => `${path.join('.') || 'the whole'}: ${message}`)
    .join('; ');

function parseJson(text: string, bad: (expected: string, found: string, cause: unknown) => PrepError): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw bad('JSON', (cause as Error).message, cause);
  }
}

/** Digest of all that decides the features: weights, processor, prefix, taps, views. */
export function fingerprintOf(model: ModelDocument): string {
  const { specialIds } = model.prompt as { specialIds?: unknown };
  const told = {
    'model.revision': model.model.revision,
    'model.sha256': model.model.sha256,
    precision: model.precision,
    tapPoint: model.tapPoint,
    taps: model.taps,
    views: model.views,
    image: model.image,
    'prompt.prefixIds': model.prompt.prefixIds,
    'prompt.specialIds': specialIds,
    'codec.signs': model.codec.signs,
  };
  return createHash('sha256').update(canonical(told)).digest('hex');
}

/** JSON with sorted keys, no spaces, and numbers as the exporter writes them: whole ones as such, others as d.16 digits and exponent. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value === 'number') return Number.isInteger(value) ? String(value) : value.toExponential(16);
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, one]) => `${JSON.stringify(key)}:${canonical(one)}`).join(',')}}`;
}

export const graphFile = (views: readonly Role[], output: GraphOutput): string =>
  `${signatureName(views)}.${output}.onnx`;

/** @throws PrepError `bad-model` where a graph was not exported, or a file is not the one that `model.json` describes */
export async function checkFiles(model: FeatureModel, outputs: readonly GraphOutput[]): Promise<void> {
  const graphs = model.signatures.flatMap((views) => outputs.map((output) => graphFile(views, output)));
  for (const name of [...graphs, 'weights.bin']) {
    const told = model.files[name];
    const file = join(model.folder, name);
    const bad = (expected: string, found: string, remedy: string): PrepError =>
      new PrepError({ code: 'bad-model', at: { file }, expected, found, remedy });
    if (!told) throw bad('a graph of the exported model', `only ${Object.keys(model.files).join(', ')}`, REMEDY);
    const size = (await stat(file).catch(() => null))?.size;
    if (size !== told.bytes) throw bad(`${told.bytes} bytes`, size === undefined ? 'no file' : `${size} bytes`, REMEDY);
    if ((await sha256(file)) !== told.sha256)
      throw bad('the bytes that the exporter wrote', 'other bytes', 'the copy is damaged: copy the folder again');
  }
}

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { highWaterMark: 2 ** 22 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
