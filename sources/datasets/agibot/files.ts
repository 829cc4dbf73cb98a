/** Where an episode's files lie in AgiBotWorld's original layout. Facts: formats §2. */
import type { FilesRecord } from '../../../schemas/records.ts';
import type { Companions } from '../../../schemas/spec.ts';
import { CAMERAS } from '../../rigs/agibot-g1.ts';
import type { AgibotFiles } from './calibration.ts';

export const ANCHOR = /(^|\/)proprio_stats\/[^/]+\/[^/]+\/proprio_stats\.h5$/;

/** What the path of an anchor says: the release's root (with `/`, or ''), task and episode. */
export function partsOf(anchor: string): { root: string; task: string; episode: string } {
  const [, root, task, episode] = /^(.*?)proprio_stats\/([^/]+)\/([^/]+)\/proprio_stats\.h5$/.exec(anchor)!;
  return { root: root!, task: task!, episode: episode! };
}

/** The folder `parameters` is repeated in some archives. */
export function companions(anchor: string): Companions {
  const { root, task, episode } = partsOf(anchor);
  const camera = (name: string): [string, string[]][] => [
    [name, [`${root}observations/${task}/${episode}/videos/${name}_color.mp4`]],
    ...['intrinsic_params', 'extrinsic_params_aligned'].map((file): [string, string[]] => [
      `${name}_${file}`,
      ['parameters/camera', 'camera'].map(
        (folder) => `${root}parameters/${task}/${episode}/${folder}/${name}_${file}.json`,
      ),
    ]),
  ];
  return { task: [`${root}task_info/task_${task}.json`], ...Object.fromEntries(CAMERAS.flatMap(camera)) };
}

/** The parsed files of a camera, undefined where one is absent. */
export function calibrationOf(record: FilesRecord, camera: string): AgibotFiles {
  const file = (part: string): unknown =>
    record.has(`${camera}_${part}`) ? record.json(`${camera}_${part}`) : undefined;
  return { intrinsic: file('intrinsic_params'), extrinsic: file('extrinsic_params_aligned') };
}

interface Entry {
  readonly episode_id?: unknown;
  readonly task_name?: unknown;
  readonly init_scene_text?: unknown;
  readonly label_info?: { readonly action_config?: unknown };
}

/** What the list of the task's episodes says of this one. */
export function listedEntry(record: FilesRecord): Entry | undefined {
  const { episode } = partsOf(record.path);
  const listed = record.has('task') ? (record.json('task') as Entry[]) : [];
  return Array.isArray(listed) ? listed.find(({ episode_id }) => String(episode_id) === episode) : undefined;
}
