import { describe, expect, it } from 'vitest';
import {
  checkOptions,
  DEFAULT_LABELS,
  DEFAULT_PIXELS,
  episodeFingerprint,
  episodeKey,
  fingerprintOf,
  refingerprint,
  tableFingerprints,
} from '../../schemas/options.ts';
import { golden } from '../geometry/golden.ts';

describe('the key of an episode', () => {
  it.each(golden.keys)('$episode: as hashlib computes it', ({ dataset, episode, sourceDigest, key }) => {
    expect(String(episodeKey(dataset, episode, sourceDigest))).toBe(key);
  });
  it('has its top bit cleared where the digest has it set', () => {
    expect(golden.keys.some(({ topBit }) => topBit === 1)).toBe(true);
  });
});

describe('fingerprints', () => {
  const spec = { name: 'droid', version: 1 };
  const of = (pixels = {}, labels = {}, named = {}) =>
    tableFingerprints({ ...spec, ...named }, { ...DEFAULT_PIXELS, ...pixels }, { ...DEFAULT_LABELS, ...labels });
  it('do not know the order of keys', () => {
    expect(fingerprintOf({ a: 1, b: 'x' })).toBe(fingerprintOf({ b: 'x', a: 1 }));
    expect(fingerprintOf({ a: 1 })).toMatch(/^[0-9a-f]{32}$/);
  });
  it.each([{ third: 'left' }, { third2: 'other' }, { fit: 'crop' }, { quality: 90 }, { subsampling: '4:2:0' }])(
    'pixels change with %o, labels do not',
    (pixels) => {
      expect(of(pixels).pixels).not.toBe(of().pixels);
      expect(of(pixels).labels).toBe(of().labels);
    },
  );
  it.each([
    { dt: 0.1 },
    { steps: 16 },
    { reference: 'base' },
    { tool: 'canonical' },
    { rot6d: 'columns' },
    { interpolation: 'hold' },
    { calibration: 'karlp-superset > release' },
  ])('labels change with %o, pixels do not', (labels) => {
    expect(of({}, labels).labels).not.toBe(of().labels);
    expect(of({}, labels).pixels).toBe(of().pixels);
  });
  it('another version of the dataset file changes labels, another dataset pixels', () => {
    expect(of({}, {}, { version: 2 }).labels).not.toBe(of().labels);
    expect(of({}, {}, { version: 2 }).pixels).toBe(of().pixels);
    expect(of({}, {}, { name: 'bridge' }).pixels).not.toBe(of().pixels);
  });
  it('of an episode: follows the table, the bytes and the facts, and can be moved to another table', () => {
    const [table, other] = [of(), of({}, { dt: 0.1 })];
    const one = episodeFingerprint(table, 'aa', 'ff');
    const all = [
      one,
      episodeFingerprint(other, 'aa', 'ff'),
      episodeFingerprint(table, 'ab', 'ff'),
      episodeFingerprint(table, 'aa', ''),
    ];
    expect(new Set(all).size).toBe(4);
    expect(refingerprint(other, one)).toBe(all[1]);
    expect(refingerprint(table, one)).toBe(one);
  });
});

describe('options', () => {
  it('as they come are fine', () => expect(() => checkOptions(DEFAULT_PIXELS, DEFAULT_LABELS)).not.toThrow());
  it.each([
    [{}, { dt: 0 }, '--dt'],
    [{}, { dt: Number.NaN }, '--dt'],
    [{}, { dt: 11 }, '--dt'],
    [{}, { steps: 0 }, '--steps'],
    [{}, { steps: 1.5 }, '--steps'],
    [{}, { steps: 2000 }, '--steps'],
    [{}, { reference: 'up' }, '--reference'],
    [{}, { tool: 'hand' }, '--tool'],
    [{}, { rot6d: 'both' }, '--rot6d'],
    [{}, { interpolation: 'cubic' }, '--gripper-interpolation'],
    [{ quality: 0 }, {}, '--jpeg-quality'],
    [{ quality: 95.5 }, {}, '--jpeg-quality'],
    [{ fit: 'pad' }, {}, '--fit'],
    [{ subsampling: '4:1:1' }, {}, '--jpeg-subsampling'],
  ])('%o %o is refused by name', (pixels, labels, option) => {
    const check = (): void =>
      checkOptions({ ...DEFAULT_PIXELS, ...pixels } as never, { ...DEFAULT_LABELS, ...labels } as never);
    expect(check).toThrow(
      new RegExp(`bad-option \\(field ${option}\\): expected .*, found ${Object.values({ ...pixels, ...labels })[0]}`),
    );
  });
});
