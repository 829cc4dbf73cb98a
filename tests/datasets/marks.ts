/** What the made sets draw into their frames: frame, episode and camera numbers as blocks, and coloured corners. */
import { decompressSync, FORMAT_RGB } from '@julusian/jpeg-turbo';

export interface Drawn {
  /** `blocks`: a strip at the bottom with corners red, green, blue. `code`: three rows of eight at the top left. */
  readonly style: 'blocks' | 'code' | null;
  /** Width and height of the source frame, px. */
  readonly size: readonly [number, number];
}

const SIZE = 256;

/** Mean colour of a rectangle of the source frame, found in its 256×256 letterbox. */
type Patch = (x0: number, x1: number, y0: number, y1: number) => readonly number[];

function patches(jpeg: Uint8Array, [width, height]: Drawn['size']): Patch {
  const { data } = decompressSync(Buffer.from(jpeg), { format: FORMAT_RGB });
  const longest = Math.max(width, height);
  const [w, h] = [Math.floor((SIZE * width) / longest), Math.floor((SIZE * height) / longest)];
  const [left, top] = [Math.floor((SIZE - w) / 2), Math.floor((SIZE - h) / 2)];
  const span = (from: number, to: number, scale: number, offset: number): [number, number] => {
    const [a, b] = [from * scale + offset, to * scale + offset];
    if (Math.floor(b) > Math.ceil(a)) return [Math.ceil(a), Math.floor(b)];
    return [Math.floor((a + b) / 2), Math.floor((a + b) / 2) + 1];
  };
  return (x0, x1, y0, y1) => {
    const [[a, b], [c, d]] = [span(x0, x1, w / width, left), span(y0, y1, h / height, top)];
    const sum = [0, 0, 0];
    for (let y = c; y < d; y++)
      for (let x = a; x < b; x++) for (let k = 0; k < 3; k++) sum[k]! += data[3 * (SIZE * y + x) + k]!;
    return sum.map((total) => total / ((b - a) * (d - c)));
  };
}

const lit = (colour: readonly number[]): number => ((colour[0]! + colour[1]! + colour[2]!) / 3 > 128 ? 1 : 0);
const number = (bits: readonly number[]): number => bits.reduce((value, bit) => 2 * value + bit, 0);

/** Side of a block of the strip, px of the source. */
const blockOf = (width: number): number =>
  width <= 160 ? Math.floor(width / 12) : width <= 384 ? 16 : width <= 960 ? 24 : 48;

/** Frame and camera number in a stored picture; null where the check bits do not fit or a corner has another colour. */
export function readMarks(jpeg: Uint8Array, drawn: Drawn): { frame: number; camera: number } | null {
  const at = patches(jpeg, drawn.size);
  return drawn.style === 'blocks' ? readBlocks(at, drawn.size) : readCode(at, drawn.size[0]);
}

function readBlocks(at: Patch, [width, height]: Drawn['size']): { frame: number; camera: number } | null {
  const b = blockOf(width);
  const q = b / 4;
  const bits = Array.from({ length: 12 }, (_, i) => lit(at(i * b + q, i * b + b - q, height - b + q, height - q)));
  const parity = bits.slice(1, 11).reduce((sum, bit) => sum + bit, 0) % 2;
  if (bits[0] !== 1 || parity !== bits[11]) return null;
  const m = Math.round(1.4 * b);
  const [near, far] = [m / 4, m - m / 4];
  const corners = [
    [at(near, far, near, far), [220, 30, 30]],
    [at(width - far, width - near, near, far), [30, 190, 30]],
    [at(near, far, height - b - far, height - b - near), [30, 30, 220]],
  ] as const;
  if (corners.some(([found, wanted]) => Math.hypot(...found.map((x, k) => x - wanted[k]!)) > 70)) return null;
  return { frame: number(bits.slice(1, 8)), camera: number(bits.slice(9, 11)) };
}

function readCode(at: Patch, width: number): { frame: number; camera: number } | null {
  const s = width / 40;
  const bits = Array.from({ length: 24 }, (_, i) => {
    const [x, y] = [s * (1 + (i % 8)), s * (1 + Math.floor(i / 8))];
    return lit(at(x + s / 4, x + s * 0.75, y + s / 4, y + s * 0.75));
  });
  const value = number(bits);
  const [frame, episode, camera] = [value >> 12, (value >> 6) & 63, (value >> 4) & 3];
  const check = (frame ^ (frame >> 4) ^ (frame >> 8) ^ episode ^ (episode >> 4) ^ camera) & 15;
  return check === (value & 15) ? { frame, camera } : null;
}
