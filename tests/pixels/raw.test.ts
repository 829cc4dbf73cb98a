/** Uncompressed frames against Pillow's picture of the same pixels, and against each other. */
import { afterAll, describe, expect, it } from 'vitest';
import type { RawBatch } from '../../schemas/frames.ts';
import { openFrameCoder } from '../../transforms/frames.ts';
import { openImageDecoder } from '../../transforms/image-decode.ts';
import { checkFrame } from '../../transforms/jpeg-header.ts';
import { psnrOfClip } from './clips.ts';
import { psnrAgainstPillow, readPixelFile, SIZE, table } from './expected.ts';

const fit = (mode: 'letterbox' | 'crop' | 'stretch') =>
  openFrameCoder({ fit: { mode, size: SIZE }, quality: 95, subsampling: '4:4:4' });
const coders = { letterbox: fit('letterbox'), crop: fit('crop'), stretch: fit('stretch') };
const decoder = openImageDecoder();
afterAll(() => {
  for (const coder of Object.values(coders)) coder.close();
  decoder.close();
});
const coder = coders.letterbox;
const UNKNOWN = { width: 0, height: 0 };

interface Raw {
  readonly width: number;
  readonly height: number;
  readonly bytes: Uint8Array;
}

/** The pixels of a PNG: that coding loses nothing. */
function pixelsOf(file: string, channels: number): Raw {
  const bytes = readPixelFile(file);
  const { width, height, planes } = decoder.decode(bytes, checkFrame(bytes, UNKNOWN));
  const { data, strides } = planes();
  const out = new Uint8Array(width * height * channels);
  const line = width * channels;
  for (let y = 0; y < height; y++) out.set(data[0]!.subarray(y * strides[0]!, y * strides[0]! + line), y * line);
  return { width, height, bytes: out };
}

type Layout = Pick<RawBatch, 'channels' | 'layout'>;
const HWC: Layout = { channels: 3, layout: 'hwc' };
const CHW: Layout = { channels: 3, layout: 'chw' };

const batchOf = ({ width, height, bytes }: Raw, layout: Layout): RawBatch => ({
  kind: 'raw',
  ...{ buffer: bytes.slice().buffer as ArrayBuffer, offset: 0, count: 1, width, height },
  ...layout,
});

function canvas(raw: Raw, layout: Layout, appearance = {}, by = coder): Buffer {
  for (const one of by.canvases(batchOf(raw, layout), appearance, raw)) return Buffer.from(one);
  throw new Error('no frame');
}

function planar({ bytes, ...side }: Raw): Raw {
  const pixels = side.width * side.height;
  return {
    ...side,
    bytes: Uint8Array.from({ length: 3 * pixels }, (_, i) => bytes[(i % pixels) * 3 + Math.floor(i / pixels)]!),
  };
}

function reordered(
  { width, height, bytes }: Raw,
  from: (x: number, y: number, c: number) => [number, number, number],
): Raw {
  const out = new Uint8Array(bytes.length);
  for (let i = 0; i < out.length; i++) {
    const [x, y, c] = from(Math.floor(i / 3) % width, Math.floor(i / 3 / width), i % 3);
    out[i] = bytes[(y * width + x) * 3 + c]!;
  }
  return { width, height, bytes: out };
}

const psnr = (a: Buffer, b: Buffer): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i]! - b[i]!) ** 2;
  return 10 * Math.log10((255 * 255 * a.length) / sum);
};

const RGB = table.cases.filter(({ file }) => ['rgb.png', 'same.png', 'narrow.png', 'crop.png'].includes(file));
it('there are enlarged, equal and cropped pictures to compare with', () => expect(RGB).toHaveLength(4));

describe.each(RGB)('raw $file, $fit', ({ file, fit: mode }) => {
  it.each([HWC, CHW])('$layout is Pillow’s picture', (layout) => {
    const raw = pixelsOf(file, 3);
    const painted = canvas(layout === CHW ? planar(raw) : raw, layout, {}, coders[mode]);
    expect(psnrAgainstPillow(file, painted)).toBeGreaterThanOrEqual(45);
  });
});

it('grey is Pillow’s picture', () => {
  for (const layout of ['hwc', 'chw'] as const)
    expect(psnrAgainstPillow('grey.png', canvas(pixelsOf('grey.png', 1), { channels: 1, layout }))).toBeGreaterThan(45);
});

it('layouts and numbers of channels of one size do not answer for each other', () => {
  // A scaler kept for one layout and used for another gives a picture without any error: the wrong one.
  const rgb = pixelsOf('rgb.png', 3);
  const grey = pixelsOf('grey.png', 1);
  expect([grey.width, grey.height]).toEqual([rgb.width, rgb.height]);
  const orders = [HWC, CHW, HWC, CHW];
  for (const layout of orders)
    expect(psnrAgainstPillow('rgb.png', canvas(layout === CHW ? planar(rgb) : rgb, layout))).toBeGreaterThan(45);
  expect(psnrAgainstPillow('grey.png', canvas(grey, { channels: 1, layout: 'hwc' }))).toBeGreaterThan(45);
  expect(psnrAgainstPillow('rgb.png', canvas(rgb, HWC))).toBeGreaterThan(45);
});

/** The picture of `pattern` in fixtures/video/make.py. */
function pattern(width: number, height: number): Raw {
  const wave = (n: number): number => Math.abs((n % 510) - 255);
  const bytes = Uint8Array.from({ length: 3 * width * height }, (_, i) => {
    const [x, y] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
    return wave([3 * x + y, x + 4 * y + 100, (5 * x * y) >> 8][i % 3]!);
  });
  return { width, height, bytes };
}

describe.each([
  [400, 300],
  [640, 360],
  [150, 250],
])('raw %i×%i', (width, height) => {
  it.each([HWC, CHW])('$layout is Pillow’s picture', (layout) => {
    const raw = pattern(width, height);
    const painted = canvas(layout === CHW ? planar(raw) : raw, layout);
    expect(psnrOfClip({ file: `raw_${width}x${height}` }, painted)).toBeGreaterThanOrEqual(45);
  });
});

describe('a picture that shrinks', () => {
  const raw = pattern(400, 300);
  const source = raw;

  it('is the same from interleaved bytes and from planes', () => {
    expect(psnr(canvas(raw, HWC), canvas(planar(raw), CHW))).toBeGreaterThan(50);
  });

  it.each([
    ['bgr', (x: number, y: number, c: number): [number, number, number] => [x, y, 2 - c]],
    ['rowsReversed', (x: number, y: number, c: number): [number, number, number] => [x, source.height - 1 - y, c]],
    ['columnsReversed', (x: number, y: number, c: number): [number, number, number] => [source.width - 1 - x, y, c]],
  ])('%s is put right', (word, from) => {
    const upright = canvas(raw, HWC);
    const stored = reordered(raw, from);
    for (const [picture, layout] of [
      [stored, HWC],
      [planar(stored), CHW],
    ] as const) {
      expect(psnr(canvas(picture, layout, { [word]: true }), upright)).toBeGreaterThan(45);
      expect(psnr(canvas(picture, layout), upright)).toBeLessThan(25);
    }
  });

  it('turned by 180° is put right', () => {
    const stored = reordered(raw, (x, y, c) => [source.width - 1 - x, source.height - 1 - y, c]);
    expect(psnr(canvas(stored, HWC, { rowsReversed: true, columnsReversed: true }), canvas(raw, HWC))).toBeGreaterThan(
      45,
    );
  });
});

it('frames of a batch come in order, and one of another size than declared is refused', () => {
  const [a, b] = [pixelsOf('rgb.png', 3), reordered(pixelsOf('rgb.png', 3), (x, y, c) => [x, y, 2 - c])];
  const bytes = new Uint8Array(7 + 2 * a.bytes.length);
  bytes.set(a.bytes, 7);
  bytes.set(b.bytes, 7 + a.bytes.length);
  const batch: RawBatch = { ...batchOf(a, HWC), buffer: bytes.buffer, offset: 7, count: 2 };
  const both: Buffer[] = [];
  for (const one of coder.canvases(batch, {}, a)) both.push(Buffer.from(one));
  expect(both.map((one) => one.equals(canvas(a, HWC)))).toEqual([true, false]);
  expect(both[1]!.equals(canvas(b, HWC))).toBe(true);
  expect(() => [...coder.canvases(batch, {}, { width: 90, height: 160 })]).toThrow(/image-size.*90x160.*160x90/);
});
