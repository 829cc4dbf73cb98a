/** Folders of files as a container: every file that the layout takes for an anchor is a shard of one episode or several. */

import type { Reading } from '../../../schemas/episode.ts';
import { PrepError } from '../../../schemas/errors.ts';
import type { FilesRecord } from '../../../schemas/records.ts';
import type { Companions, FilesLayout } from '../../../schemas/spec.ts';
import type { ByteRoot } from '../../bytes.ts';
import {
  type Container,
  type FoundEpisode,
  type KnownEpisode,
  placeDigest,
  resized,
  type Shard,
  sourceChanged,
} from '../../container.ts';
import { walk } from '../../tree.ts';
import type { Hdf5File } from '../hdf5/file.ts';
import { type CompanionFiles, companionFiles, type OpenCompanion } from './companions.ts';
import { digestOfFiles, digestOfGroup } from './digest.ts';
import { type FilesParts, filesRecord } from './record.ts';

/** Low-dimensional data of one episode in memory (an estimate). */
const RECORD_BYTES = 16 * 2 ** 20;
/** Episodes of such sets are not divided by their publishers. */
const SPLIT = 'all';

interface Folder {
  readonly root: ByteRoot;
  readonly layout: FilesLayout;
  readonly files: CompanionFiles;
  readonly name: string;
  readonly paths: ReadonlyMap<string, number>;
}

/** @throws PrepError `source-missing` where no file is an anchor */
export async function openFiles(root: ByteRoot, layout: FilesLayout): Promise<Container<FilesRecord>> {
  const paths = new Map<string, number>();
  const shards: Shard[] = [];
  for await (const { path, size } of walk(root)) {
    paths.set(path, size);
    if (!layout.anchor.test(path)) continue;
    const first = layout.inside ? null : shards.length;
    shards.push({ split: SPLIT, file: path, size, expected: layout.inside ? null : 1, first });
  }
  if (shards.length === 0)
    throw new PrepError({
      code: 'source-missing',
      at: { file: root.uri },
      expected: `files like ${layout.anchor.source}`,
      found: `none among ${paths.size} files`,
    });
  const files = companionFiles(root, paths);
  const name =
    root.uri
      .split(/[\\/]/)
      .filter((part) => part !== '')
      .at(-1) ?? '';
  const folder = { root, layout, files, name, paths };
  return {
    ...{
      format: 'files',
      name,
      version: '',
      splits: [SPLIT],
      shards,
      missing: [],
      fields: [],
      recordBytes: RECORD_BYTES,
    },
    contiguous: false,
    episodes: (shard, recorded) => episodesOf(folder, shard, (record) => !recorded(record, shard.size)),
    again(shard, known) {
      const byRecord = new Map(known.map((one) => [one.place.record, one]));
      return episodesOf(folder, shard, (record) => byRecord.get(record) ?? false);
    },
    close: () => files.close(),
  };
}

async function* episodesOf(
  folder: Folder,
  shard: Shard,
  wanted: (record: number) => KnownEpisode | boolean,
): AsyncGenerator<FoundEpisode<FilesRecord>> {
  const { files, layout, name } = folder;
  const isHdf5 = /\.(hdf5|h5)$/i.test(shard.file);
  const episode = (record: number, known: KnownEpisode | true, inside: string) => {
    const place = { split: SPLIT, shard: shard.file, record, offset: record, length: shard.size };
    const within = { container: name, split: SPLIT, index: layout.inside ? null : shard.first };
    return episodeOf(folder, { place, within, inside, isHdf5, ...(known === true ? {} : { known }) });
  };
  if (!layout.inside) {
    const known = wanted(0);
    if (known) yield await episode(0, known, '');
    return;
  }
  const { file, release } = await files.hdf5(shard.file);
  try {
    for (const [record, inside] of layout.inside(file.root).entries()) {
      const known = wanted(record);
      if (known) yield await episode(record, known, inside);
    }
  } finally {
    await release();
  }
}

type Wanted = Pick<FoundEpisode, 'place' | 'within'> & {
  readonly inside: string;
  readonly isHdf5: boolean;
  readonly known?: KnownEpisode;
};

async function episodeOf(
  folder: Folder,
  { place: at, within, inside, isHdf5, known }: Wanted,
): Promise<FoundEpisode<FilesRecord>> {
  const held: { release(): Promise<void> }[] = [];
  const release = async (): Promise<void> => {
    for (const one of held.splice(0)) await one.release();
  };
  try {
    const path = at.shard;
    const anchor = isHdf5 ? await hold(held, folder.files.hdf5(path)) : null;
    const parts = await openParts(folder, { path, inside, anchor: anchor?.file ?? null, held });
    const place = { ...at, reading: readingOf(folder, at.length, parts) };
    if (known && known.place.length !== at.length)
      throw sourceChanged(at, `${known.place.length} bytes`, `${at.length}`);
    const changed = known && resized(known, place.reading);
    if (changed) throw changed;
    const digest =
      known?.digest ??
      (inside === ''
        ? await digestOfFiles(folder.root, ownPaths(path, parts, folder.layout))
        : await digestOfGroup(anchor!.file.root.group(inside)));
    return { place, within, digest, record: () => filesRecord(parts), release };
  } catch (error) {
    await release();
    if (!(error instanceof PrepError)) throw error;
    return { place: at, within, digest: placeDigest(at), record: error };
  }
}

/** Companions count whole: texts are read so, and of a video no more than there is. */
function readingOf({ paths }: Folder, shard: number, { companions }: FilesParts): Reading {
  const all = [...companions.values()].flatMap((one) =>
    one.kind === 'pictures' ? one.pictures.names.map((name) => one.path + name) : one.path,
  );
  return { shard, beside: all.reduce((sum, path) => sum + (paths.get(path) ?? 0), 0) };
}

/** Files that belong to this episode alone. */
function ownPaths(path: string, { companions }: FilesParts, { shared = [] }: FilesLayout): string[] {
  const own = [...companions].filter(([name]) => !shared.includes(name)).map(([, one]) => one);
  return [
    path,
    ...own.flatMap((one) => (one.kind === 'pictures' ? one.pictures.names.map((name) => one.path + name) : one.path)),
  ];
}

async function hold<T extends { release(): Promise<void> }>(
  held: { release(): Promise<void> }[],
  opening: Promise<T>,
): Promise<T> {
  const opened = await opening;
  held.push(opened);
  return opened;
}

async function openParts(
  { layout, files }: Folder,
  {
    path,
    inside,
    anchor,
    held,
  }: { path: string; inside: string; anchor: Hdf5File | null; held: { release(): Promise<void> }[] },
): Promise<FilesParts> {
  const found = new Map<string, OpenCompanion['companion']>();
  const open = async (candidates: Companions): Promise<void> => {
    for (const [name, paths] of Object.entries(candidates)) {
      const companion = await files.open(paths);
      if (!companion) continue;
      held.push(companion);
      found.set(name, companion.companion);
    }
  };
  let candidates = layout.companions?.(path) ?? {};
  await open(candidates);
  if (layout.further) {
    const further = layout.further(filesRecord({ path, inside, anchor, companions: found, candidates }));
    await open(further);
    candidates = { ...candidates, ...further };
  }
  return { path, inside, anchor, companions: found, candidates };
}
