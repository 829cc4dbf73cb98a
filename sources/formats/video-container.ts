/** Which of the containers that are read whole a file is, by its first bytes, and whether all of it is there. */
import { PrepError } from '../../schemas/errors.ts';

interface Container {
  /** libav's name. */
  readonly format: string;
  matches(bytes: Buffer): boolean;
  /** Bytes that the file has by its own account; null where it does not say. */
  length(bytes: Buffer): number | null;
}

const word = (bytes: Buffer, at: number): string => bytes.toString('latin1', at, at + 4);

const CONTAINERS: readonly Container[] = [
  {
    format: 'mov',
    matches: (bytes) => /^(ftyp|moov|mdat|free|skip|wide|pnot|styp)$/.test(word(bytes, 4)),
    length: boxEnd,
  },
  {
    format: 'matroska',
    matches: (bytes) => bytes.length >= 4 && bytes.readUInt32BE(0) === 0x1a45dfa3,
    length: segmentEnd,
  },
  {
    format: 'avi',
    matches: (bytes) => word(bytes, 0) === 'RIFF' && word(bytes, 8) === 'AVI ',
    length: (bytes) => (bytes.readUInt32LE(4) === 0 ? null : bytes.readUInt32LE(4) + 8),
  },
];

/** @returns libav's name of the container @throws PrepError `bad-video` for any other, and for a file that was cut */
export function containerOf(bytes: Buffer): string {
  const found = CONTAINERS.find(({ matches }) => matches(bytes));
  if (!found)
    throw new PrepError({
      code: 'bad-video',
      expected: 'MP4, QuickTime, Matroska, WebM or AVI',
      found: `a file that begins with ${JSON.stringify(bytes.toString('latin1', 0, 16))}`,
    });
  const length = found.length(bytes);
  if (length === null || length <= bytes.length) return found.format;
  throw new PrepError({
    code: 'bad-video',
    expected: `${length} bytes, as its headers say`,
    found: `a file of ${bytes.length} bytes: it is cut short`,
  });
}

/** Where the last box of an ISO file ends. */
function boxEnd(bytes: Buffer): number | null {
  let at = 0;
  while (at + 8 <= bytes.length) {
    const short = bytes.readUInt32BE(at);
    const size = short === 1 && at + 16 <= bytes.length ? Number(bytes.readBigUInt64BE(at + 8)) : short;
    if (size === 0) return null; // to the end of the file
    if (size < 8) throw new PrepError({ code: 'bad-video', expected: 'boxes of 8 bytes or more', found: `${size}` });
    at += size;
  }
  return at < bytes.length ? at + 8 : at;
}

/** Where Matroska's Segment ends, the element behind the EBML header. */
function segmentEnd(bytes: Buffer): number | null {
  const header = vint(bytes, 4);
  if (!header || header.value === null) return null;
  const at = header.end + header.value;
  if (at + 4 > bytes.length) return at + 4;
  if (bytes.readUInt32BE(at) !== 0x18538067) return null;
  const segment = vint(bytes, at + 4);
  return segment && segment.value !== null ? segment.end + segment.value : null;
}

/** EBML's number: as many bytes as the first has leading zeros, and one; all ones means unknown. */
function vint(bytes: Buffer, at: number): { value: number | null; end: number } | null {
  const first = bytes[at] ?? 0;
  const length = Math.clz32(first) - 23;
  if (length > 8 || at + length > bytes.length) return null;
  let value = first & (0xff >> length);
  let unknown = value === 0xff >> length;
  for (let i = 1; i < length; i++) {
    unknown &&= bytes[at + i] === 0xff;
    value = value * 256 + bytes[at + i]!;
  }
  return { value: unknown ? null : value, end: at + length };
}
