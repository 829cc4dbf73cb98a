/** Which files of a folder, and which groups within them, a mapping takes for episodes. */
import { PrepError } from '../../schemas/errors.ts';
import type { Hdf5Group } from '../../schemas/records.ts';
import type { FilesLayout } from '../../schemas/spec.ts';
import type { Mapping } from './schema.ts';

export function filesLayout({ files, episodes }: Pick<Mapping, 'files' | 'episodes'>): FilesLayout {
  const layout = { format: 'files', anchor: globPattern(files) } as const;
  return episodes === undefined ? layout : { ...layout, inside: (root) => groupsLike(root, episodes) };
}

/** `**` any folders, `*` within one name, `{a,b}` one of these; everything else literally. */
export function globPattern(glob: string): RegExp {
  const source = glob.replace(/\*\*\/|\*|\{[^{}]*\}|[^*{}]+|[{}]/g, (part) => {
    if (part === '**/') return '(?:[^/]+/)*';
    if (part === '*') return '[^/]*';
    if (part.startsWith('{') && part.length > 1) return `(?:${part.slice(1, -1).split(',').map(escaped).join('|')})`;
    return escaped(part);
  });
  return new RegExp(`^${source}$`);
}

const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');

/** `data/*` → the groups below `data`, numbers in their order. */
function groupsLike(root: Hdf5Group, pattern: string): string[] {
  const cut = pattern.lastIndexOf('/');
  const parent = cut < 0 ? '' : pattern.slice(0, cut);
  const matches = globPattern(pattern.slice(cut + 1));
  const found = root
    .keys(parent)
    .filter((key) => matches.test(key))
    .map((key) => (parent === '' ? key : `${parent}/${key}`))
    .filter((path) => root.isGroup(path));
  if (found.length > 0) return found.sort((a, b) => ORDER.compare(a, b));
  throw new PrepError({
    code: 'missing-field',
    at: { field: pattern },
    expected: 'groups of that name',
    found: 'none',
  });
}

const ORDER = new Intl.Collator('en', { numeric: true });
