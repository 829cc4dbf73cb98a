/** `meta/info.json` of a LeRobot dataset: what must be right before anything else is read. */
import { PrepError } from '../../../schemas/errors.ts';
import type { LerobotFeature, LerobotInfo } from '../../../schemas/records.ts';

export const INFO = 'meta/info.json';
const VERSIONS = ['v2.0', 'v2.1', 'v3.0'];

type Json = Readonly<Record<string, unknown>>;

/** @param path of the dataset relative to the root. @throws PrepError `bad-metadata` naming info.json and the key */
export function parseInfo(text: string, path: string): LerobotInfo {
  const json = parsedObject(text, INFO);
  const version = String(json.codebase_version ?? '');
  if (!VERSIONS.includes(version))
    throw bad(INFO, `codebase_version ${VERSIONS.join(', ')}`, `codebase_version ${version || 'absent'}`);
  const { fps } = json;
  if (typeof fps !== 'number' || !(fps > 0) || !Number.isFinite(fps))
    throw bad(`${INFO} fps`, 'frames per second above 0', JSON.stringify(fps) ?? 'absent');
  if (!isObject(json.features)) throw bad(`${INFO} features`, 'the list of features', 'none');
  const features = Object.entries(json.features).map(([name, feature]) => [name, featureOf(name, feature)] as const);
  return {
    path,
    version,
    robotType: typeof json.robot_type === 'string' ? json.robot_type : '',
    fps,
    // Without a prototype: a feature may be called __proto__ or constructor.
    features: Object.assign(Object.create(null), Object.fromEntries(features)) as Record<string, LerobotFeature>,
    json,
  };
}

function featureOf(name: string, feature: unknown): LerobotFeature {
  if (!isObject(feature)) throw bad(`${INFO} features.${name}`, 'an object', JSON.stringify(feature));
  const shape = Array.isArray(feature.shape) ? feature.shape.map(Number) : [1];
  if (!shape.every((n) => Number.isSafeInteger(n) && n >= 0))
    throw bad(`${INFO} features.${name}.shape`, 'whole numbers', JSON.stringify(feature.shape));
  return { dtype: String(feature.dtype ?? ''), shape, names: flatNames(feature.names) };
}

/** A list, a list in a list, or `{"axes": [...]}`. */
function flatNames(names: unknown): string[] {
  if (Array.isArray(names)) return names.flat(2).map(String);
  return isObject(names) ? Object.values(names).flat(2).map(String) : [];
}

/** Height and width of an image feature, whichever order its `names` say. */
export function pictureSize({ shape, names }: LerobotFeature): { width: number; height: number } {
  const [height, width] = [names.indexOf('height'), names.indexOf('width')];
  if (height >= 0 && width >= 0) return { width: shape[width] ?? 0, height: shape[height] ?? 0 };
  const planes = shape.length === 3 && (shape[0] === 3 || shape[0] === 1) && shape[2] !== 3;
  return planes ? { width: shape[2]!, height: shape[1]! } : { width: shape[1] ?? 0, height: shape[0] ?? 0 };
}

export const isPicture = ({ dtype }: LerobotFeature): boolean => dtype === 'video' || dtype === 'image';

export function parsedObject(text: string, what: string): Json {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw bad(what, 'JSON', (cause as Error).message, cause);
  }
  if (isObject(json)) return json;
  throw bad(what, 'a JSON object', Array.isArray(json) ? 'a list' : typeof json);
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const bad = (field: string, expected: string, found: string, cause?: unknown): PrepError =>
  new PrepError({ code: 'bad-metadata', at: { field }, expected, found: found.slice(0, 200), cause });
