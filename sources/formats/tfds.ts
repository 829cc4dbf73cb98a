/**
 * A TFDS version folder: `dataset_info.json`, `features.json` and `<prefix>-<split>.tfrecord-SSSSS-of-NNNNN`.
 * The list of files is trusted for names (a prefix may differ from folder and dataset), the JSON for counts.
 */
import { PrepError } from '../../schemas/errors.ts';
import type { ByteRoot } from '../bytes.ts';
import { type FeatureTree, objectOf, parseFeatures, parseJson } from './features.ts';
import { listShards, type TfdsSplit } from './shards.ts';

export interface TfdsDirectory {
  /** The version folder itself, which may lie below the root that was given: open shards in this one. */
  readonly root: ByteRoot;
  /** `dataset_info.json`'s, else the prefix of the shards. */
  readonly name: string;
  /** `dataset_info.json`'s, else the folder's name. */
  readonly version: string;
  readonly splits: readonly TfdsSplit[];
  readonly features: FeatureTree;
  /** Paths of all declared features. */
  readonly paths: readonly string[];
  /** Shards that are not here although their set names them; null if the sets are complete. */
  readonly partial: { readonly missing: readonly string[]; readonly total: number } | null;
}

const INFO = 'dataset_info.json';
const FEATURES = 'features.json';
/** Version folders lie at most two levels below what is given: `<root>/<name>/<version>`. */
const LEVELS = 2;
/** Folders looked into before giving up on a root that is no dataset. */
const FOLDER_LIMIT = 500;
/** Names shown of a long list. */
const SHOWN = 3;

/**
 * Opens a version folder, or the only one below `root`. Without `dataset_info.json` every `expected` is null; without
 * `features.json` shapes and image sizes are unknown, so that is refused.
 * @throws PrepError `source-missing`, `bad-dataset-info`, `missing-shard` (unless `partial`)
 */
export async function openTfds(root: ByteRoot, options: { readonly partial: boolean }): Promise<TfdsDirectory> {
  const folder = await locate(root);
  const files = await folder.list();
  const names = new Set(files.map((file) => file.name));
  const info = names.has(INFO) ? await readInfo(folder) : null;
  refuseOtherFormats(folder, [...names], info?.fileFormat ?? '');
  if (!names.has(FEATURES))
    throw bad(folder, `${FEATURES} beside the shards`, 'none', 'fetch it too: it holds the shapes and the image sizes');
  const features = parseFeatures(await folder.readText(FEATURES), `${folder.uri}/${FEATURES}`);
  const { splits, prefix } = listShards(folder.uri, files, { name: info?.name ?? null, splits: info?.splits ?? [] });
  const all = splits.flatMap((split) => split.shards);
  const missing = all.filter((shard) => shard.size === null && shard.expected !== 0).map((shard) => shard.file);
  if (missing.length === all.length || (missing.length > 0 && !options.partial))
    throw missingShards(folder, missing, all.length);
  return {
    root: folder,
    name: info?.name || prefix,
    version: info?.version || folder.uri.split(/[\\/]/).at(-1)!,
    splits,
    features,
    paths: [...features.keys()],
    partial: missing.length > 0 ? { missing, total: all.length } : null,
  };
}

async function locate(root: ByteRoot): Promise<ByteRoot> {
  let level = [root];
  let seen = 0;
  for (let depth = 0; depth <= LEVELS; depth++) {
    const found: ByteRoot[] = [];
    const below: ByteRoot[] = [];
    for (const folder of level) {
      if (seen++ > FOLDER_LIMIT) throw noDataset(root, `none in the first ${FOLDER_LIMIT} folders`);
      const names = (await folder.list()).map((file) => file.name);
      if (names.some((name) => name === INFO || name === FEATURES || name.includes('.tfrecord-'))) found.push(folder);
      else if (depth < LEVELS) below.push(...(await visibleFolders(folder)));
    }
    if (found.length === 1) return found[0]!;
    if (found.length > 1)
      throw bad(
        root,
        'one dataset version',
        `${found.length}: ${shown(found.map((folder) => folder.uri))}`,
        'give one',
      );
    level = below;
  }
  throw noDataset(root, 'neither here nor one or two folders below');
}

/** Without `.git`, `.cache` and what TFDS writes before it renames (`1.0.0.incompleteA1B2C3`). */
const visibleFolders = async (folder: ByteRoot): Promise<ByteRoot[]> =>
  (await folder.folders())
    .filter((name) => !name.startsWith('.') && !name.includes('.incomplete'))
    .map((name) => folder.folder(name));

interface DatasetInfo {
  readonly name: string;
  readonly version: string;
  readonly fileFormat: string;
  readonly splits: readonly { name: string; lengths: readonly (number | null)[]; template: string }[];
}

async function readInfo(folder: ByteRoot): Promise<DatasetInfo> {
  const file = `${folder.uri}/${INFO}`;
  const json = objectOf(parseJson(await folder.readText(INFO), file), file, 'the root');
  const splits = Array.isArray(json.splits) ? json.splits : [];
  return {
    name: String(json.name ?? ''),
    version: String(json.version ?? ''),
    fileFormat: String(json.fileFormat ?? json.file_format ?? ''),
    splits: splits.map((value: unknown) => {
      const split = objectOf(value, file, 'splits');
      const lengths = split.shardLengths ?? split.shard_lengths ?? [];
      if (!Array.isArray(lengths)) throw bad(folder, 'a list of shardLengths', JSON.stringify(lengths));
      return {
        name: String(split.name ?? ''),
        lengths: lengths.map((length) => countOf(folder, length)),
        template: String(split.filepathTemplate ?? split.filepath_template ?? ''),
      };
    }),
  };
}

/** Protobuf JSON writes int64 as strings. */
function countOf(folder: ByteRoot, value: unknown): number {
  const count = typeof value === 'string' && value.trim() === '' ? Number.NaN : Number(value);
  if (Number.isSafeInteger(count) && count >= 0) return count;
  throw bad(folder, 'counts in shardLengths', JSON.stringify(value));
}

function refuseOtherFormats(folder: ByteRoot, names: readonly string[], declared: string): void {
  if (names.some((name) => name.includes('.tfrecord-'))) return;
  const other = names.map((name) => /\.(array_record|riegeli|parquet|bagz)-/.exec(name)?.[1]).find(Boolean);
  const format = other ?? (declared === '' || declared === 'tfrecord' ? null : declared);
  if (format !== null)
    throw bad(folder, 'TFRecord shards', `file format ${format}`, 'use the tfrecord version of this dataset');
}

const shown = (names: readonly string[]): string =>
  names.slice(0, SHOWN).join(', ') + (names.length > SHOWN ? ', …' : '');

function missingShards(folder: ByteRoot, missing: readonly string[], total: number): PrepError {
  return new PrepError({
    code: 'missing-shard',
    at: { file: folder.uri, ...(missing[0] ? { shard: missing[0] } : {}) },
    expected: total > 0 ? `${total} shards` : 'shards (*.tfrecord-*)',
    found: total > 0 ? `${missing.length} missing: ${shown(missing)}` : 'none, and none declared',
    remedy: missing.length < total ? 'fetch them, or go on without them: --partial' : 'fetch them',
  });
}

const noDataset = (root: ByteRoot, found: string): PrepError =>
  new PrepError({
    code: 'source-missing',
    at: { file: root.uri },
    expected: `a TFDS version folder (${INFO}, ${FEATURES}, *.tfrecord-*)`,
    found,
    remedy: 'give the folder <name>/<version>',
  });

function bad(folder: ByteRoot, expected: string, found: string, remedy?: string): PrepError {
  return new PrepError({
    code: 'bad-dataset-info',
    at: { file: folder.uri },
    expected,
    found,
    ...(remedy ? { remedy } : {}),
  });
}
