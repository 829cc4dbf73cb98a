import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PrepError } from '../../schemas/errors.ts';
import { type FrameCoderOptions, openFrameCoder } from '../../transforms/frames.ts';
import { sniffImage } from '../../transforms/jpeg-header.ts';
import { psnrAgainstPillow, readPixelFile, table, worstPatchError } from './expected.ts';

const OPTIONS: FrameCoderOptions = { fit: { mode: 'letterbox', size: 256 }, quality: 95, subsampling: '4:4:4' };
const coders = {
  letterbox: openFrameCoder(OPTIONS),
  crop: openFrameCoder({ ...OPTIONS, fit: { mode: 'crop', size: 256 } }),
  stretch: openFrameCoder({ ...OPTIONS, fit: { mode: 'stretch', size: 256 } }),
} as const;
const coded = (name: string): Buffer => Buffer.from(coders.letterbox.encode(readPixelFile(name)));

describe('the fitted picture', () => {
  it.each(table.cases)('$file ($fit) agrees with Pillow: 50 dB, flat patches within 2', (one) => {
    const { data } = coders[one.fit].rgb(readPixelFile(one.file));
    expect(data.length).toBe(256 * 256 * 3);
    // The promise is 45 dB; 51.3 dB is the least that was measured, and a wrong flag costs 2 dB or more.
    expect(psnrAgainstPillow(one.file, data)).toBeGreaterThanOrEqual(50);
    expect(worstPatchError(one, data)).toBeLessThanOrEqual(2);
  });

  it('has black bars by the integer rule, whatever was painted before', () => {
    for (const name of ['same.png', 'odd.jpg', 'portrait.jpg', 'droid_420_q90.jpg', 'odd.jpg'])
      coders.letterbox.rgb(readPixelFile(name));
    const { data } = coders.letterbox.rgb(readPixelFile('droid_420_q90.jpg'));
    const row = (y: number): Uint8Array => data.subarray(y * 768, (y + 1) * 768);
    for (const y of [0, 55, 200, 255]) expect(Math.max(...row(y))).toBe(0);
    for (const y of [56, 199]) expect(Math.max(...row(y))).toBeGreaterThan(0);
  });

  it('ignores an EXIF orientation: calibration is for the stored pixels', () => {
    expect(sniffImage(readPixelFile('small_exif.jpg'))).toMatchObject({ width: 160, height: 90 });
    expect(
      psnrAgainstPillow('small_exif.jpg', coders.letterbox.rgb(readPixelFile('small_exif.jpg')).data),
    ).toBeGreaterThan(45);
  });
});

describe('the JPEG', () => {
  it('is 256×256 4:4:4 at quality 95, or as asked', () => {
    expect(sniffImage(coded('droid_420_q90.jpg'))).toMatchObject({
      codec: 'jpeg',
      width: 256,
      height: 256,
      components: 3,
      complete: true,
    });
    for (const [subsampling, factors] of [
      ['4:4:4', 0x11],
      ['4:2:0', 0x22],
    ] as const) {
      const coder = openFrameCoder({ ...OPTIONS, subsampling });
      const jpeg = Buffer.from(coder.encode(readPixelFile('droid_420_q90.jpg')));
      coder.close();
      const sof = jpeg.indexOf(Buffer.from([0xff, 0xc0]));
      expect(jpeg[sof + 11]).toBe(factors);
      // libjpeg's first luma table entry is 16 at quality 50, and 2 at quality 95: (16·(200 − 2·95) + 50) / 100.
      expect(jpeg[jpeg.indexOf(Buffer.from([0xff, 0xdb])) + 5]).toBe(2);
    }
  });

  it('decodes to what was encoded, to 40 dB', () => {
    const before = Buffer.from(coders.stretch.rgb(readPixelFile('same.png')).data);
    const after = coders.stretch.rgb(Buffer.from(coders.stretch.encode(readPixelFile('same.png')))).data;
    const error = before.reduce((sum, value, i) => sum + (value - after[i]!) ** 2, 0) / before.length;
    expect(10 * Math.log10(255 ** 2 / error)).toBeGreaterThan(40);
  });

  it('does not depend on what was coded before, nor on damage', () => {
    const names = table.cases.filter(({ fit }) => fit === 'letterbox').map(({ file }) => file);
    const fresh = new Map<string, Buffer>();
    for (const name of names) {
      const coder = openFrameCoder(OPTIONS);
      fresh.set(name, Buffer.from(coder.encode(readPixelFile(name))));
      coder.close();
    }
    const history = fc.array(fc.tuple(fc.constantFrom(...names), fc.boolean()), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(history, (steps) => {
        for (const [name, damaged] of steps) {
          const bytes = readPixelFile(name);
          if (damaged) expect(() => coders.letterbox.encode(bytes.subarray(0, bytes.length - 20))).toThrow(PrepError);
          expect(Buffer.from(coders.letterbox.encode(bytes)).equals(fresh.get(name)!)).toBe(true);
        }
      }),
      { numRuns: 25, seed: 1 },
    );
  });

  it('does not use the tables of the picture before: a JPEG without its own is coded alike or refused', () => {
    const abbreviated = withoutTables(readPixelFile('droid_420_q90.jpg'));
    const outcome = (): unknown => {
      try {
        return Buffer.from(coders.letterbox.encode(abbreviated)).toString('hex');
      } catch (error) {
        return (error as PrepError).code;
      }
    };
    const first = outcome();
    coded('droid_420_q95.jpg');
    expect(outcome()).toBe(first);
  });
});

/** Takes the DQT and DHT segments out. */
function withoutTables(jpeg: Uint8Array): Buffer {
  const parts: Uint8Array[] = [jpeg.subarray(0, 2)];
  let at = 2;
  while (jpeg[at + 1] !== 0xda) {
    const end = at + 2 + jpeg[at + 2]! * 256 + jpeg[at + 3]!;
    if (jpeg[at + 1] !== 0xdb && jpeg[at + 1] !== 0xc4) parts.push(jpeg.subarray(at, end));
    at = end;
  }
  return Buffer.concat([...parts, jpeg.subarray(at)]);
}
