/** What files of robosuite share: one group per demonstration, cameras in the model file, a Panda's gripper. */
import { PrepError } from '../../schemas/errors.ts';
import { seriesOf } from '../../schemas/pose-series.ts';
import type { FilesRecord, Hdf5Group } from '../../schemas/records.ts';
import type { PublishedIntrinsics, PublishedPose } from '../../schemas/source.ts';
import { mjcfCamera, renderedIntrinsics } from '../calibration/mjcf.ts';

/** Reading of one finger of the Panda hand at fully open, metres. */
export const PANDA_OPEN = 0.04;

const ORDER = new Intl.Collator('en', { numeric: true });

/** `data/demo_0`, `data/demo_2`, … by number. @throws PrepError where a filter list names a demonstration that is not there */
export function demonstrations(root: Hdf5Group): string[] {
  const demos = root.keys('data').filter((key) => root.isGroup(`data/${key}`));
  if (root.has('mask'))
    for (const mask of root.keys('mask')) {
      const ghost = root.texts(`mask/${mask}`).find((name) => !demos.includes(name));
      if (ghost !== undefined)
        throw new PrepError({
          code: 'bad-metadata',
          at: { field: `mask/${mask}` },
          expected: 'names of demonstrations in data',
          found: ghost,
        });
    }
  return demos.sort((a, b) => ORDER.compare(a, b)).map((key) => `data/${key}`);
}

/** The JSON of an attribute of `data`, {} where it is absent. @throws PrepError `bad-metadata` naming it */
export function dataAttribute(record: FilesRecord, name: string): Readonly<Record<string, unknown>> {
  const text = record.hdf5Root().attribute(name, 'data');
  return typeof text === 'string' && text.trim() !== '' ? jsonObject(text, `data.attrs ${name}`) : {};
}

export function jsonObject(text: string, field: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
    throw new Error(`a ${typeof value}`);
  } catch (cause) {
    throw new PrepError({
      code: 'bad-metadata',
      at: { field },
      expected: 'a JSON object',
      found: (cause as Error).message,
      cause,
    });
  }
}

/** A camera that stands in the model file of the demonstration; {} where the file does not have it. */
export function modelCamera(
  record: FilesRecord,
  name: string,
  size: { readonly width: number; readonly height: number },
): { pose?: PublishedPose; intrinsics?: PublishedIntrinsics } {
  const xml = record.hdf5().attribute('model_file');
  const camera = typeof xml === 'string' && xml.includes(name) ? mjcfCamera(xml, name) : null;
  if (!camera) return {};
  return {
    pose: { ...seriesOf([camera.worldFromCam], `model_file camera ${name}`), axes: 'opengl', source: 'mjcf' },
    intrinsics: { values: renderedIntrinsics(camera.fovy, size), field: `model_file camera ${name}`, source: 'mjcf' },
  };
}
