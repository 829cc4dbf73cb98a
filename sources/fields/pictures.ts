/** Pictures that are more than the steps, and pictures that may be encoded or not. */
import { PrepError } from '../../schemas/errors.ts';
import type { SourcePictures } from '../../schemas/frames.ts';
import type { Hdf5Group } from '../../schemas/records.ts';

/** A note where a camera recorded longer than the robot. */
export const beyondLast = (camera: string, frames: number, steps: number): string[] =>
  frames > steps ? [`${camera}: ${frames - steps} frames beyond the last step are left out`] : [];

/** Some files hold raw buffers whatever their attributes say: only the first row tells. */
export function encodedOrRaw(
  file: Hdf5Group,
  path: string,
  size: { readonly width: number; readonly height: number },
): { pictures: SourcePictures; raw: boolean } {
  try {
    return { pictures: file.images(path), raw: false };
  } catch (error) {
    if (!(error instanceof PrepError) || error.code !== 'bad-image') throw error;
    return { pictures: file.images(path, { raw: size }), raw: true };
  }
}
