/**
 * Which steps of an episode have rows. An episode's rows lie in step order under consecutive row ids, so where all are there
 * a step is its own place; where only drawn ones are, the rows' own `step` column says which.
 */
import type { LanceTable } from './store.ts';

export interface StoredEpisode {
  readonly episodeKey: bigint;
  readonly group: bigint;
  readonly firstRow: bigint;
  readonly rows: number;
}

/** Rows whose numbers are read at once. */
const ROWS_PER_TAKE = 65_536;

/** Steps of every given episode by key, ascending; empty where its rows are not the ledger's. */
export async function storedSteps(
  steps: LanceTable,
  episodes: readonly StoredEpisode[],
): Promise<Map<bigint, Int32Array>> {
  const found = new Map<bigint, Int32Array>();
  for (const some of portions(episodes)) await takeSteps(steps, some, found);
  return found;
}

function* portions(episodes: readonly StoredEpisode[]): Generator<StoredEpisode[]> {
  let some: StoredEpisode[] = [];
  let rows = 0;
  for (const one of episodes) {
    if (rows > 0 && rows + one.rows > ROWS_PER_TAKE) {
      yield some;
      [some, rows] = [[], 0];
    }
    some.push(one);
    rows += one.rows;
  }
  if (some.length > 0) yield some;
}

async function takeSteps(
  steps: LanceTable,
  episodes: readonly StoredEpisode[],
  found: Map<bigint, Int32Array>,
): Promise<void> {
  const ids = episodes.flatMap(({ firstRow, rows }) => Array.from({ length: rows }, (_, i) => firstRow + BigInt(i)));
  const known = new Map(episodes.map((one) => [one.episodeKey, one]));
  const numbers = new Map<bigint, number[]>(episodes.map(({ episodeKey }) => [episodeKey, []]));
  // Row ids come back sorted, and an episode's are in step order.
  const columns = ['episode_key', 'group', 'step'];
  for await (const batch of steps.takeRowIds(ids.sort((a, b) => (a < b ? -1 : 1))).select(columns)) {
    const [keys, groups, values] = columns.map((name) => batch.getChild(name)!);
    for (let at = 0; at < batch.numRows; at++) {
      const key = keys!.get(at) as bigint;
      if (known.get(key)?.group === groups!.get(at)) numbers.get(key)!.push(values!.get(at));
    }
  }
  for (const { episodeKey, rows } of episodes) {
    const list = numbers.get(episodeKey)!;
    found.set(episodeKey, list.length === rows ? Int32Array.from(list) : new Int32Array(0));
  }
}

/** Index of a value in an ascending list, −1 if it is not there. */
export function placeIn(ascending: ArrayLike<number>, value: number): number {
  let [from, to] = [0, ascending.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (ascending[middle]! < value) from = middle + 1;
    else to = middle;
  }
  return ascending[from] === value ? from : -1;
}
