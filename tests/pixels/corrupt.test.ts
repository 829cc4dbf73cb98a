import { afterAll, describe, expect, it } from 'vitest';
import { PrepError } from '../../schemas/errors.ts';
import { openFrameCoder } from '../../transforms/frames.ts';
import { readPixelFile, table } from './expected.ts';

const coder = openFrameCoder({ fit: { mode: 'letterbox', size: 256 }, quality: 95, subsampling: '4:4:4' });
afterAll(() => coder.close());

/** Code of the refusal, or `delivered`. */
function verdict(bytes: Uint8Array): string {
  try {
    coder.encode(bytes);
    return 'delivered';
  } catch (error) {
    expect(error).toBeInstanceOf(PrepError);
    return (error as PrepError).code;
  }
}

const JPEGS = ['droid_420_q90.jpg', 'small_444.jpg', 'small_progressive.jpg', 'grey.jpg', 'odd.jpg'].map((name) => ({
  name,
  bytes: readPixelFile(name),
}));
const PNGS = ['rgb.png', 'palette.png', 'grey_alpha.png', 'bilevel.png'].map((name) => ({
  name,
  bytes: readPixelFile(name),
}));
const EOI = Buffer.from([0xff, 0xd9]);
const shares = Array.from({ length: 19 }, (_, i) => (i + 1) / 20);

describe.each(JPEGS)('$name', ({ bytes }) => {
  it('is sound', () => expect(verdict(bytes)).toBe('delivered'));

  it('cut off anywhere is refused', () => {
    for (const share of shares) expect(verdict(bytes.subarray(0, share * bytes.length))).toBe('bad-image');
  });

  it('cut off and closed with an end marker is refused, never delivered grey', () => {
    for (const share of shares) {
      const cut = Buffer.concat([bytes.subarray(0, share * bytes.length), EOI]);
      expect([share, verdict(cut)]).toEqual([share, 'bad-image']);
    }
    for (const lost of [3, 4, 8]) expect(verdict(Buffer.concat([bytes.subarray(0, -2 - lost), EOI]))).toBe('bad-image');
  });

  it('with bytes left over before the end marker is refused', () => {
    // libjpeg reads up to 5 bytes ahead of the code it decodes, and those it does not miss.
    for (const n of [6, 7, 100])
      expect(verdict(Buffer.concat([bytes.subarray(0, -2), Buffer.alloc(n, 0x5a), EOI]))).toBe('bad-image');
  });

  it('padded with zeros is sound: some writers fill up to a fixed length', () => {
    expect(verdict(Buffer.concat([bytes, Buffer.alloc(100)]))).toBe('delivered');
  });
});

it('a JPEG whose body is noise is refused nearly always: Huffman codes can fall into step again', () => {
  const { bytes } = JPEGS[0]!;
  let refused = 0;
  let state = 1;
  const random = (n: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
  for (let i = 0; i < 100; i++) {
    const damaged = Buffer.from(bytes);
    const at = 700 + random(bytes.length - 1100);
    for (let k = 0; k < 300; k++) damaged[at + k] = random(255);
    if (verdict(damaged) === 'bad-image') refused++;
  }
  expect(refused).toBeGreaterThanOrEqual(95);
});

describe.each(PNGS)('$name', ({ bytes }) => {
  it('is sound', () => expect(verdict(bytes)).toBe('delivered'));

  it('cut off is refused', () => {
    for (const share of shares) expect(verdict(bytes.subarray(0, share * bytes.length))).toBe('bad-image');
  });

  it('with any bit of its pixel data turned is refused', () => {
    for (const share of shares) {
      const damaged = Buffer.from(bytes);
      const data = damaged.indexOf('IDAT') + 4;
      const at = data + Math.floor(share * (damaged.length - 16 - data));
      damaged[at]! ^= 4;
      expect([share, verdict(damaged)]).toEqual([share, 'bad-image']);
    }
  });
});

describe('a picture that cannot be delivered', () => {
  it.each(table.refused)('%s is refused', (name) => expect(verdict(readPixelFile(name))).toBe('bad-image'));

  it('is refused before memory is reserved for the size it claims', () => {
    const bomb = Buffer.from(readPixelFile('small_444.jpg'));
    const sof = bomb.indexOf(Buffer.from([0xff, 0xc0]));
    bomb.writeUInt16BE(65500, sof + 5);
    bomb.writeUInt16BE(65500, sof + 7);
    const before = process.memoryUsage().rss;
    expect(verdict(bomb)).toBe('image-size');
    expect(process.memoryUsage().rss - before).toBeLessThan(50e6);
  });

  it('with a second, larger header in its body is refused', () => {
    const small = readPixelFile('small_444.jpg');
    const other = Buffer.from(small);
    const sof = other.indexOf(Buffer.from([0xff, 0xc0]));
    other.writeUInt16BE(20000, sof + 5);
    other.writeUInt16BE(20000, sof + 7);
    const twice = Buffer.concat([small.subarray(0, sof), other.subarray(sof, sof + 19), small.subarray(sof)]);
    const swapped = Buffer.concat([small.subarray(0, sof), small.subarray(sof, sof + 19), other.subarray(sof)]);
    for (const bytes of [twice, swapped]) expect(verdict(bytes)).toMatch(/bad-image|image-size/);
  });

  it('from any bytes ends in a PrepError or a picture, never in a crash', () => {
    let state = 7;
    for (let i = 0; i < 300; i++) {
      const bytes = Buffer.from(readPixelFile(i % 2 ? 'palette.png' : 'small_progressive.jpg'));
      for (let k = 0; k < 4; k++) {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        bytes[state % bytes.length] = state >>> 24;
      }
      expect(['bad-image', 'image-size', 'delivered']).toContain(verdict(bytes));
    }
  });
});
