/** What a plan needs of a ledger, column by column and batch by batch: a million episodes without a million objects. */
import type { RecordBatch } from '../schemas/arrow.ts';
import type { CameraCalibration, FlagRun } from '../schemas/episode.ts';
import type { PrepMetadata } from '../schemas/row.ts';
import { scan } from './scan.ts';
import { datasetTables, type LanceTable, openIfThere, type Store } from './store.ts';
import { storedMetadata } from './tables.ts';

/** A kept episode as plans see it. */
export interface PlannableEpisode {
  readonly episode: string;
  readonly episodeKey: bigint;
  readonly steps: number;
  readonly robot: string;
  readonly hz: number;
  readonly instructions: readonly string[];
  readonly split: string;
  readonly success: boolean | null;
  readonly flagRuns: readonly FlagRun[];
  /** Parsed once per distinct text. */
  readonly calibration: Readonly<Record<string, CameraCalibration>>;
}

const COLUMNS = [
  'episode',
  'episode_key',
  'length',
  'robot',
  'hz',
  'instructions',
  'split',
  'success',
  'state',
  'flag_runs',
  'calibration',
  'attempt',
];

export interface PlanningReader {
  readonly metadata: PrepMetadata;
  /** The newest attempt of every kept episode, in table order, batch by batch. */
  episodes(): AsyncGenerator<readonly PlannableEpisode[]>;
  /** Seconds of every step, for clocks that are not even. */
  times(): AsyncGenerator<{ readonly episodeKey: bigint; readonly time: Float64Array }>;
  close(): void;
}

/** Null where the store has no such dataset. */
export async function openPlanning(store: Store, dataset: string): Promise<PlanningReader | null> {
  const names = datasetTables(dataset);
  const [steps, ledger, tracks] = [
    await openIfThere(store, names.steps),
    await openIfThere(store, names.ledger),
    await openIfThere(store, names.tracks),
  ];
  if (!steps || !ledger || !tracks) return null;
  return {
    metadata: storedMetadata(await steps.schema()),
    episodes: () => keptEpisodes(ledger),
    times: () => trackTimes(tracks),
    close: () => [steps, ledger, tracks].forEach((table) => void table.close()),
  };
}

async function* keptEpisodes(ledger: LanceTable): AsyncGenerator<readonly PlannableEpisode[]> {
  const newest = await newestAttempts(ledger);
  const parsed = new Map<string, PlannableEpisode['calibration']>();
  const names = new Map<string, string>();
  const once = (text: string): string => {
    const known = names.get(text);
    if (known !== undefined) return known;
    names.set(text, text);
    return text;
  };
  const calibrationOf = (text: string): PlannableEpisode['calibration'] => {
    const known = parsed.get(text);
    if (known) return known;
    if (parsed.size > MOST_PARSED) parsed.clear();
    const read = JSON.parse(text) as PlannableEpisode['calibration'];
    parsed.set(text, read);
    return read;
  };
  for await (const batch of scan(ledger.query().select(COLUMNS), LEDGER_ROWS)) {
    const of = columnReader(batch);
    const [episode, state, calibration] = [of('episode'), of('state'), of('calibration')];
    const [robot, split, success] = [of('robot'), of('split'), of('success')];
    const [instructions, flagRuns] = [of('instructions'), of('flag_runs')];
    const [keys, lengths] = [of('episode_key').toArray() as BigInt64Array, of('length').toArray() as Int32Array];
    const [hz, attempts] = [of('hz').toArray() as Float64Array, of('attempt').toArray() as Int32Array];
    const kept: PlannableEpisode[] = [];
    for (let at = 0; at < batch.numRows; at++) {
      if (state.get(at) !== 'kept') continue;
      const id = episode.get(at) as string;
      if (newest.size > 0 && (newest.get(id) ?? attempts[at]) !== attempts[at]) continue;
      kept.push({
        episode: id,
        episodeKey: keys[at]!,
        steps: lengths[at]!,
        robot: once(robot.get(at)),
        hz: hz[at]!,
        instructions: Array.from(instructions.get(at) as Iterable<string>, once),
        split: once(split.get(at)),
        success: success.get(at),
        flagRuns: Array.from(flagRuns.get(at) as Iterable<FlagRun>, runOf),
        calibration: calibrationOf(calibration.get(at)),
      });
    }
    yield kept;
  }
}

const runOf = ({ flag, start, end }: FlagRun): FlagRun => ({ flag, start, end });

/** Rows of a ledger at once: texts and lists make them wide. */
const LEDGER_ROWS = 2 ** 14;

/** Calibration texts with measures are one per episode: keeping all would be a second ledger in memory. */
const MOST_PARSED = 10_000;

const columnReader = (batch: RecordBatch) => {
  const columns = new Map(batch.schema.fields.map((field, i) => [field.name, batch.getChildAt(i)!]));
  return (name: string) => columns.get(name)!;
};

/** Episodes with more than one attempt → the newest; those with one are not listed. */
export async function newestAttempts(ledger: LanceTable): Promise<Map<string, number>> {
  const newest = new Map<string, number>();
  for await (const batch of scan(ledger.query().where('attempt > 1').select(['episode', 'attempt']))) {
    const of = columnReader(batch);
    for (let at = 0; at < batch.numRows; at++) {
      const [episode, attempt] = [of('episode').get(at) as string, of('attempt').get(at) as number];
      if (attempt > (newest.get(episode) ?? -1)) newest.set(episode, attempt);
    }
  }
  return newest;
}

async function* trackTimes(tracks: LanceTable) {
  for await (const batch of tracks.query().select(['episode_key', 'time'])) {
    const of = columnReader(batch);
    for (let at = 0; at < batch.numRows; at++)
      yield {
        episodeKey: of('episode_key').get(at) as bigint,
        time: Float64Array.from(of('time').get(at).toArray() as Iterable<number>),
      };
  }
}
