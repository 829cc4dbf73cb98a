/** Episodes → Arrow tables of the three tables of a dataset. */
import { arrow, type Schema, type Table } from '../schemas/arrow.ts';
import type { LedgerEntry, StepColumns, Track } from '../schemas/episode.ts';
import { PrepError } from '../schemas/errors.ts';
import { commitKey, ledgerSchema, trackSchema } from '../schemas/ledger-row.ts';
import { FLAGS, type Flag, flagBit, stepSchema, type TableShape } from '../schemas/row.ts';
import * as column from './columns.ts';

/** A ledger entry with what the sink knows of it. `firstRow` is a stable row id, -1 without rows. */
export interface LedgerRow {
  readonly entry: LedgerEntry;
  readonly rows: number;
  readonly firstRow: bigint;
  readonly group: bigint;
  readonly run: string;
  readonly attempt: number;
}

export interface EpisodeRows {
  readonly episode: string;
  readonly episodeKey: bigint;
  readonly rows: StepColumns;
}

/** Step rows of several episodes as one table, one record batch per episode. Throws `field-shape` if a column is short. */
export function stepTable(shape: TableShape, group: bigint, episodes: readonly EpisodeRows[]): Table {
  const schema = stepSchema(shape);
  return column.tableOf(
    schema,
    episodes.map((episode) => stepColumns(schema, shape, group, episode)),
  );
}

function stepColumns(schema: Schema, shape: TableShape, group: bigint, episode: EpisodeRows): column.Column[] {
  const { rows } = episode;
  const count = rows.steps;
  const fixed = (name: string, child: column.Column) => {
    const type = column.fieldOf(schema, name).type as ReturnType<typeof import('../schemas/row.ts').fixedList>;
    expectLength(episode, name, child.length, count * type.listSize);
    return column.fixedLists(type, count, child);
  };
  if (rows.step) expectLength(episode, 'step', rows.step.length, count);
  for (const name of ['time', 'instruction', 'actionValid', 'present', 'flags'] as const)
    expectLength(episode, name, rows[name].length, count);
  return [
    column.sameText(episode.episode, count),
    column.int32s(rows.step ?? Int32Array.from({ length: count }, (_, step) => step)),
    column.int64s(new BigInt64Array(count).fill(episode.episodeKey)),
    column.int64s(new BigInt64Array(count).fill(group)),
    column.float64s(rows.time),
    column.sameText(rows.robot, count),
    column.sameText(rows.third, count),
    column.texts(rows.instruction),
    ...shape.roles.map((role) => imageColumn(episode, rows.images[role], role)),
    fixed('action', column.float32s(rows.action)),
    column.int16s(rows.actionValid),
    fixed('history', column.float32s(rows.history)),
    fixed('proprio', column.float32s(rows.proprio)),
    fixed('camera', column.float32s(rows.camera)),
    fixed('image_hash', column.int64s(rows.imageHash)),
    column.int32s(rows.present),
    column.int32s(rows.flags),
  ];
}

/** A role that the episode lacks is zero bytes in every row. */
function imageColumn(episode: EpisodeRows, jpegs: StepColumns['images']['third'], role: string): column.Column {
  const count = episode.rows.steps;
  if (!jpegs) return column.binaries(new Uint8Array(0), new Int32Array(count + 1));
  expectLength(episode, `image_${role}`, jpegs.offsets.length - 1, count);
  return column.binaries(jpegs.data, jpegs.offsets);
}

function expectLength(episode: EpisodeRows, field: string, found: number, expected: number): void {
  if (found === expected) return;
  throw new PrepError({
    code: 'field-shape',
    at: { episode: episode.episode, field },
    expected: `${expected} values for ${episode.rows.steps} steps`,
    found: String(found),
  });
}

export interface EpisodeTrack {
  readonly episode: string;
  readonly episodeKey: bigint;
  readonly track: Track;
}

export function trackTable(group: bigint, episodes: readonly EpisodeTrack[]): Table {
  const schema = trackSchema();
  const tracks = episodes.map((episode) => episode.track);
  const numbers = (name: string, rows: readonly Float64Array[]) =>
    column.numberLists(column.fieldOf(schema, name).type, rows);
  return column.tableOf(schema, [
    [
      column.texts(episodes.map((episode) => episode.episode)),
      column.int64s(episodes.map((episode) => episode.episodeKey)),
      column.int64s(episodes.map(() => group)),
      numbers(
        'time',
        tracks.map((track) => track.time),
      ),
      numbers(
        'base_from_ee',
        tracks.map((track) => track.baseFromEe),
      ),
      numbers(
        'openness_measured',
        tracks.map((track) => track.opennessMeasured),
      ),
      numbers(
        'openness_commanded',
        tracks.map((track) => track.opennessCommanded),
      ),
      cameraColumn(schema, tracks),
      column.texts(tracks.map((track) => track.release)),
    ],
  ]);
}

function cameraColumn(schema: Schema, tracks: readonly Track[]): column.Column {
  const cameras = tracks.flatMap((track) => track.cameras);
  const type = column.itemType(schema, 'cameras');
  const memberType = (name: string) => column.memberOf(type, name).type;
  const items = column.structs(type, cameras.length, [
    column.texts(cameras.map((camera) => camera.name)),
    column.int32s(cameras.map((camera) => camera.width)),
    column.int32s(cameras.map((camera) => camera.height)),
    column.numberLists(
      memberType('k'),
      cameras.map((camera) => camera.k),
    ),
    column.numberLists(
      memberType('base_from_cam'),
      cameras.map((camera) => camera.baseFromCam),
    ),
  ]);
  return column.lists(
    column.fieldOf(schema, 'cameras').type,
    tracks.map((track) => track.cameras.length),
    items,
  );
}

/**
 * Ledger rows in schema order. A batch whose `success` is null throughout goes without that column (Lance fills in null):
 * arrow 18.1 writes an empty value buffer for it, which Lance refuses ("Need at least 1 bytes for bitmap").
 */
export function ledgerTable(rows: readonly LedgerRow[]): Table {
  const full = ledgerSchema();
  const columns = ledgerColumns(full, rows);
  if (rows.some((row) => row.entry.success !== null)) return column.tableOf(full, [columns]);
  const kept = full.fields.map((field) => field.name !== 'success');
  const fields = full.fields.filter((_, index) => kept[index]);
  return column.tableOf(new arrow.Schema(fields), [columns.filter((_, index) => kept[index])]);
}

function ledgerColumns(schema: Schema, rows: readonly LedgerRow[]): column.Column[] {
  const entries = rows.map((row) => row.entry);
  const each = (pick: (entry: LedgerEntry) => string) => column.texts(entries.map(pick));
  return [
    each((entry) => entry.episode),
    column.int64s(entries.map((entry) => entry.episodeKey)),
    each((entry) => entry.sourceId),
    each((entry) => entry.shard),
    each((entry) => recordJson(entry)),
    column.int32s(entries.map((entry) => entry.length)),
    column.int32s(rows.map((row) => row.rows)),
    column.int64s(rows.map((row) => row.firstRow)),
    column.int64s(rows.map((row) => row.group)),
    each((entry) => entry.robot),
    column.float64s(entries.map((entry) => entry.hz)),
    instructionColumn(schema, entries),
    segmentColumn(schema, entries),
    each((entry) => entry.split),
    column.booleans(entries.map((entry) => entry.success)),
    each((entry) => entry.state),
    each((entry) => entry.reason),
    each((entry) => entry.detail),
    flagColumn(schema, entries),
    each((entry) => JSON.stringify(entry.calibration)),
    each((entry) => entry.sourceDigest),
    each((entry) => entry.fingerprint),
    column.texts(rows.map((row) => row.run)),
    column.int32s(rows.map((row) => row.attempt)),
    column.texts(rows.map((row) => commitKey(row.entry.episode, row.attempt))),
  ];
}

function recordJson(entry: LedgerEntry): string {
  const { split, record, offset, length, reading } = entry.record;
  return JSON.stringify({ split, record, offset, length, ...(reading ? { reading } : {}) });
}

function instructionColumn(schema: Schema, entries: readonly LedgerEntry[]): column.Column {
  return column.lists(
    column.fieldOf(schema, 'instructions').type,
    entries.map((entry) => entry.instructions.length),
    column.texts(entries.flatMap((entry) => entry.instructions)),
  );
}

function segmentColumn(schema: Schema, entries: readonly LedgerEntry[]): column.Column {
  const segments = entries.flatMap((entry) => entry.segments);
  const items = column.structs(column.itemType(schema, 'segments'), segments.length, [
    column.int32s(segments.map((segment) => segment.start)),
    column.int32s(segments.map((segment) => segment.end)),
    column.texts(segments.map((segment) => segment.text)),
  ]);
  return column.lists(
    column.fieldOf(schema, 'segments').type,
    entries.map((entry) => entry.segments.length),
    items,
  );
}

function flagColumn(schema: Schema, entries: readonly LedgerEntry[]): column.Column {
  const runs = entries.flatMap((entry) => entry.flagRuns);
  const items = column.structs(column.itemType(schema, 'flag_runs'), runs.length, [
    column.int32s(runs.map((run) => knownFlagBit(run.flag))),
    column.texts(runs.map((run) => run.flag)),
    column.int32s(runs.map((run) => run.start)),
    column.int32s(runs.map((run) => run.end)),
  ]);
  return column.lists(
    column.fieldOf(schema, 'flag_runs').type,
    entries.map((entry) => entry.flagRuns.length),
    items,
  );
}

function knownFlagBit(flag: string): number {
  if ((FLAGS as readonly string[]).includes(flag)) return flagBit(flag as Flag);
  throw new PrepError({ code: 'bad-value', at: { field: 'flag_runs' }, expected: FLAGS.join(', '), found: flag });
}
