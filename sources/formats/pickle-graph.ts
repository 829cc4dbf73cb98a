/** The value that a pickle leaves behind: every part that can be reached is looked at once before it is handed out. */
import { type Place, PrepError } from '../../schemas/errors.ts';
import type { PyValue } from '../../schemas/python-data.ts';
import { type Item, isArray } from './pickle-globals.ts';

/** Containers within containers. */
const MAX_DEPTH = 64;

interface Wanted {
  readonly at: Place;
  /** The outermost value may be an array of objects. */
  readonly objectArray: boolean;
}

/** @throws PrepError `bad-pickle` for a name of numpy, an array without content, an array of objects, a cycle, endless depth */
export function finished(root: Item, { at, objectArray }: Wanted): PyValue {
  const open: { readonly item: object; readonly inside: Iterator<Item> }[] = [];
  const path = new Set<object>();
  const done = new Set<object>();
  const enter = (item: Item): void => {
    if (typeof item !== 'object' || item === null || item instanceof Uint8Array || done.has(item)) return;
    if (path.has(item)) throw bad(at, 'values that do not hold themselves', 'one that does');
    if (open.length >= MAX_DEPTH) throw bad(at, `at most ${MAX_DEPTH} containers within one another`, 'more');
    path.add(item);
    open.push({ item, inside: within(item, objectArray && item === root, at) });
  };
  enter(root);
  while (open.length > 0) {
    const { item, inside } = open.at(-1)!;
    const next = inside.next();
    if (!next.done) {
      enter(next.value);
      continue;
    }
    open.pop();
    path.delete(item);
    done.add(item);
  }
  return root as PyValue;
}

function within(item: object, objects: boolean, at: Place): Iterator<Item> {
  if (item instanceof Map || Array.isArray(item)) return item.values();
  if (!isArray(item as Item)) throw bad(at, 'a value', 'a name of numpy without use');
  const { values, dtype } = item as { values: readonly Item[] | null; dtype: string };
  if (values === null) throw bad(at, 'arrays with their content', 'an array that was never filled');
  if (dtype !== 'O') return [].values();
  if (!objects) throw bad(at, 'an array of numbers', 'an array of objects');
  return values.values();
}

const bad = (at: Place, expected: string, found: string): PrepError =>
  new PrepError({ code: 'bad-pickle', at, expected, found });
