/** Options that change what a table holds. Locations, workers, sharding and selection are not among them. */
import { createHash } from 'node:crypto';
import { type Place, PrepError } from './errors.ts';
import { ROW_VERSION } from './row.ts';

/** What decides the pixels of a row. */
export interface PixelOptions {
  /** `best` or a source camera's name. */
  readonly third: string;
  /** `none`, `other` or a source camera's name. */
  readonly third2: string;
  readonly fit: 'letterbox' | 'crop' | 'stretch';
  readonly quality: number;
  readonly subsampling: '4:4:4' | '4:2:0';
}

/** What decides the numbers of a row; `prep relabel` changes these without touching a pixel. */
export interface LabelOptions {
  /** Seconds between chunk steps. */
  readonly dt: number;
  /** Steps per chunk. */
  readonly steps: number;
  readonly reference: 'third' | 'wrist' | 'base';
  readonly tool: 'native' | 'canonical';
  readonly rot6d: 'rows' | 'columns';
  readonly interpolation: 'linear' | 'hold';
  /** Which calibration sources count, best first; set from the side files given, never by hand. */
  readonly calibration: string;
}

export const IMAGE_SIZE = 256;
export const DEFAULT_PIXELS: PixelOptions = {
  third: 'best',
  third2: 'none',
  fit: 'letterbox',
  quality: 95,
  subsampling: '4:4:4',
};
export const DEFAULT_LABELS: LabelOptions = {
  dt: 1 / 15,
  steps: 32,
  reference: 'third',
  tool: 'native',
  rot6d: 'rows',
  interpolation: 'linear',
  calibration: 'release',
};

/** @throws PrepError `bad-option` naming the option, what it may be and what it is. */
export function checkOptions(pixels: PixelOptions, labels: LabelOptions): void {
  const need = (field: string, fine: boolean, expected: string, found: unknown): void => {
    const at: Place = { field };
    if (!fine) throw new PrepError({ code: 'bad-option', at, expected, found: String(found) });
  };
  const oneOf = (field: string, value: string, allowed: readonly string[]): void =>
    need(field, allowed.includes(value), allowed.join(', '), value);
  need('--dt', Number.isFinite(labels.dt) && labels.dt > 0 && labels.dt <= 10, 'seconds between 0 and 10', labels.dt);
  need(
    '--steps',
    Number.isInteger(labels.steps) && labels.steps >= 1 && labels.steps <= 1024,
    'an integer 1 … 1024',
    labels.steps,
  );
  need(
    '--jpeg-quality',
    Number.isInteger(pixels.quality) && pixels.quality >= 1 && pixels.quality <= 100,
    'an integer 1 … 100',
    pixels.quality,
  );
  oneOf('--reference', labels.reference, ['third', 'wrist', 'base']);
  oneOf('--tool', labels.tool, ['native', 'canonical']);
  oneOf('--rot6d', labels.rot6d, ['rows', 'columns']);
  oneOf('--gripper-interpolation', labels.interpolation, ['linear', 'hold']);
  oneOf('--fit', pixels.fit, ['letterbox', 'crop', 'stretch']);
  oneOf('--jpeg-subsampling', pixels.subsampling, ['4:4:4', '4:2:0']);
}

/** sha-256 over the values in a fixed order, so that the order of keys in an object does not matter. */
export function fingerprintOf(parts: Readonly<Record<string, string | number>>): string {
  const lines = Object.keys(parts)
    .sort()
    .map((key) => `${key}=${parts[key]}`);
  return createHash('sha256').update(lines.join('\n')).digest('hex').slice(0, 32);
}

/** The two table fingerprints: which pixels, which labels. */
export function tableFingerprints(
  spec: { readonly name: string; readonly version: number },
  pixels: PixelOptions,
  labels: LabelOptions,
): { pixels: string; labels: string } {
  const row = { row_version: ROW_VERSION, dataset: spec.name, size: IMAGE_SIZE };
  return {
    pixels: fingerprintOf({ ...row, ...pixels }),
    labels: fingerprintOf({ spec_version: spec.version, ...labels }),
  };
}

/** The fingerprint of one episode: `<table's>-<its bytes and the side-file entries it used>`. */
export function episodeFingerprint(
  table: { readonly pixels: string; readonly labels: string },
  sourceDigest: string,
  factsDigest: string,
): string {
  return `${fingerprintOf(table)}-${fingerprintOf({ source: sourceDigest, facts: factsDigest })}`;
}

/** The same episode under another table's options, from the fingerprint alone. */
export function refingerprint(
  table: { readonly pixels: string; readonly labels: string },
  fingerprint: string,
): string {
  return `${fingerprintOf(table)}-${fingerprint.split('-')[1]}`;
}

/** Key of an episode: first 8 bytes of sha-256 of `dataset\0episode\0source_digest`, top bit cleared. */
export function episodeKey(dataset: string, episode: string, sourceDigest: string): bigint {
  const digest = createHash('sha256').update(`${dataset}\0${episode}\0${sourceDigest}`).digest();
  return digest.readBigUInt64BE(0) & 0x7fff_ffff_ffff_ffffn;
}
