/** A path that nobody has explained yet → what it is and what it holds. */
import { stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { PrepError } from '../../schemas/errors.ts';
import { type ByteRoot, openRoot } from '../bytes.ts';
import { INFO } from '../formats/lerobot/info.ts';
import type { RldsDescription } from '../formats/rlds-describe.ts';
import type { Access } from '../remote/access.ts';
import { walk } from '../tree.ts';
import type { Described } from './description.ts';

export type Inspected =
  | { readonly format: 'rlds'; readonly root: ByteRoot; readonly rlds: RldsDescription; readonly described: Described }
  | { readonly format: 'lerobot' | 'hdf5'; readonly root: ByteRoot; readonly described: Described };

/** Entries of a folder that are looked at before it is called unknown. */
const LOOKED_AT = 20_000;
const HDF5_FILE = /\.(hdf5|h5)$/i;

/** @throws PrepError `source-missing` for a path that is no dataset of a known format, and what the format's reader says */
export async function inspectPath(path: string, access: Access): Promise<Inspected> {
  const { root, only } = await rootOf(path, access);
  const format = only === undefined ? await formatOf(root) : 'hdf5';
  if (format === 'rlds') {
    const { describeRldsWithSamples } = await import('./rlds.ts');
    return { format, root, ...(await describeRldsWithSamples(root)) };
  }
  if (format === 'lerobot')
    return { format, root, described: await (await import('./lerobot.ts')).describeLerobot(root) };
  return { format, root, described: await (await import('./hdf5.ts')).describeHdf5(root, only) };
}

async function rootOf(path: string, access: Access): Promise<{ root: ByteRoot; only?: string }> {
  const found = await stat(path).catch(() => null); // an address, or nothing: the root says which
  if (!found?.isFile()) return { root: await openRoot(path, access) };
  if (HDF5_FILE.test(path)) return { root: await openRoot(dirname(path)), only: basename(path) };
  throw new PrepError({
    code: 'source-missing',
    at: { file: path },
    expected: 'a folder, or an HDF5 file (.hdf5, .h5)',
    found: /\.(pkl|pickle)$/i.test(path) ? 'a Python pickle, which is never opened' : 'another file',
    remedy: 'give the folder of the dataset',
  });
}

async function formatOf(root: ByteRoot): Promise<Inspected['format']> {
  const names = (await root.list()).map(({ name }) => name);
  if (names.some((name) => name === 'features.json' || name === 'dataset_info.json' || /tfrecord/.test(name)))
    return 'rlds';
  const seen: string[] = [];
  let hdf5 = false;
  for await (const { path } of walk(root, (folder) => !/(^|\/)(videos|images)$/.test(folder))) {
    if (path === INFO || path.endsWith(`/${INFO}`)) return 'lerobot';
    if (/(^|\/)(features|dataset_info)\.json$/.test(path)) throw unknown(root, [path], 'give the folder that holds it');
    hdf5 ||= HDF5_FILE.test(path);
    if (seen.push(path) === LOOKED_AT) break;
  }
  if (hdf5) return 'hdf5';
  throw unknown(root, seen, 'see `prep datasets`');
}

const unknown = (root: ByteRoot, seen: readonly string[], remedy: string): PrepError =>
  new PrepError({
    code: 'source-missing',
    at: { file: root.uri },
    expected: 'an RLDS dataset (features.json), a LeRobot dataset (meta/info.json) or HDF5 files',
    found: seen.length === 0 ? 'no files' : `${seen.length} other files, such as ${seen.slice(0, 3).join(', ')}`,
    remedy,
  });
