/** `prep export`: rows in order become files of another format, unit by unit; what is finished is never made again. */
import { createHash, type Hash } from 'node:crypto';
import type { MixedRows } from '../../schemas/mixed-row.ts';
import { type DoneUnit, type ExportFolder, type Manifest, openExportFolder } from '../../sinks/export/folder.ts';
import type { CreateFile, ExportFormat, ExportSet, ExportUnit } from '../../sinks/export/format.ts';
import { lerobot } from '../../sinks/export/lerobot/lerobot.ts';
import { mds } from '../../sinks/export/mds.ts';
import { webdataset } from '../../sinks/export/webdataset.ts';
import { connectStore, type Store } from '../../sinks/store.ts';
import { datasetExport, type ExportRows, planExport, stretches } from './rows.ts';

export const EXPORT_FORMATS = { lerobot, webdataset, mds } as const satisfies Record<
  string,
  (set: ExportSet, create: CreateFile) => ExportFormat
>;

export interface ExportRequest {
  readonly store: string;
  /** A plan's draws, or a dataset's kept episodes. */
  readonly of: { readonly plan: string } | { readonly dataset: string };
  readonly format: keyof typeof EXPORT_FORMATS;
  /** A local folder. */
  readonly out: string;
  /** Draws, or kept episodes by the order of their ids. */
  readonly range: readonly [number, number] | null;
  /** Rows per file; files of a dataset end with an episode. */
  readonly shardSize: number;
}

export interface ExportReport {
  readonly format: string;
  readonly out: string;
  readonly rows: number;
  readonly episodes: number;
  /** Files of rows. */
  readonly shards: number;
  readonly made: number;
  readonly there: number;
  /** Rows with NaN in their proprioception, for which `present` must be asked. */
  readonly unknown: number;
  /** Of the whole export, files about it included; of what there is so far if interrupted. */
  readonly bytes: number;
  readonly seconds: number;
  readonly state: 'done' | 'nothing-to-do' | 'interrupted';
}

export interface ExportControl {
  readonly signal: AbortSignal;
  progress(rows: number, total: number): void;
}

/** Raise when the same rows would become other bytes. */
const EXPORT_VERSION = 1;
export const EXPORT_ROWS = 4096;
/** Rows held at once, twice: what is written while the next are read. 128 rows with four pictures are some 10 MB. */
const CHUNK_ROWS = 128;

/** @throws PrepError `unknown-plan`, `unknown-dataset`, `bad-option`, `stale-shard`, `store` */
export async function exportRows(request: ExportRequest, control: ExportControl): Promise<ExportReport> {
  const started = performance.now();
  const store = await connectStore(request.store);
  let source: ExportRows | null = null;
  try {
    source = await openRows(store, request);
    const { format, shardSize } = request;
    const folder = await openExportFolder(request.out, {
      version: EXPORT_VERSION,
      format,
      shardSize,
      ...source.source,
    });
    const { set, units } = source;
    const made: Made = folder.manifest
      ? { ...folder.manifest, made: 0 }
      : await makeAll(source, folder, request, control);
    const whole = made.units.length === units.length;
    return {
      format,
      out: folder.path,
      rows: set.rows,
      episodes: set.episodes,
      shards: units.length,
      made: made.made,
      there: made.units.length - made.made,
      unknown: made.units.reduce((sum, { unknown }) => sum + unknown, 0),
      bytes: [...made.units.flatMap(({ files }) => files), ...made.index].reduce((sum, { bytes }) => sum + bytes, 0),
      seconds: (performance.now() - started) / 1000,
      state: folder.manifest ? 'nothing-to-do' : whole ? 'done' : 'interrupted',
    };
  } finally {
    source?.close();
    store.connection.close();
  }
}

function openRows(store: Store, { of, range, shardSize }: ExportRequest): Promise<ExportRows> {
  return 'plan' in of
    ? planExport(store, of.plan, { range, shardSize })
    : datasetExport(store, of.dataset, { range, shardSize });
}

/** What there is of an export. */
interface Made extends Pick<Manifest, 'units' | 'index'> {
  /** Units of this run. */
  readonly made: number;
}

async function makeAll(
  source: ExportRows,
  folder: ExportFolder,
  { format: name }: ExportRequest,
  control: ExportControl,
): Promise<Made> {
  const { set, units } = source;
  const format: ExportFormat = EXPORT_FORMATS[name](set, folder.create);
  const finished: Omit<DoneUnit, 'facts'>[] = [];
  let made = 0;
  for (const unit of units) {
    let done = await folder.done(unit);
    if (!done) {
      if (control.signal.aborted) break;
      done = await makeUnit(format, source, unit, control);
      if (!done) break;
      await folder.publish(unit, done);
      made++;
    }
    format.learn(unit, done);
    const { facts: _, ...kept } = done;
    finished.push(kept);
    control.progress(unit.end, set.rows);
  }
  if (finished.length < units.length) return { units: finished, index: [], made };
  const { index } = await folder.finish({ metadata: set.metadata, units: finished }, await format.index());
  return { units: finished, index, made };
}

/** Null: interrupted, and nothing of the unit stays. */
async function makeUnit(
  format: ExportFormat,
  source: ExportRows,
  unit: ExportUnit,
  { signal, progress }: ExportControl,
): Promise<DoneUnit | null> {
  const writer = await format.open(unit);
  const order = createHash('sha256');
  let unknown = 0;
  try {
    for await (const part of parts(source, unit)) {
      if (signal.aborted) {
        await writer.discard();
        return null;
      }
      await writer.add(part);
      hashOrder(order, part.rows);
      unknown += unknownRows(part.rows);
      progress(part.start + part.rows.count, source.set.rows);
    }
    return { start: unit.start, end: unit.end, orderHash: order.digest('hex'), unknown, ...(await writer.close()) };
  } catch (error) {
    await writer.discard();
    throw error;
  }
}

/** Rows of a unit, never of two episodes at once; the next are being read while these are written. */
async function* parts({ rows }: ExportRows, { episodes }: ExportUnit) {
  const places = episodes.flatMap((episode) =>
    stretches(episode.start, episode.end, CHUNK_ROWS).map(([start, end]) => ({ episode, start, end })),
  );
  const read = (place: number): Promise<MixedRows> | null => {
    const next = places[place];
    if (!next) return null;
    const reading = rows(next.start, next.end);
    // Whoever awaits it hears of a fault; until then it must not end the process.
    reading.catch(() => undefined);
    return reading;
  };
  let next = read(0);
  for (const [i, { episode, start }] of places.entries()) {
    const found = await next!;
    next = read(i + 1);
    yield { rows: found, start, episode };
  }
}

function unknownRows({ count, proprio }: MixedRows): number {
  const width = proprio.length / count;
  let found = 0;
  for (let i = 0; i < count; i++) if (proprio.subarray(i * width, (i + 1) * width).some(Number.isNaN)) found++;
  return found;
}

function hashOrder(hash: Hash, { count, episodeKey, step }: MixedRows): void {
  const bytes = Buffer.alloc(12 * count);
  for (let i = 0; i < count; i++) {
    bytes.writeBigInt64LE(episodeKey[i]!, 12 * i);
    bytes.writeInt32LE(step[i]!, 12 * i + 8);
  }
  hash.update(bytes);
}
