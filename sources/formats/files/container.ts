/** Folders of files as a container: every file that the layout takes for an anchor is a shard of one episode or several. */
import { PrepError } from '../../../schemas/errors.ts';
import type { FilesRecord } from '../../../schemas/records.ts';
import type { Companions, FilesLayout } from '../../../schemas/spec.ts';
import type { ByteRoot } from '../../bytes.ts';
import { type Container, type FoundEpisode, placeDigest, type Shard } from '../../container.ts';
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
    episodes: (shard, recorded) => episodesOf(folder, shard, recorded),
    close: () => files.close(),
  };
}

async function* episodesOf(
  folder: Folder,
  shard: Shard,
  recorded: (offset: number, length: number) => boolean,
): AsyncGenerator<FoundEpisode<FilesRecord>> {
  const { files, layout, name } = folder;
  const isHdf5 = /\.(hdf5|h5)$/i.test(shard.file);
  const placeOf = (record: number) => ({ split: SPLIT, shard: shard.file, record, offset: record, length: shard.size });
  if (!layout.inside) {
    const place = placeOf(0);
    if (recorded(place.offset, place.length)) return;
    const within = { container: name, split: SPLIT, index: shard.first };
    yield await episodeOf(folder, { place, within, inside: '', isHdf5 });
    return;
  }
  const { file, release } = await files.hdf5(shard.file);
  try {
    for (const [record, inside] of layout.inside(file.root).entries()) {
      const place = placeOf(record);
      if (recorded(place.offset, place.length)) continue;
      yield await episodeOf(folder, { place, within: { container: name, split: SPLIT, index: null }, inside, isHdf5 });
    }
  } finally {
    await release();
  }
}

type Wanted = Pick<FoundEpisode, 'place' | 'within'> & { readonly inside: string; readonly isHdf5: boolean };

async function episodeOf(
  folder: Folder,
  { place, within, inside, isHdf5 }: Wanted,
): Promise<FoundEpisode<FilesRecord>> {
  const held: { release(): Promise<void> }[] = [];
  const release = async (): Promise<void> => {
    for (const one of held.splice(0)) await one.release();
  };
  try {
    const path = place.shard;
    const anchor = isHdf5 ? await hold(held, folder.files.hdf5(path)) : null;
    const parts = await openParts(folder, { path, inside, anchor: anchor?.file ?? null, held });
    const digest =
      inside === ''
        ? await digestOfFiles(folder.root, ownPaths(path, parts, folder.layout))
        : await digestOfGroup(anchor!.file.root.group(inside));
    return { place, within, digest, record: () => filesRecord(parts), release };
  } catch (error) {
    await release();
    if (!(error instanceof PrepError)) throw error;
    return { place, within, digest: placeDigest(place), record: error };
  }
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
