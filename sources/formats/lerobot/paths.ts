/** Path templates of `info.json`: filled, kept within the dataset, and doubted where the files lie elsewhere. */
import type { LerobotInfo } from '../../../schemas/records.ts';
import { bad, INFO } from './info.ts';

export type Places = Readonly<Record<string, string | number>>;

const DEFAULTS = {
  v2: {
    data_path: 'data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet',
    video_path: 'videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4',
  },
  v3: {
    data_path: 'data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet',
    video_path: 'videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4',
  },
} as const;

/**
 * Where a file may lie, best first: as the template says, then as the format's own default says (published templates
 * are wrong now and then: a chunk per episode where there is one for all).
 * @throws PrepError `bad-metadata` naming info.json, the key and the placeholder
 */
export function candidates(info: LerobotInfo, key: 'data_path' | 'video_path', places: Places): string[] {
  const usual = DEFAULTS[info.version === 'v3.0' ? 'v3' : 'v2'][key];
  const given = info.json[key];
  const old = key === 'video_path' ? info.json.videos_path : undefined;
  const templates = [given, old, usual].filter((one): one is string => typeof one === 'string' && one !== '');
  const filled = templates.map((template) => filledIn(template, key, places));
  return [...new Set(filled)];
}

function filledIn(template: string, key: string, places: Places): string {
  const where = `${INFO} ${key}`;
  const path = template.replace(/\{([^{}:]*)(?::0?(\d+)d?)?\}/g, (_, name: string, width: string | undefined) => {
    const value = Object.hasOwn(places, name) ? places[name] : undefined;
    if (value === undefined) throw bad(where, `placeholders ${Object.keys(places).join(', ')}`, `{${name}}`);
    return String(value).padStart(Number(width ?? 0), '0');
  });
  const parts = path.split('/');
  if (path.startsWith('/') || /^[a-z]:|\\|\0/i.test(path) || parts.includes('..') || parts.includes(''))
    throw bad(where, 'a path within the dataset', JSON.stringify(template));
  return path;
}

/** Looked at once when the dataset is opened, so that a template that leaves it is no matter of single episodes. */
export function checkTemplates(info: LerobotInfo): void {
  const places: Places =
    info.version === 'v3.0'
      ? { chunk_index: 0, file_index: 0, episode_index: 0, episode_chunk: 0, video_key: 'camera' }
      : { episode_index: 0, episode_chunk: 0, total_episodes: 0, video_key: 'camera' };
  for (const key of ['data_path', 'video_path'] as const) candidates(info, key, places);
}
