/** Codec and size of an encoded picture from its first bytes, for `prep inspect`; nothing is decoded or judged. */

export interface ImageFacts {
  readonly codec: 'jpeg' | 'png' | 'unknown';
  /** Pixels, as the header claims; 0 where it was not found. */
  readonly width: number;
  readonly height: number;
}

const PNG = [0x89, 0x50, 0x4e, 0x47];

export function imageFacts(bytes: Uint8Array): ImageFacts {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (PNG.every((byte, i) => bytes[i] === byte) && bytes.length >= 24)
    return { codec: 'png', width: view.getUint32(16), height: view.getUint32(20) };
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return { codec: 'jpeg', ...frameSize(view) };
  return { codec: 'unknown', width: 0, height: 0 };
}

/** Walks the JPEG's segments to the start of frame (C0–CF without the tables C4, C8 and CC). */
function frameSize(view: DataView): { width: number; height: number } {
  let at = 2;
  while (at + 9 <= view.byteLength && view.getUint8(at) === 0xff) {
    const marker = view.getUint8(at + 1);
    const frame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (frame) return { height: view.getUint16(at + 5), width: view.getUint16(at + 7) };
    at += marker === 0xff ? 1 : 2 + view.getUint16(at + 2);
  }
  return { width: 0, height: 0 };
}
