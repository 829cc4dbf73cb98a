/** `features.json` of TFDS in its dialects (protobuf JSON; legacy `{type, content}` with or without `proto_cls`) → one flat list. */
import { PrepError } from '../../schemas/errors.ts';

export interface FeatureLeaf {
  readonly kind: 'tensor' | 'image' | 'text' | 'other';
  /** Shape of one value, null for an unknown dimension; null where the file does not say. `[]` is a scalar. */
  readonly shape: readonly (number | null)[] | null;
  /** As TFDS writes it (`float64`, `uint8`, `bool`, `string`); '' if unknown. Stored floats are float32 all the same. */
  readonly dtype: string;
  /** Of a tensor `none`, `bytes` or `zlib`; of an image `jpeg`, `png` or ''. */
  readonly encoding: string;
  /** Sequences around it: 0 one value per episode, 1 one per step, 2 and more stored ragged. */
  readonly sequences: number;
  readonly description: string;
}

/** Path (`steps/observation/state`; sequences add nothing to it) → leaf, in the order of the file. */
export type FeatureTree = ReadonlyMap<string, FeatureLeaf>;

type Json = Readonly<Record<string, unknown>>;
/** Real files nest up to six deep; this keeps a made-up one from overflowing the stack. */
const DEPTH_LIMIT = 32;
/** Python class (last part of its name) → field of the protobuf that carries its content. */
const CONTENT_OF: Readonly<Record<string, string>> = {
  FeaturesDict: 'featuresDict',
  Dataset: 'sequence',
  Sequence: 'sequence',
  Image: 'image',
  Video: 'video',
  LabeledImage: 'image',
  Text: 'text',
  Scalar: 'tensor',
  Tensor: 'tensor',
  ClassLabel: 'classLabel',
  BBoxFeature: 'boundingBox',
};

/** @throws PrepError `bad-dataset-info` where the text is no list of features */
export function parseFeatures(text: string, file = 'features.json'): FeatureTree {
  const leaves = new Map<string, FeatureLeaf>();
  walk(objectOf(parseJson(text, file), file, 'the root'), { leaves, file, path: '', sequences: 0, depth: 0 });
  if (leaves.size > 0) return leaves;
  throw bad(file, 'at least one feature', 'none');
}

interface Where {
  readonly leaves: Map<string, FeatureLeaf>;
  readonly file: string;
  readonly path: string;
  readonly sequences: number;
  readonly depth: number;
}

function walk(node: Json, where: Where): void {
  const { file, path, depth } = where;
  if (depth > DEPTH_LIMIT) throw bad(file, `at most ${DEPTH_LIMIT} levels`, `more below ${path}`);
  const { kind, content } = contentOf(node, where);
  const below = (value: unknown, name: string, sequences: number): void =>
    walk(objectOf(value, file, name), { ...where, path: name, sequences, depth: depth + 1 });
  if (kind === 'featuresDict') {
    const fields = objectOf(content.features ?? {}, file, path);
    for (const [key, value] of Object.entries(fields)) below(value, path ? `${path}/${key}` : key, where.sequences);
  } else if (kind === 'sequence') below(content.feature, path, where.sequences + 1);
  else where.leaves.set(path, leafOf(kind, content, { node, where }));
}

/** Which kind of feature a node is and the object that describes it, whichever dialect it is written in. */
function contentOf(node: Json, { file, path }: Where): { kind: string; content: Json } {
  const className = String(node.pythonClassName ?? node.python_class_name ?? node.type ?? '');
  const byClass = CONTENT_OF[className.split('.').at(-1) ?? ''] ?? className;
  if ('type' in node) {
    const raw = node.content ?? {};
    const content = objectOf(typeof raw === 'string' ? parseJson(raw, file) : raw, file, path);
    // Without a protobuf class the content of a dict is the dict itself.
    const bare = byClass === 'featuresDict' && node.proto_cls === undefined;
    return { kind: byClass, content: bare ? { features: content } : content };
  }
  const camel = Object.fromEntries(Object.entries(node).map(([key, value]) => [camelCase(key), value]));
  const kind = [...new Set([...Object.values(CONTENT_OF), 'audio', 'translation', 'jsonFeature'])].find(
    (name) => name in camel,
  );
  if (kind !== undefined) return { kind, content: objectOf(camel[kind], file, path) };
  // Protobuf JSON may leave out an empty message (`text: {}`): the class name says what it is.
  if (className !== '') return { kind: byClass, content: {} };
  throw bad(
    file,
    'a feature (featuresDict, sequence, tensor, image, text, …)',
    `${Object.keys(node).length > 0 ? `keys ${Object.keys(node)}` : 'no keys'} at ${path || 'the root'}`,
  );
}

function leafOf(kind: string, content: Json, { node, where }: { node: Json; where: Where }): FeatureLeaf {
  const shared = { sequences: where.sequences, description: String(node.description ?? '') };
  const shape = shapeOf(content.shape, where);
  const dtype = typeof content.dtype === 'string' ? content.dtype.replace(/^tf\./, '') : '';
  const format = String(content.encodingFormat ?? content.encoding_format ?? '');
  if (kind === 'video') {
    const frames = { ...shared, sequences: shared.sequences + 1 };
    return { kind: 'image', shape: shape?.slice(1) ?? null, dtype: dtype || 'uint8', encoding: format, ...frames };
  }
  if (kind === 'image') return { kind, shape, dtype: dtype || 'uint8', encoding: format, ...shared };
  if (kind === 'text') return { kind, shape: [], dtype: 'string', encoding: 'none', ...shared };
  if (kind === 'classLabel') return { kind: 'tensor', shape: [], dtype: 'int64', encoding: 'none', ...shared };
  if (kind === 'boundingBox') return { kind: 'tensor', shape: [4], dtype: 'float32', encoding: 'none', ...shared };
  if (kind !== 'tensor') return { kind: 'other', shape: null, dtype, encoding: '', ...shared };
  return { kind, shape: shape ?? [], dtype, encoding: String(content.encoding || 'none').toLowerCase(), ...shared };
}

/** `{"dimensions": ["180", "-1"]}` or `[180, null]`; an empty object is a scalar. */
function shapeOf(shape: unknown, { file, path }: Where): (number | null)[] | null {
  if (shape === undefined || shape === null) return null;
  const list = Array.isArray(shape) ? shape : (objectOf(shape, file, path).dimensions ?? []);
  if (!Array.isArray(list)) throw bad(file, `a list of dimensions at ${path}`, JSON.stringify(list));
  return list.map((value: unknown) => {
    if (value === null || Number(value) === -1) return null;
    if (Number.isSafeInteger(Number(value)) && Number(value) >= 0) return Number(value);
    throw bad(file, `a dimension at ${path}`, JSON.stringify(value));
  });
}

const camelCase = (key: string): string => key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());

export function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw bad(file, 'JSON', (cause as Error).message, cause);
  }
}

export function objectOf(value: unknown, file: string, what: string): Json {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json;
  throw bad(file, `an object at ${what}`, JSON.stringify(value) ?? 'nothing');
}

function bad(file: string, expected: string, found: string, cause?: unknown): PrepError {
  return new PrepError({
    code: 'bad-dataset-info',
    at: { file },
    expected,
    found: found.slice(0, 200),
    remedy: 'fetch the file again',
    ...(cause ? { cause } : {}),
  });
}
