/** What an encoded picture says of itself, read from its first and last bytes; nothing is decoded or allocated. */
import { PrepError } from '../schemas/errors.ts';

export interface ImageHeader {
  readonly codec: 'jpeg' | 'png';
  readonly width: number;
  readonly height: number;
  /** Ends as a whole file does: EOI or IEND, zeros after it allowed (some writers pad to a fixed length). */
  readonly complete: boolean;
  /** Colour components as stored: 1 grey or palette, 2 grey and alpha, 3, 4 CMYK (JPEG) or RGBA (PNG). */
  readonly components: number;
  /** Bits per component. */
  readonly depth: number;
}

/** Cameras of the field stop at 4K (8.3 MPixel); beyond this a header is taken for damage or an attack. */
const MAX_PIXELS = 64e6;
const SOF_FIRST = 0xc0;
const SOF_LAST = 0xcf;
/** DHT, JPG and DAC lie among the SOF codes without being one. */
const NOT_SOF = new Set([0xc4, 0xc8, 0xcc]);
const SOS = 0xda;
const EOI = 0xd9;
const PNG_SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const PNG_IEND = [0, 0, 0, 0, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82];
/** Components by PNG colour type; 1 and 5 do not exist. */
const PNG_COMPONENTS = [1, 0, 3, 1, 2, 0, 4];

/** Reads SOF (JPEG) or IHDR (PNG); null if the bytes are neither. */
export function sniffImage(bytes: Uint8Array): ImageHeader | null {
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return sniffJpeg(bytes);
  return PNG_SIGNATURE.every((byte, i) => bytes[i] === byte) ? sniffPng(bytes) : null;
}

function sniffJpeg(bytes: Uint8Array): ImageHeader | null {
  let at = 2;
  while (at + 9 < bytes.length) {
    if (bytes[at] !== 0xff) return null;
    const marker = bytes[at + 1]!;
    if (marker === 0xff) {
      at += 1; // any number of fill bytes may precede a marker
      continue;
    }
    if (marker === SOS || marker === EOI) return null;
    if (marker >= SOF_FIRST && marker <= SOF_LAST && !NOT_SOF.has(marker))
      return {
        codec: 'jpeg',
        depth: bytes[at + 4]!,
        height: u16(bytes, at + 5),
        width: u16(bytes, at + 7),
        components: bytes[at + 9]!,
        complete: endsWith(bytes, [0xff, EOI]),
      };
    at += 2 + u16(bytes, at + 2);
  }
  return null;
}

function sniffPng(bytes: Uint8Array): ImageHeader | null {
  if (bytes.length < 33 || String.fromCharCode(...bytes.subarray(12, 16)) !== 'IHDR') return null;
  return {
    codec: 'png',
    width: u16(bytes, 16) * 65536 + u16(bytes, 18),
    height: u16(bytes, 20) * 65536 + u16(bytes, 22),
    depth: bytes[24]!,
    components: PNG_COMPONENTS[bytes[25]!] ?? 0,
    complete: endsWith(bytes, PNG_IEND),
  };
}

const u16 = (bytes: Uint8Array, at: number): number => bytes[at]! * 256 + bytes[at + 1]!;

function endsWith(bytes: Uint8Array, tail: readonly number[]): boolean {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  return end >= tail.length && tail.every((byte, i) => bytes[end - tail.length + i] === byte);
}

/**
 * Refuses, before anything is allocated for it, a frame that cannot be delivered. `declared` is the size that the
 * dataset states in pixels; 0×0 means it states none.
 * @throws PrepError `bad-image`: neither JPEG nor PNG, cut short, CMYK, not 8 bits per component
 * @throws PrepError `image-size`: not the declared size, or above 64 MPixel
 * @returns the header
 */
export function checkFrame(bytes: Uint8Array, declared: { width: number; height: number }): ImageHeader {
  const header = sniffImage(bytes);
  if (header === null || header.components === 0)
    throw new PrepError({ code: 'bad-image', expected: 'a JPEG or PNG', found: firstBytes(bytes) });
  const { codec, width, height } = header;
  const size = `${width}x${height}`;
  if (declared.width > 0 && (width !== declared.width || height !== declared.height))
    throw new PrepError({ code: 'image-size', expected: `${declared.width}x${declared.height}`, found: size });
  if (width * height > MAX_PIXELS)
    throw new PrepError({ code: 'image-size', expected: `at most ${MAX_PIXELS / 1e6} MPixel`, found: size });
  if (width === 0 || height === 0) throw new PrepError({ code: 'bad-image', expected: 'a size', found: size });
  checkPixelKind(header);
  if (!header.complete)
    throw new PrepError({
      code: 'bad-image',
      expected: `a ${codec} that ends with ${codec === 'jpeg' ? 'EOI' : 'IEND'}`,
      found: `${bytes.length} bytes that stop before it`,
      remedy: 'the file was cut short: fetch it again',
    });
  return header;
}

function checkPixelKind({ codec, components, depth }: ImageHeader): void {
  const remedy = 'convert the frames to 8-bit grey or RGB first';
  if (codec === 'jpeg' && components !== 1 && components !== 3)
    throw new PrepError({
      code: 'bad-image',
      expected: 'a grey or colour JPEG (1 or 3 components)',
      found: `${components} components${components === 4 ? ' (CMYK)' : ''}`,
      remedy,
    });
  if (codec === 'jpeg' ? depth !== 8 : depth > 8)
    throw new PrepError({
      code: 'bad-image',
      expected: '8 bits per component',
      found: `${depth} bits in a ${codec}`,
      remedy,
    });
}

function firstBytes(bytes: Uint8Array): string {
  const hex = Array.from(bytes.subarray(0, 8), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
  return bytes.length === 0 ? 'no bytes' : `${bytes.length} bytes starting with ${hex}`;
}
