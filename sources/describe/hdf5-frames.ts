/** Which HDF5 datasets hold pictures, how many and of which size; at most one batch of them is read. */
import { PrepError } from '../../schemas/errors.ts';
import type { DescribedGroup } from '../formats/hdf5/group.ts';
import { imageFacts } from '../formats/image-header.ts';
import type { CameraDescription } from './description.ts';

/** Smallest side of a picture: narrower matrices are numbers. */
const SMALLEST = 16;
/** Shortest text of fixed length that may be a picture. */
const SHORTEST = 256;

/** Null for a dataset that holds no pictures. @throws PrepError where they cannot be read */
export async function framesOfDataset(group: DescribedGroup, path: string): Promise<CameraDescription | null> {
  const { shape, dtype, size, variable } = group.facts(path);
  const depth = /depth/i.test(path);
  const raw = dtype === 'uint8' && shape.length >= 3 && shape.filter((length) => length >= SMALLEST).length >= 2;
  if (raw) {
    const { width, height, frames } = group.images(path);
    const count = frames.kind === 'stream' ? frames.count : 0;
    return { field: path, codec: 'raw', width, height, fps: null, frames: count, depth };
  }
  const padded = dtype === 'uint8' && shape.length === 2 && shape[1]! >= SHORTEST;
  const text = dtype === 'text' && !variable && size >= SHORTEST && shape.length === 1;
  const list = (dtype === 'list of variable length' || dtype === 'opaque bytes') && shape.length === 1;
  if (!(padded || text || list) || shape[0] === 0) return null;
  let pictures: ReturnType<DescribedGroup['images']>;
  try {
    pictures = group.images(path);
  } catch (error) {
    // Rows of other bytes: a mask, a point cloud, text.
    if (error instanceof PrepError && (error.code === 'bad-image' || error.code === 'field-shape')) return null;
    throw error;
  }
  const { width, height, frames } = pictures;
  if (frames.kind !== 'stream') return null;
  let codec = 'unknown';
  for await (const batch of frames.batches()) {
    if (batch.kind === 'pictures')
      codec = imageFacts(new Uint8Array(batch.buffer, batch.spans[0]!.offset, batch.spans[0]!.length)).codec;
    break;
  }
  return { field: path, codec, width, height, fps: null, frames: frames.count, depth };
}
