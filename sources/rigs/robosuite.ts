/** What files of robosuite share: one group per demonstration, cameras in the model file, a Panda's gripper. */
import { PrepError } from '../../schemas/errors.ts';
import { compose, invert, type Rigid } from '../../schemas/geometry.ts';
import { seriesOf } from '../../schemas/pose-series.ts';
import type { FilesRecord, Hdf5Group } from '../../schemas/records.ts';
import type { PublishedIntrinsics, PublishedPose } from '../../schemas/source.ts';
import type { RobotSpec } from '../../schemas/spec.ts';
import { mjcfCamera, renderedIntrinsics } from '../calibration/mjcf.ts';
import { aheadAlongZ } from './tools.ts';

/** Pandas under robosuite: the published pose is that of the grip site, between the fingertips. */
export const pandas = (arms: 1 | 2): RobotSpec => ({
  arms,
  hz: 20,
  eeOrigin: 'grip site of robosuite',
  eeFromTool: aheadAlongZ(0),
});

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

/** Rate of the controller, where the file tells it: spread into an identity. */
export function controlRate(record: FilesRecord): { readonly hz?: number } {
  const kwargs = dataAttribute(record, 'env_args').env_kwargs as { control_freq?: unknown } | undefined;
  const hz = Number(kwargs?.control_freq);
  return hz > 0 ? { hz } : {};
}

/** The member `key` of `ep_meta`, '' without it: nothing else needs `ep_meta`, so one that is no JSON costs this text alone. */
export function episodeText(record: FilesRecord, key: string): string {
  const meta = record.hdf5().attribute('ep_meta');
  try {
    const value = typeof meta === 'string' ? (JSON.parse(meta) as Record<string, unknown>)[key] : undefined;
    return typeof value === 'string' ? value : '';
  } catch {
    return '';
  }
}

/** What newer files say of a demonstration's cameras, by name; {} in older ones. */
export function cameraInfo(record: FilesRecord): Readonly<Record<string, unknown>> {
  const own = record.hdf5().attribute('camera_info');
  if (typeof own === 'string') return jsonObject(own, `${record.inside}.attrs camera_info`);
  const env = dataAttribute(record, 'env_args').camera_info;
  return typeof env === 'object' && env !== null ? (env as Record<string, unknown>) : {};
}

function jsonObject(text: string, field: string): Readonly<Record<string, unknown>> {
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

/** A hand camera farther from its hand than this is none, metres. */
const NEAR = 0.3;

/** The exporter writes `X = cam(0) · hand(0)⁻¹` of a hand camera: its pose at the first step is `X · hand(0)`; null where that is no hand camera. */
export function handPose(published: Rigid<'base', 'base'>, hand: Rigid<'base', 'ee'>): Rigid<'base', 'cam'> | null {
  const camera = compose<'base', 'base', 'ee'>(published, hand) as unknown as Rigid<'base', 'cam'>;
  const onHand = compose<'ee', 'base', 'cam'>(invert(hand), camera);
  return Math.hypot(...onHand.t) <= NEAR ? camera : null;
}
