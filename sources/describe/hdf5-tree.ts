/** The datasets of an HDF5 file by path, and which groups are episodes. Bounded, whatever the file claims. */
import { PrepError } from '../../schemas/errors.ts';
import type { DescribedGroup } from '../formats/hdf5/group.ts';

export interface Tree {
  /** Path pattern of the groups that are one episode each, `data/demo_*`; null where the file is one episode. */
  readonly pattern: string | null;
  /** Paths of the episodes' groups in order; '' for the file itself. */
  readonly episodes: readonly string[];
  /** Paths of the datasets below an episode, relative to it. */
  below(episode: string): string[];
}

const [MAX_OBJECTS, MAX_DEPTH] = [5000, 12];
/** Groups of a numbered row that are entered: the others look the same. */
const ALIKE = 3;

interface Row {
  /** `data/demo_`: everything before the number. */
  readonly stem: string;
  readonly groups: string[];
}

/** @param faults is told of links that lead nowhere and of what is left out */
export function treeOf(root: DescribedGroup, faults: string[]): Tree {
  const datasets: string[] = [];
  const rows = new Map<string, Row>();
  let seen = 0;
  const enter = (path: string, depth: number): void => {
    const counted = new Map<string, number>();
    for (const name of root.keys(path)) {
      if (++seen > MAX_OBJECTS || depth > MAX_DEPTH) return;
      const full = path === '' ? name : `${path}/${name}`;
      try {
        const group = root.isGroup(full);
        // A soft link is another name of what is listed elsewhere.
        if (root.linkTarget(full) !== null) continue;
        if (!group) {
          datasets.push(full);
          continue;
        }
      } catch (error) {
        if (!(error instanceof PrepError)) throw error;
        faults.push(error.message);
        continue;
      }
      const stem = /^(.*?)\d+$/.exec(name)?.[1];
      if (stem !== undefined) {
        const row = rows.get(`${path}/${stem}`) ?? { stem: path === '' ? stem : `${path}/${stem}`, groups: [] };
        rows.set(`${path}/${stem}`, row);
        row.groups.push(full);
        counted.set(stem, (counted.get(stem) ?? 0) + 1);
        if (counted.get(stem)! > ALIKE) continue;
      }
      enter(full, depth + 1);
    }
  };
  enter('', 0);
  if (seen > MAX_OBJECTS) faults.push(`more than ${MAX_OBJECTS} objects in the file: the rest is not looked at`);
  return episodesIn(datasets, [...rows.values()]);
}

/** A numbered row of groups is one of episodes if nearly all that the file holds lies in it. */
function episodesIn(datasets: readonly string[], rows: readonly Row[]): Tree {
  const within = ({ groups }: Row): number => {
    const prefixes = groups.map((group) => `${group}/`);
    return datasets.filter((path) => prefixes.some((prefix) => path.startsWith(prefix))).length;
  };
  const row = rows
    .filter((one) => within(one) > 1 && within(one) >= 0.8 * datasets.length)
    .sort((a, b) => a.stem.split('/').length - b.stem.split('/').length)[0];
  const order = new Intl.Collator('en', { numeric: true });
  const ofGroup = (group: string): string[] =>
    datasets.flatMap((path) => (path.startsWith(`${group}/`) ? [path.slice(group.length + 1)] : []));
  // One that was not entered looks like those that were.
  const usual = row?.groups.map(ofGroup).find((paths) => paths.length > 0) ?? [];
  return {
    pattern: row ? `${row.stem}*` : null,
    episodes: row ? [...row.groups].sort(order.compare) : [''],
    below(episode) {
      if (episode === '') return [...datasets];
      const own = ofGroup(episode);
      return own.length > 0 ? own : [...usual];
    },
  };
}
