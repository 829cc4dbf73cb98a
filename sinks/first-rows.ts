/** Learning the stable row ids that an `add` gave to its rows. */
import { PrepError } from '../schemas/errors.ts';
import type { EpisodeRows } from './arrow-rows.ts';
import type { LanceTable } from './store.ts';

/**
 * Right after its own `add` the handle stands at the version of that `add`, whose rows are the table's last, whatever others
 * append meanwhile. So the ids cost one `take` of a row per episode, independent of the table's size; every row taken is
 * compared, and null is returned if one is not what it should be.
 */
export async function firstRowsAtEnd(steps: LanceTable, group: bigint, episodes: readonly EpisodeRows[]) {
  const lengths = episodes.map((episode) => episode.rows.steps);
  const count = lengths.reduce((sum, length) => sum + length, 0);
  const start = (await steps.countRows()) - count;
  if (start < 0) return null;
  const offsets: number[] = [];
  let at = start;
  for (const length of lengths) {
    offsets.push(at);
    at += length;
  }
  const taken = await steps
    .takeOffsets([...offsets, start + count - 1])
    .select(['episode', 'step', 'group'])
    .withRowId()
    .toArray();
  // An episode of one step at the end would be asked for twice; LanceDB answers both.
  const last = taken.pop();
  const base = taken[0] && BigInt(taken[0]._rowid);
  if (taken.length !== episodes.length || BigInt(last._rowid) !== base + BigInt(count - 1)) return null;
  const right = taken.every(
    (row, index) =>
      row.episode === episodes[index]!.episode &&
      row.step === stepOf(episodes[index]!, 0) &&
      BigInt(row.group) === group &&
      BigInt(row._rowid) === base + BigInt(offsets[index]! - start),
  );
  return right ? new Map(taken.map((row) => [row.episode as string, BigInt(row._rowid)])) : null;
}

const stepOf = ({ rows }: EpisodeRows, row: number): number => rows.step?.[row] ?? row;
/** Step → row of the episode. */
const placesOf = (one: EpisodeRows): Map<number, number> =>
  new Map(Array.from({ length: one.rows.steps }, (_, row) => [stepOf(one, row), row]));

/** The slow way: a scan of the `group` column. Throws `store` when an episode's ids are not consecutive. */
export async function firstRowsByScan(steps: LanceTable, group: bigint, episodes: readonly EpisodeRows[]) {
  const ids = new Map<string, bigint[]>();
  const places = new Map(episodes.map((one) => [one.episode, placesOf(one)]));
  for (const row of await steps.query().where(`group = ${group}`).select(['episode', 'step']).withRowId().toArray()) {
    const list = ids.get(row.episode) ?? [];
    list[places.get(row.episode)?.get(row.step) ?? row.step] = BigInt(row._rowid);
    ids.set(row.episode, list);
  }
  return new Map(
    episodes.map(({ episode, rows }) => {
      // A missing step is a hole in the list, which `every` would pass over.
      const list = Array.from(ids.get(episode) ?? []);
      const consecutive = list.length === rows.steps && list.every((id, step) => id === list[0]! + BigInt(step));
      if (!consecutive)
        throw new PrepError({
          code: 'store',
          at: { episode },
          expected: `${rows.steps} consecutive row ids`,
          found: `${list.length} others`,
        });
      return [episode, list[0]!];
    }),
  );
}
