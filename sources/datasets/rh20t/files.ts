/** Where the files of an RH20T scene lie. Facts: formats §7.6. */
import type { Companions } from '../../../schemas/spec.ts';
import { nameOf, serialsOf, stamps } from './clock.ts';
import { CONFIGS } from './robots.ts';

interface Parts {
  /** With `/` at the end, as are `parents`, the nearest first. */
  readonly folder: string;
  readonly parents: readonly string[];
  readonly scene: string;
  readonly task: string;
  /** Of the configuration, without zeros. */
  readonly number: string;
}

export function partsOf(anchor: string): Parts {
  const folders = anchor.split('/').slice(0, -1);
  const scene = folders.at(-1)!;
  const parents = folders
    .map((_, i) =>
      folders
        .slice(0, i)
        .map((one) => `${one}/`)
        .join(''),
    )
    .reverse();
  return {
    ...{ folder: `${folders.join('/')}/`, parents, scene },
    task: /^task_\d+/.exec(scene)![0],
    number: String(Number(/cfg_(\d+)$/.exec(scene)![1])),
  };
}

export function companions(anchor: string): Companions {
  const { folder, parents, number } = partsOf(anchor);
  const camera = (serial: string): [string, string[]][] => {
    const file = (name: string): string[] => ['', 'color/'].map((one) => `${folder}${nameOf(serial)}/${one}${name}`);
    return [
      // Both readings of the release: videos, and the pictures that the publisher's extract.py makes of them.
      [nameOf(serial), [...file('color.mp4'), `${folder}${nameOf(serial)}/color/`]],
      [stamps(serial), file('timestamps.npy')],
    ];
  };
  return {
    metadata: [anchor],
    tasks: parents.map((parent) => `${parent}task_description.json`),
    ...Object.fromEntries(['tcp_base', 'tcp', 'gripper'].map((name) => [name, [`${folder}transformed/${name}.npy`]])),
    ...Object.fromEntries(serialsOf(CONFIGS[number]!).flatMap(camera)),
  };
}

/** The files of one calibration. Scenes that were cut into actions lie one folder deeper than the calibrations. */
export function calibrationFiles(anchor: string, calib: unknown): Companions {
  if (typeof calib !== 'number' || calib < 0) return {};
  const parents = partsOf(anchor).parents.slice(0, 2);
  const file = (name: string): string[] => parents.map((parent) => `${parent}calib/${calib}/${name}.npy`);
  return { calib_intrinsics: file('intrinsics'), calib_extrinsics: file('extrinsics'), calib_tcp: file('tcp') };
}
