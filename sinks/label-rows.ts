/** Numbers of step rows, by row ids; pictures are never touched. */
import { arrow, type RecordBatch } from '../schemas/arrow.ts';
import { PrepError } from '../schemas/errors.ts';
import { attempt, type LanceTable, newest, openIfThere, type Store } from './store.ts';

/** The newest attempt that the ledger has of an episode's content. */
export interface EpisodePlace {
  readonly episode: string;
  readonly attempt: number;
  readonly kept: boolean;
  /** Steps of the episode, and how many of them have rows: only the drawn ones where a plan was ingested alone. */
  readonly length: number;
  readonly rows: number;
  readonly firstRow: bigint;
  readonly group: bigint;
  readonly robot: string;
  readonly fingerprint: string;
}

export interface Places {
  readonly byKey: ReadonlyMap<bigint, EpisodePlace>;
  /** Keys of the episodes whose newest attempt is kept, in no order. */
  readonly kept: readonly bigint[];
}

const PLACE_COLUMNS = [
  'episode',
  'episode_key',
  'attempt',
  'state',
  'length',
  'rows',
  'first_row',
  'group',
  'robot',
  'fingerprint',
];

export async function ledgerPlaces(store: Store, ledger: LanceTable): Promise<Places> {
  return attempt(store.uri, 'read the ledger', async () => {
    const byKey = new Map<bigint, EpisodePlace>();
    const latest = new Map<string, { attempt: number; key: bigint }>();
    for await (const batch of (await newest(ledger)).query().select(PLACE_COLUMNS)) {
      const of = new Map(PLACE_COLUMNS.map((name) => [name, batch.getChild(name)!]));
      const value = (name: string, at: number) => of.get(name)!.get(at);
      for (let at = 0; at < batch.numRows; at++) {
        const [key, number, episode] = [value('episode_key', at), value('attempt', at), value('episode', at)];
        if ((latest.get(episode)?.attempt ?? 0) < number) latest.set(episode, { attempt: number, key });
        if ((byKey.get(key)?.attempt ?? 0) >= number) continue;
        byKey.set(key, {
          episode,
          attempt: number,
          kept: value('state', at) === 'kept',
          length: value('length', at),
          rows: value('rows', at),
          firstRow: value('first_row', at),
          group: value('group', at),
          robot: value('robot', at),
          fingerprint: value('fingerprint', at),
        });
      }
    }
    const kept = [...latest.values()].map(({ key }) => key).filter((key) => byKey.get(key)!.kept);
    return { byKey, kept };
  });
}

/** Steps of one episode that are wanted: row `firstRow + step` for every step of the ranges. */
export interface Wanted {
  readonly episodeKey: bigint;
  readonly place: EpisodePlace;
  readonly ranges: readonly { readonly start: number; readonly end: number }[];
  /** Steps of the ranges. */
  readonly rows: number;
}

export interface LabelRows {
  readonly steps: number;
  readonly action: Float32Array;
  readonly actionValid: Int16Array;
  readonly history: Float32Array;
  readonly proprio: Float32Array;
  /** Empty unless asked for. */
  readonly camera: Float32Array;
  readonly present: Int32Array;
}

export interface LabelReader {
  /** Rows of each episode, in the order given; one read for all. Throws `store` where a row is not what the ledger says. */
  read(wanted: readonly Wanted[], withCamera: boolean): Promise<LabelRows[]>;
  close(): void;
}

/** Null where there is no such table. */
export async function openLabels(store: Store, table: string): Promise<LabelReader | null> {
  const steps = await openIfThere(store, table);
  if (!steps) return null;
  return {
    read: (wanted, withCamera) => attempt(store.uri, `read ${table}`, () => readLabels(steps, wanted, withCamera)),
    close: () => steps.close(),
  };
}

const CHECKED = ['episode_key', 'step', 'group'];
const NUMBERS = ['action', 'history', 'proprio', 'action_valid', 'present'];

async function readLabels(table: LanceTable, wanted: readonly Wanted[], withCamera: boolean): Promise<LabelRows[]> {
  const total = wanted.reduce((sum, { rows }) => sum + rows, 0);
  const ids = rowIds(wanted, total);
  const names = [...NUMBERS, ...(withCamera ? ['camera'] : [])];
  const into = new Map<string, { values: Values; width: number }>();
  const [keys, groups, steps] = [new BigInt64Array(total), new BigInt64Array(total), new Int32Array(total)];
  const place = placer(ids);
  let found = 0;
  for await (const batch of table
    .takeRowIds([...ids])
    .select([...CHECKED, ...names])
    .withRowId()) {
    const rows = batch.getChild('_rowid')!.toArray() as BigUint64Array;
    const at = Int32Array.from({ length: batch.numRows }, (_, i) => place(rows[i]!, found + i));
    found += batch.numRows;
    for (const [name, all] of [
      ['episode_key', keys],
      ['group', groups],
      ['step', steps],
    ] as const)
      scatter(flat(batch, name).values, 1, at, all);
    for (const name of names) {
      const { values, width } = flat(batch, name);
      if (!into.has(name)) into.set(name, { values: new (values.constructor as Make)(total * width), width });
      scatter(values, width, at, into.get(name)!.values);
    }
  }
  return parts(wanted, { keys, groups, steps }, into);
}

type Values = Float32Array | Int16Array | Int32Array | BigInt64Array;
type Make = new (length: number) => Values;

function rowIds(wanted: readonly Wanted[], total: number): BigInt64Array {
  const ids = new BigInt64Array(total);
  let at = 0;
  for (const { place, ranges } of wanted)
    for (const { start, end } of ranges)
      for (let step = start; step < end; step++) ids[at++] = place.firstRow + BigInt(step);
  return ids;
}

/** Row id → index in `ids`: most often the next one, since they come back sorted. */
function placer(ids: BigInt64Array): (row: bigint, guess: number) => number {
  let all: Map<bigint, number> | undefined;
  return (row, guess) => {
    if (ids[guess] === row) return guess;
    all ??= new Map(Array.from(ids, (id, i) => [id, i]));
    return all.get(row) ?? -1;
  };
}

/** The flat values of a number column or a fixed-size list of numbers, a view into the batch. */
function flat(batch: RecordBatch, name: string): { values: Values; width: number } {
  const data = batch.getChild(name)!.data[0]!;
  if (!(data.type instanceof arrow.FixedSizeList)) return { values: batch.getChild(name)!.toArray(), width: 1 };
  const width = data.type.listSize;
  // `offset` of a sliced list counts lists; the child is not sliced along.
  return { values: data.children[0]!.values.subarray(data.offset * width, (data.offset + data.length) * width), width };
}

function scatter(values: Values, width: number, at: Int32Array, into: Values): void {
  let from = 0;
  while (from < at.length) {
    let to = from + 1;
    while (to < at.length && at[to] === at[to - 1]! + 1) to++;
    if (at[from]! >= 0)
      (into as Float32Array).set(values.subarray(from * width, to * width) as Float32Array, at[from]! * width);
    from = to;
  }
}

interface Checked {
  readonly keys: BigInt64Array;
  readonly groups: BigInt64Array;
  readonly steps: Int32Array;
}

function parts(
  wanted: readonly Wanted[],
  checked: Checked,
  columns: ReadonlyMap<string, { values: Values; width: number }>,
): LabelRows[] {
  let from = 0;
  return wanted.map((one) => {
    check(one, from, checked);
    const of = (name: string) => {
      const column = columns.get(name);
      return column?.values.subarray(from * column.width, (from + one.rows) * column.width);
    };
    const rows = {
      steps: one.rows,
      action: of('action') as Float32Array,
      actionValid: of('action_valid') as Int16Array,
      history: of('history') as Float32Array,
      proprio: of('proprio') as Float32Array,
      camera: (of('camera') ?? new Float32Array(0)) as Float32Array,
      present: of('present') as Int32Array,
    };
    from += one.rows;
    return rows;
  });
}

function check({ episodeKey, place, ranges }: Wanted, from: number, { keys, groups, steps }: Checked): void {
  let at = from;
  let right = true;
  for (const { start, end } of ranges)
    for (let step = start; step < end; step++, at++)
      right &&= keys[at] === episodeKey && groups[at] === place.group && steps[at] === step;
  if (right) return;
  throw new PrepError({
    code: 'store',
    at: { episode: place.episode },
    expected: `steps of group ${place.group} from row id ${place.firstRow} on`,
    found: 'other rows',
    remedy: 'the table was changed by something else; ingest the dataset again with --replace',
  });
}
