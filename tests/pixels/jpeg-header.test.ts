import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PrepError } from '../../schemas/errors.ts';
import { checkFrame, sniffImage } from '../../transforms/jpeg-header.ts';
import { readPixelFile, table } from './expected.ts';

const ANY = { width: 0, height: 0 };
const jpeg = readPixelFile('droid_420_q90.jpg');
const png = readPixelFile('rgb.png');

function refusal(bytes: Uint8Array, declared = ANY): PrepError {
  try {
    checkFrame(bytes, declared);
  } catch (error) {
    if (error instanceof PrepError) return error;
    throw error;
  }
  throw new Error('accepted');
}

/** The same JPEG claiming another size: only the two numbers of its SOF are changed. */
function claiming(width: number, height: number): Uint8Array {
  const bytes = Uint8Array.from(jpeg);
  const sof = bytes.findIndex((byte, i) => byte === 0xff && bytes[i + 1] === 0xc0);
  new DataView(bytes.buffer).setUint16(sof + 5, height);
  new DataView(bytes.buffer).setUint16(sof + 7, width);
  return bytes;
}

describe('sniffImage', () => {
  test.each(table.cases.map((row) => [row.file, row] as const))(
    '%s: size and completeness as Pillow saved it',
    (_, row) => {
      const { width, height, file } = row;
      const codec = file.endsWith('.png') ? 'png' : 'jpeg';
      expect(sniffImage(readPixelFile(file))).toMatchObject({ codec, width, height, complete: true });
    },
  );

  test('anything else is null: text, nothing, a header cut short, a JPEG whose scan begins before its size', () => {
    for (const text of ['', 'not a picture', '\xff\xd8', '\x89PNG\r\n\x1a\n'])
      expect(sniffImage(Buffer.from(text, 'latin1'))).toBeNull();
    expect(sniffImage(jpeg.subarray(0, 100))).toBeNull();
    expect(sniffImage(after(segment(0xda)))).toBeNull();
  });

  test.each([0xc4, 0xc8, 0xcc])('marker %i lies among the size markers without being one', (marker) => {
    expect(sniffImage(after(segment(marker)))).toMatchObject({ width: 320, height: 180 });
  });

  test('fill bytes before a marker and zeros after the end are allowed', () => {
    expect(sniffImage(after(Buffer.from([0xff, 0xff, 0xff])))).toMatchObject({
      width: 320,
      height: 180,
      complete: true,
    });
    for (const bytes of [jpeg, png]) expect(sniffImage(padded(bytes, 1000))?.complete).toBe(true);
  });

  test('never throws and never claims completeness of a prefix', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: jpeg.length - 1 }), (n) => !sniffImage(jpeg.subarray(0, n))?.complete),
    );
    fc.assert(
      fc.property(fc.integer({ min: 0, max: png.length - 1 }), (n) => !sniffImage(png.subarray(0, n))?.complete),
    );
    fc.assert(fc.property(fc.uint8Array(), (noise) => void sniffImage(Buffer.concat([jpeg.subarray(0, 2), noise]))));
  });
});

/** A segment of 20 bytes, and the picture with something between its first marker and the rest. */
const segment = (marker: number): Uint8Array => Buffer.from([0xff, marker, 0, 18, ...Buffer.alloc(16, 7)]);
const after = (inserted: Uint8Array): Uint8Array => Buffer.concat([jpeg.subarray(0, 2), inserted, jpeg.subarray(2)]);
const padded = (bytes: Uint8Array, zeros: number): Uint8Array => Buffer.concat([bytes, Buffer.alloc(zeros)]);

describe('checkFrame', () => {
  test('accepts the declared size, and any size when none is declared', () => {
    expect(checkFrame(jpeg, { width: 320, height: 180 })).toMatchObject({ codec: 'jpeg', components: 3, depth: 8 });
    expect(checkFrame(png, ANY)).toMatchObject({ codec: 'png', width: 160, height: 90 });
  });

  test('a JPEG that claims 65500×65500 is refused by its size, declared or not', () => {
    const bomb = claiming(65500, 65500);
    expect(refusal(bomb, { width: 320, height: 180 })).toMatchObject({ code: 'image-size' });
    expect(refusal(bomb).message).toBe('image-size: expected at most 64 MPixel, found 65500x65500');
    expect(refusal(bomb, { width: 65500, height: 65500 }).code).toBe('image-size');
  });

  test('another size than declared names both', () => {
    const error = refusal(jpeg, { width: 180, height: 320 });
    expect(error.message).toBe('image-size: expected 180x320, found 320x180');
    expect(refusal(claiming(320, 0)).code).toBe('bad-image');
  });

  test('text, half a picture and a missing end are bad images', () => {
    expect(refusal(Buffer.from('not a picture')).message).toContain('13 bytes starting with 6e 6f 74 20');
    expect(refusal(new Uint8Array(0)).message).toContain('no bytes');
    expect(refusal(jpeg.subarray(0, jpeg.length / 2)).message).toContain('stop before it');
    expect(refusal(jpeg.subarray(0, jpeg.length - 1)).code).toBe('bad-image');
    expect(refusal(png.subarray(0, png.length - 4)).message).toContain('IEND');
  });

  test.each(table.refused)('%s is refused with its reason', (file) => {
    const error = refusal(readPixelFile(file));
    expect(error.code).toBe('bad-image');
    expect(error.message).toMatch(/CMYK|16 bits|starting with 42 4d/);
  });
});
