/** Words of the command line → options, each with a message that says what was expected. */
import { CODES, type Code, PrepError } from '../schemas/errors.ts';
import { DEFAULT_LABELS, DEFAULT_PIXELS, type LabelOptions, type PixelOptions } from '../schemas/options.ts';

export interface LabelWords {
  readonly reference?: LabelOptions['reference'];
  readonly dt?: string;
  readonly steps?: string;
  readonly tool?: LabelOptions['tool'];
  readonly rot6d?: LabelOptions['rot6d'];
  readonly gripperInterpolation?: LabelOptions['interpolation'];
}

export interface PixelWords {
  readonly third?: string;
  readonly third2?: string;
  readonly fit?: PixelOptions['fit'];
  readonly jpegQuality?: string;
  readonly jpegSubsampling?: PixelOptions['subsampling'];
}

/** Given words over a starting point (defaults, or what a store already has). */
export function labelOptions(words: LabelWords, start: LabelOptions = DEFAULT_LABELS): LabelOptions {
  return {
    ...start,
    reference: words.reference ?? start.reference,
    dt: words.dt === undefined ? start.dt : seconds('--dt', words.dt),
    steps: words.steps === undefined ? start.steps : integer('--steps', words.steps),
    tool: words.tool ?? start.tool,
    rot6d: words.rot6d ?? start.rot6d,
    interpolation: words.gripperInterpolation ?? start.interpolation,
  };
}

export function pixelOptions(words: PixelWords): PixelOptions {
  return {
    third: words.third ?? DEFAULT_PIXELS.third,
    third2: words.third2 ?? DEFAULT_PIXELS.third2,
    fit: words.fit ?? DEFAULT_PIXELS.fit,
    quality: words.jpegQuality === undefined ? DEFAULT_PIXELS.quality : integer('--jpeg-quality', words.jpegQuality),
    subsampling: words.jpegSubsampling ?? DEFAULT_PIXELS.subsampling,
  };
}

/** `0.0667` or `1/15`: a fraction is exact, and equal however it was written. */
export function seconds(field: string, text: string): number {
  const [top, bottom = '1', ...rest] = text.split('/');
  const value = Number(top) / Number(bottom);
  if (rest.length === 0 && text.trim() !== '' && Number.isFinite(value) && value > 0) return value;
  throw bad(field, 'seconds, such as 0.1 or 1/15', text);
}

export function integer(field: string, text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  throw bad(field, 'a whole number', text);
}

export function share(field: string, text: string): number {
  const value = text.endsWith('%') ? Number(text.slice(0, -1)) / 100 : Number(text);
  if (text.trim() !== '' && value >= 0 && value <= 1) return value;
  throw bad(field, 'a share between 0 and 1, or a percentage', text);
}

/** `i/n` with 0 ≤ i < n. */
export function part(text: string | undefined): { index: number; of: number } {
  if (text === undefined) return { index: 0, of: 1 };
  const match = /^(\d+)\/(\d+)$/.exec(text);
  const [index, of] = [Number(match?.[1]), Number(match?.[2])];
  if (match && index < of) return { index, of };
  throw bad('--shard', 'i/n with i from 0 to n-1, such as 0/8', text);
}

/** `from:to`, draws of a plan or rows of a dataset. */
export function range(text: string): [number, number] {
  const match = /^(\d+):(\d+)$/.exec(text);
  if (match) return [Number(match[1]), Number(match[2])];
  throw new PrepError({
    code: 'bad-option',
    at: { field: '--range' },
    expected: 'from:to, such as 0:61440',
    found: text,
  });
}

export function codes(field: string, words: readonly string[]): Code[] {
  return words
    .flatMap((word) => word.split(','))
    .map((word) => {
      const code = CODES.find((known) => known === word);
      if (code) return code;
      throw bad(field, 'a reason as `prep status --by reason` prints it', word);
    });
}

export function positive(field: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = integer(field, text);
  if (value > 0) return value;
  throw bad(field, 'a whole number above 0', text);
}

const SIZE_UNITS = ['B', 'KB', 'MB', 'GB', 'TB', 'PB'];

/** Bytes: `200GB`, `3 TB`, `1.5e9`. Units are decimal, as disks are sold. */
export function size(field: string, text: string): number {
  const match = /^\s*([\d.]+(?:e\d+)?)\s*([kmgtp]?b)?\s*$/i.exec(text);
  const value = Number(match?.[1]) * 1000 ** SIZE_UNITS.indexOf(match?.[2]?.toUpperCase() ?? 'B');
  if (Number.isFinite(value)) return Math.round(value);
  throw bad(field, 'a size, such as 3TB or 200GB', text);
}

/** A number above 0, or from 0 on. @param what such as `dollars per GPU-hour` */
export function amount(field: string, text: string, what: string, { zero = false } = {}): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (Number.isFinite(value) && (value > 0 || (zero && value === 0))) return value;
  throw bad(field, `${what}, a number ${zero ? 'from 0 on' : 'above 0'}`, text);
}

function bad(field: string, expected: string, found: string): PrepError {
  return new PrepError({ code: 'bad-option', at: { field }, expected, found: JSON.stringify(found) });
}
