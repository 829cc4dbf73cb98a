/** What is new at the sources. Path, size and time only decide what is looked at; what an episode is, its content decides. */
import { statSync } from 'node:fs';
import { type ReshardConfig, type ReshardSource, sourceName } from '../../schemas/reshard.ts';
import type { Listing } from '../../sinks/generations.ts';
import { openRoot } from '../../sources/bytes.ts';
import { type FileStamps, listStamps } from '../../sources/frozen.ts';
import type { Access } from '../../sources/remote/access.ts';

export interface News {
  readonly added: number;
  readonly changed: number;
  readonly vanished: number;
}

export async function listSources({ sources }: ReshardConfig, access: Access): Promise<Listing> {
  const listing: Record<string, FileStamps> = {};
  for (const source of sources) {
    listing[sourceName(source)] = await listStamps(await openRoot(source.root, access));
    const beside = await besideStamps(source, access);
    if (Object.keys(beside).length > 0) listing[`${sourceName(source)} (beside)`] = beside;
  }
  return listing;
}

/** What an ingest reads beside its root: calibration, exclusions, a mapping. That they changed is news; episodes show of which. */
async function besideStamps({ calibration, exclude, mapping }: ReshardSource, access: Access): Promise<FileStamps> {
  const found: Record<string, string> = {};
  for (const path of [calibration, exclude, mapping]) {
    if (path === undefined) continue;
    const file = /^[a-z][a-z0-9+.-]+:\/\//i.test(path) ? undefined : statSync(path, { throwIfNoEntry: false });
    if (file?.isFile()) found[path] = `${file.size} ${file.mtimeMs}`;
    else
      for (const [name, stamp] of Object.entries(await listStamps(await openRoot(path, access))))
        found[`${path}/${name}`] = stamp;
  }
  return found;
}

export function newsOf(before: Listing | null, now: Listing): News {
  const news = { added: 0, changed: 0, vanished: 0 };
  for (const [name, files] of Object.entries(now)) {
    const old = before?.[name] ?? {};
    for (const [path, stamp] of Object.entries(files))
      if (!Object.hasOwn(old, path)) news.added++;
      else if (old[path] !== stamp) news.changed++;
    for (const path of Object.keys(old)) if (!Object.hasOwn(files, path)) news.vanished++;
  }
  return news;
}

/**
 * True for a container's file whose recorded episodes must be looked at again: it changed, or something beside it did (a
 * video, a calibration file), which for a LeRobot dataset may lie anywhere in it.
 */
export function changedFiles(
  before: FileStamps,
  now: FileStamps,
  format: 'rlds' | 'lerobot' | 'files',
): (file: string) => boolean {
  const changed = Object.keys(now).filter((path) => Object.hasOwn(before, path) && before[path] !== now[path]);
  if (changed.length === 0) return () => false;
  if (format === 'lerobot') return () => true;
  const exact = new Set(changed);
  if (format === 'rlds') return (file) => changed.some((path) => path === file || path.endsWith(`/${file}`));
  return (file) => {
    if (exact.has(file)) return true;
    const folder = file.slice(0, file.lastIndexOf('/') + 1);
    const stem = file.slice(folder.length).replace(/\.[^.]*$/, '');
    return changed.some((path) => (folder === '' ? path.startsWith(stem) : path.startsWith(folder)));
  };
}
