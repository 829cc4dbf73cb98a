/** How ACT's recorder pads the JPEGs of an episode: all rows to one length, their own lengths in `compress_len`. Facts: formats §7.3. */
import type { Hdf5Group } from '../../../schemas/records.ts';

/** Order in which it lists the lengths. */
const RECORDER = ['cam_high', 'cam_low', 'cam_left_wrist', 'cam_right_wrist'];

/** Bytes of each picture, by camera; {} where they are not known: then zeros at the end tell the lengths. */
export function paddedLengths(file: Hdf5Group, steps: number): Readonly<Record<string, Float64Array>> {
  const stored = file.keys('observations/images');
  const listed = RECORDER.filter((one) => stored.includes(one));
  // Rows are in the recorder's order, known for its own cameras alone.
  if (listed.length !== stored.length || !file.has('compress_len')) return {};
  if (file.shape('compress_len')[0] !== stored.length) return {};
  const lengths = file.numbers('compress_len');
  return Object.fromEntries(listed.map((name, row) => [name, lengths.subarray(row * steps, (row + 1) * steps)]));
}
