/**
 * Camera files of AgiBotWorld: `<camera>_intrinsic_params.json` and `<camera>_extrinsic_params_aligned.json`, one entry per
 * step, camera→base, OpenCV axes, metres. Poses are checked for being rigid; intrinsics are passed on as published.
 */
import { type Place, PrepError } from '../../../schemas/errors.ts';
import { type Rigid, rotationFromMatrix } from '../../../schemas/geometry.ts';

/** The parsed JSON of one camera's two files; undefined where a file is absent. */
export interface AgibotFiles {
  readonly intrinsic: unknown;
  readonly extrinsic: unknown;
}

export interface AgibotCamera {
  /** fx fy cx cy, pixel-centre, not checked. */
  readonly intrinsics: readonly unknown[];
  /** One per step. */
  readonly baseFromCam: readonly Rigid<'base', 'cam'>[];
  /** Steps at the end for which the list had no entry: the last one stands for them (formats §2.3). */
  readonly repeated: number;
}

/** A robot's own camera is never farther from its base than this, metres; millimetres are. */
const FARTHEST = 10;
const LIST = 'extrinsic_params_aligned';
/** So many entries, or this share of the steps, may be missing at the end of a list. */
const FEW = 4;
const SHARE = 0.1;

/**
 * @param steps of the episode: the aligned list has one entry for each, or ends a little early.
 * @throws PrepError `missing-calibration` (no file of this camera), `field-shape`, `bad-value` (text), `not-rigid`,
 * `bad-translation`; the place names camera, step and field.
 */
export function agibotCamera(camera: string, files: AgibotFiles, steps: number): AgibotCamera {
  const at: Place = { camera };
  if (files.extrinsic === undefined || files.intrinsic === undefined)
    throw new PrepError({
      code: 'missing-calibration',
      at,
      expected: `${camera}_intrinsic_params.json and ${camera}_${LIST}.json`,
      found: `no ${files.extrinsic === undefined ? 'extrinsic' : 'intrinsic'} file of this camera`,
    });
  const list = Array.isArray(files.extrinsic) ? files.extrinsic : [];
  const repeated = repeatedAtEnd(list.length, steps);
  if (repeated === null)
    throw new PrepError({
      code: 'field-shape',
      at: { ...at, field: LIST },
      expected: `a list of length ${steps}, one entry per step`,
      found: Array.isArray(files.extrinsic) ? `length ${list.length}` : 'no list',
    });
  const k = member(files.intrinsic, 'intrinsic');
  return {
    intrinsics: ['fx', 'fy', 'ppx', 'ppy'].map((name) => member(k, name)),
    baseFromCam: withLast(
      // A recording may go on a little after the last step, as its videos do.
      list.slice(0, steps).map((entry, step) => poseAt(member(entry, 'extrinsic'), { ...at, step })),
      repeated,
    ),
    repeated,
  };
}

/** Steps at the end for which the last of `count` entries stands; null where they are too many or too few to be the steps'. */
export function repeatedAtEnd(count: number, steps: number): number | null {
  const repeated = steps - count;
  // A recording may go on a little after the last step, as its videos do.
  if (repeated < -FEW || repeated > Math.max(FEW, SHARE * steps) || count === 0) return null;
  return Math.max(0, repeated);
}

const withLast = <T>(list: T[], times: number): T[] => [...list, ...new Array<T>(times).fill(list.at(-1)!)];

function poseAt(entry: unknown, at: Place & { readonly step: number }): Rigid<'base', 'cam'> {
  const field = (name: string): Place => ({ ...at, field: `${name}, frame ${at.step}` });
  const r = numbers(member(entry, 'rotation_matrix'), [3, 3], field('rotation_matrix'));
  const t = numbers(member(entry, 'translation_vector'), [3], field('translation_vector'));
  const length = Math.hypot(...t);
  if (length > FARTHEST)
    throw new PrepError({
      code: 'bad-translation',
      at: field('translation_vector'),
      expected: `a length of at most ${FARTHEST} m`,
      found: `length ${length.toPrecision(4)} (millimetres?)`,
    });
  return { r: rotationFromMatrix(r, field('rotation_matrix')), t: new Float64Array(t) };
}

/** A nested list of exactly that shape, flat. Text is no number: "0.5" and "0,5" are refused alike. */
function numbers(value: unknown, shape: readonly number[], at: Place): number[] {
  const found = shapeOf(value);
  const expected = shape.join('×');
  if (found !== expected) throw new PrepError({ code: 'field-shape', at, expected: `shape ${expected}`, found });
  return (value as unknown[]).flat().map((x) => {
    if (typeof x === 'number') return x;
    throw new PrepError({ code: 'bad-value', at, expected: 'numbers', found: JSON.stringify(x) });
  });
}

/** `3×3`, `8`, … or `ragged`; `nothing` for what is no list. */
function shapeOf(value: unknown): string {
  if (!Array.isArray(value)) return value === undefined ? 'nothing' : JSON.stringify(value).slice(0, 40);
  const inner = new Set(value.map((row) => (Array.isArray(row) ? row.length : -1)));
  if (inner.size !== 1) return 'ragged';
  return inner.has(-1) ? `${value.length}` : `${value.length}×${[...inner][0]}`;
}

const member = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
