/** Pictures of a LeRobot export: the one that stands for a missing one, and which are looked at for statistics. */
import jpegTurbo from '@julusian/jpeg-turbo';
import type { Histogram } from './stats.ts';

/** LeRobot decodes every frame of a camera, and batches need equal shapes: a missing picture is black, `prep.present` says so. */
export function blackPicture(width: number, height: number): Uint8Array {
  const options = { format: jpegTurbo.FORMAT_RGB, width, height, quality: 95, subsampling: jpegTurbo.SAMP_444 };
  return new Uint8Array(jpegTurbo.compressSync(Buffer.alloc(width * height * 3), options));
}

/** The frames that LeRobot would look at: evenly spaced, frames^0.75 of them, at least 100 and at most 10 000 (all of fewer). */
export function sampledFrames(frames: number): Set<number> {
  const count = Math.max(Math.min(100, frames), Math.min(Math.floor(frames ** 0.75), 10_000));
  return new Set(Array.from({ length: count }, (_, i) => Math.round((i * (frames - 1)) / Math.max(1, count - 1))));
}

/** Every pixel. This decoder's fast DCT moves dark pixels by a few levels of 255: means by less than one, quantiles by up to four. */
export function countPixels(jpeg: Uint8Array, into: Histogram): void {
  const { data } = jpegTurbo.decompressSync(Buffer.from(jpeg.buffer, jpeg.byteOffset, jpeg.length), {
    format: jpegTurbo.FORMAT_RGB,
  });
  const [red, green, blue] = into;
  for (let at = 0; at + 2 < data.length; at += 3) {
    red[data[at]!]!++;
    green[data[at + 1]!]!++;
    blue[data[at + 2]!]!++;
  }
}
