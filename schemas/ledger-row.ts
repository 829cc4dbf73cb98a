/** Arrow schemas of the tables beside the step rows: ledger, tracks, part log, runs. Names and types are fixed (row version 1). */
import { arrow, type DataType, type Field, type Schema } from './arrow.ts';

/** Field metadata that makes a column the table's primary key, on which concurrent insert-only merges exclude each other. */
const PRIMARY_KEY = new Map([['lance-schema:unenforced-primary-key', 'true']]);

const required = (name: string, type: DataType): Field => new arrow.Field(name, type, false);
const nullable = (name: string, type: DataType): Field => new arrow.Field(name, type, true);
/** A text column on which insert-only merges exclude each other. */
export const primaryKey = (name: string): Field => new arrow.Field(name, new arrow.Utf8(), false, PRIMARY_KEY);
const key = primaryKey;
const text = (name: string): Field => required(name, new arrow.Utf8());
const list = (name: string, type: DataType): Field => required(name, new arrow.List(required('item', type)));

/** Separator of `<episode>\0<attempt>`; no published episode id holds it. */
export const commitKey = (episode: string, attempt: number): string => `${episode}\0${attempt}`;

/**
 * `<dataset>_episodes`, one row per source episode and attempt; the highest attempt wins. `flag_runs` starts with the
 * flag's bit so that a reader who takes the first flag-like member gets an integer mask; every `end` is exclusive.
 */
export function ledgerSchema(): Schema {
  const { Bool, Float64, Int32, Int64, Struct, Utf8 } = arrow;
  const int = new Int32();
  return new arrow.Schema([
    text('episode'),
    required('episode_key', new Int64()),
    text('source_id'),
    text('shard'),
    text('record'),
    required('length', int),
    required('rows', int),
    required('first_row', new Int64()),
    required('group', new Int64()),
    text('robot'),
    required('hz', new Float64()),
    list('instructions', new Utf8()),
    list('segments', new Struct([required('start', int), required('end', int), text('text')])),
    text('split'),
    nullable('success', new Bool()),
    text('state'),
    text('reason'),
    text('detail'),
    list('flag_runs', new Struct([required('bits', int), text('flag'), required('start', int), required('end', int)])),
    text('calibration'),
    text('source_digest'),
    text('fingerprint'),
    text('run'),
    required('attempt', int),
    key('commit_key'),
  ]);
}

/** `<dataset>_tracks`, one row per kept episode and group: poses (metres, quaternions wxyz) and openness, float64. */
export function trackSchema(): Schema {
  const { Float64, Int32, Int64, Struct } = arrow;
  const number = new Float64();
  return new arrow.Schema([
    text('episode'),
    required('episode_key', new Int64()),
    required('group', new Int64()),
    list('time', number),
    list('base_from_ee', number),
    list('openness_measured', number),
    list('openness_commanded', number),
    list(
      'cameras',
      new Struct([
        text('name'),
        required('width', new Int32()),
        required('height', new Int32()),
        list('k', number),
        list('base_from_cam', number),
      ]),
    ),
    text('release'),
  ]);
}

/**
 * `parts`: the log of every part, appended by compare-and-swap on `key` = `<dataset>/<part>of<of>#<seq>`. Events: `own`
 * (a process takes the part), `commit` (a group is durable; `payload` is its ledger rows, gzipped Arrow IPC), `end`
 * (`payload` is the run's summary, JSON). Whoever was overtaken finds its next `seq` taken and must stop.
 */
export function partSchema(): Schema {
  const { Binary, Float64, Int32, Int64 } = arrow;
  return new arrow.Schema([
    key('key'),
    text('dataset'),
    required('part', new Int32()),
    required('of', new Int32()),
    required('seq', new Int32()),
    text('event'),
    text('run'),
    required('group', new Int64()),
    required('time_ms', new Float64()),
    text('host'),
    required('pid', new Int32()),
    text('process_start'),
    text('state'),
    required('payload', new Binary()),
  ]);
}

/** `runs`: one row per opened sink (lineage); its end is the `end` event of the same run in `parts`. */
export function runSchema(): Schema {
  const { Float64, Int32, Int64 } = arrow;
  return new arrow.Schema([
    key('run'),
    required('number', new Int64()),
    text('dataset'),
    required('part', new Int32()),
    required('of', new Int32()),
    text('command'),
    text('options'),
    text('versions'),
    required('started_ms', new Float64()),
  ]);
}
