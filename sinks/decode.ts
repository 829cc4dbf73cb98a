/** Arrow batches → the values they were made from. */
import { arrow, type RecordBatch, type Vector } from '../schemas/arrow.ts';
import { type JpegColumn, ROLES, type Role, type StepColumns, type Track } from '../schemas/episode.ts';
import type { LedgerRow } from './arrow-rows.ts';

const child = (batch: RecordBatch, name: string): Vector => {
  const vector = batch.getChild(name);
  if (!vector) throw new TypeError(`batch has no column ${name}`);
  return vector;
};

/** All ledger rows of a batch. */
export function ledgerRows(batch: RecordBatch): LedgerRow[] {
  const of = (name: string) => child(batch, name);
  return Array.from({ length: batch.numRows }, (_, at): LedgerRow => {
    const record = JSON.parse(of('record').get(at));
    return {
      rows: of('rows').get(at),
      firstRow: of('first_row').get(at),
      group: of('group').get(at),
      run: of('run').get(at),
      attempt: of('attempt').get(at),
      entry: {
        episode: of('episode').get(at),
        episodeKey: of('episode_key').get(at),
        sourceId: of('source_id').get(at),
        shard: of('shard').get(at),
        record: { ...record, shard: of('shard').get(at) },
        length: of('length').get(at),
        robot: of('robot').get(at),
        hz: of('hz').get(at),
        instructions: [...of('instructions').get(at)],
        segments: objects(of('segments').get(at), ['start', 'end', 'text']),
        split: of('split').get(at),
        success: of('success').get(at),
        state: of('state').get(at),
        reason: of('reason').get(at),
        detail: of('detail').get(at),
        flagRuns: objects(of('flag_runs').get(at), ['flag', 'start', 'end']),
        calibration: JSON.parse(of('calibration').get(at)),
        sourceDigest: of('source_digest').get(at),
        fingerprint: of('fingerprint').get(at),
      },
    };
  });
}

function objects<T>(vector: Vector, members: readonly (keyof T & string)[]): T[] {
  return [...vector].map((row) => Object.fromEntries(members.map((name) => [name, row[name]])) as T);
}

const numbers = (vector: Vector): Float64Array => Float64Array.from(vector.toArray());

/** The track in row `at`. */
export function trackAt(batch: RecordBatch, at: number): Track {
  const list = (name: string) => numbers(child(batch, name).get(at));
  return {
    time: list('time'),
    baseFromEe: list('base_from_ee'),
    opennessMeasured: list('openness_measured'),
    opennessCommanded: list('openness_commanded'),
    cameras: [...child(batch, 'cameras').get(at)].map((camera) => ({
      name: camera.name,
      width: camera.width,
      height: camera.height,
      k: [...numbers(camera.k)],
      baseFromCam: numbers(camera.base_from_cam),
    })),
    release: child(batch, 'release').get(at),
  };
}

/** Step rows of one episode, in step order, copied out of their batches. */
export function stepColumnsOf(batches: readonly RecordBatch[]): StepColumns {
  const first = batches[0]!;
  const roles = ROLES.filter((role) => first.schema.fields.some((field) => field.name === `image_${role}`));
  const values = (name: string) => batches.map((batch) => plainValues(child(batch, name)));
  const images = Object.fromEntries(roles.map((role) => [role, pictures(batches, role)]));
  return {
    steps: batches.reduce((sum, batch) => sum + batch.numRows, 0),
    robot: child(first, 'robot').get(0),
    third: child(first, 'third').get(0),
    instruction: batches.flatMap((batch) => [...child(batch, 'instruction')]),
    time: Float64Array.from(joined(values('time'))),
    images: images as StepColumns['images'],
    action: Float32Array.from(joined(values('action'))),
    actionValid: Int16Array.from(joined(values('action_valid'))),
    history: Float32Array.from(joined(values('history'))),
    proprio: Float32Array.from(joined(values('proprio'))),
    camera: Float32Array.from(joined(values('camera'))),
    imageHash: BigInt64Array.from(joined(values('image_hash'))),
    present: Int32Array.from(joined(values('present'))),
    flags: Int32Array.from(joined(values('flags'))),
  };
}

function* joined<T>(parts: readonly Iterable<T>[]): Generator<T> {
  for (const part of parts) yield* part;
}

/** The flat values of a number column or a fixed-size list of numbers, a view into the batch. */
function plainValues<T>(vector: Vector): Iterable<T> {
  const data = vector.data[0]!;
  if (!(data.type instanceof arrow.FixedSizeList)) return vector.toArray();
  const width = data.type.listSize;
  const values = data.children[0]!.values;
  // `offset` of a sliced list counts lists; the child is not sliced along.
  const from = data.offset * width;
  return values.subarray(from, from + data.length * width);
}

function pictures(batches: readonly RecordBatch[], role: Role): JpegColumn {
  const all = batches.flatMap((batch) => [...child(batch, `image_${role}`)] as Uint8Array[]);
  const offsets = new Int32Array(all.length + 1);
  for (const [row, bytes] of all.entries()) offsets[row + 1] = offsets[row]! + bytes.length;
  const data = new Uint8Array(offsets[all.length]!);
  for (const [row, bytes] of all.entries()) data.set(bytes, offsets[row]!);
  return { data, offsets };
}
