/** A root as it was when it was listed: files that came later are not there, so that a run that is repeated reads the same. */
import { PrepError } from '../schemas/errors.ts';
import type { ByteFile, ByteRoot } from './bytes.ts';
import { walk } from './tree.ts';

/** Path below the root → `size stamp`. */
export type FileStamps = Readonly<Record<string, string>>;

export const stampOf = ({ size, stamp }: { size: number; stamp?: string | undefined }): string =>
  `${size} ${stamp ?? ''}`;

export async function listStamps(root: ByteRoot): Promise<FileStamps> {
  const found: Record<string, string> = {};
  for await (const file of walk(root)) found[file.path] = stampOf(file);
  return found;
}

/** @param files those that may be seen, by their paths below the root */
export function frozenRoot(root: ByteRoot, files: FileStamps, below = ''): ByteRoot {
  const known = (name: string): boolean => Object.hasOwn(files, `${below}${name}`);
  const checked = (name: string): void => {
    if (!known(name))
      throw new PrepError({
        code: 'source-missing',
        at: { file: `${root.uri}/${name}` },
        expected: 'a file that was there when the run began',
        found: 'none of that name',
      });
  };
  return {
    uri: root.uri,
    list: async () => (await root.list()).filter(({ name }) => known(name)),
    folders: () => root.folders(),
    folder: (name) => frozenRoot(root.folder(name), files, `${below}${name}/`),
    async open(name): Promise<ByteFile> {
      checked(name);
      return root.open(name);
    },
    async readText(name, limit) {
      checked(name);
      return root.readText(name, limit);
    },
    ...(root.localPath
      ? {
          localPath(name: string) {
            checked(name);
            return root.localPath!(name);
          },
        }
      : {}),
  };
}
