/**
 * Every label made again from the tracks, with other options or another calibration; no frame is decoded.
 * The new tables are filled beside the old ones by the same sink, so a stop of any kind is resumed, and take their place
 * at the end (`sinks/swap.ts`). Pictures are copied as they are; one that the new options need and the store
 * lacks sets its episode aside as `needs-pixels`, and the next `prep ingest` reads exactly those.
 */
import type { EpisodeName, EpisodeOutcome, LedgerEntry, Role, StepColumns, Track } from '../schemas/episode.ts';
import { PrepError } from '../schemas/errors.ts';
import { episodeFingerprint, type LabelOptions, refingerprint } from '../schemas/options.ts';
import type { IngestSummary } from '../schemas/report.ts';
import type { Flag, PrepMetadata } from '../schemas/row.ts';
import type { AnySpec } from '../schemas/spec.ts';
import type { LedgerRow } from '../sinks/arrow-rows.ts';
import { openLanceSink } from '../sinks/lance.ts';
import { type DatasetReader, openDataset as openStored } from '../sinks/read.ts';
import type { Sink } from '../sinks/sink.ts';
import { beginSwap, finishSwap, swapStore } from '../sinks/swap.ts';
import { isBuiltIn, openLayout } from '../sources/index.ts';
import { calibrate } from '../transforms/calibration.ts';
import { outsideKeepRanges } from '../transforms/flags.ts';
import { episodeFromTrack, storedCameras } from '../transforms/from-track.ts';
import { factsOf, type Labelled, labelEpisode, type Prepared } from './episode.ts';
import type { IngestControl } from './ingest.ts';
import { stepColumns } from './pixels.ts';
import { storedSpec, type Table, tableOf } from './table.ts';

export interface RelabelRequest {
  readonly store: string;
  readonly dataset: string;
  /** A user's own dataset file or mapping; without it, a built-in dataset is found by name, any other in the table's metadata. */
  readonly spec?: string | undefined;
  readonly calibration?: string | undefined;
  /** What is to change; everything else stays as the table has it. */
  labels(current: LabelOptions): LabelOptions;
}

export interface RelabelSummary {
  readonly command: 'relabel';
  readonly dataset: string;
  readonly store: string;
  readonly state: IngestSummary['state'];
  readonly kept: number;
  readonly rows: number;
  /** Episodes whose pictures or poses the store lacks; the next `prep ingest` reads them. */
  readonly toIngest: number;
  readonly changed: Readonly<Record<string, { readonly from: unknown; readonly to: unknown }>>;
  readonly seconds: number;
}

/** @throws PrepError `part-owned` while something is being written, `bad-option`, `store`. */
export async function runRelabel(request: RelabelRequest, control: IngestControl): Promise<RelabelSummary> {
  const started = performance.now();
  await finishSwap(request.store, request.dataset);
  const reader = await openStored(request.store, request.dataset);
  const spec = await specFor(request, reader.metadata);
  const table = await relabelledTable(request, reader.metadata, spec);
  const changed = changes(reader.metadata.options.labels, table.labels);
  const done = (state: RelabelSummary['state'], counts: Counts): RelabelSummary => ({
    command: 'relabel',
    dataset: request.dataset,
    store: request.store,
    ...counts,
    state,
    changed,
    seconds: (performance.now() - started) / 1000,
  });
  const none: Counts = { kept: 0, rows: 0, toIngest: 0 };
  let lock: Sink | undefined;
  try {
    if (Object.keys(changed).length === 0 && table.sideFiles === null) return done('nothing-to-do', none);
    lock = await openLock(request, reader.metadata);
    const counts = await fill({ reader, table, request, control });
    if (control.signal.aborted) return done('interrupted', counts);
    reader.close();
    await beginSwap(request.store, request.dataset);
    await lock.close({ state: 'done', summary: { relabel: changed } });
    lock = undefined;
    await finishSwap(request.store, request.dataset);
    return done('done', counts);
  } finally {
    reader.close();
    await lock?.close({ state: 'done', summary: { relabel: 'not finished' } });
    table.sideFiles?.close();
  }
}

/**
 * What the table says of its dataset is all that labels need; a dataset file knows side files besides.
 * @throws PrepError `fingerprint` where the file gives the fields another meaning than the one the tracks were made with
 */
async function specFor({ spec: file, dataset }: RelabelRequest, metadata: PrepMetadata): Promise<RelabelSpec> {
  if (file === undefined && !isBuiltIn(metadata.spec)) return storedSpec(metadata);
  const spec = await openLayout(file ?? metadata.spec, metadata.format);
  if (file === undefined) return spec;
  // A mapping that `prep ingest lerobot` used does not know the name it had there.
  if (spec.version === metadata.spec_version) return file.endsWith('.json') ? { ...spec, name: metadata.spec } : spec;
  throw new PrepError({
    code: 'fingerprint',
    at: { dataset, field: '--spec' },
    expected: `version ${metadata.spec_version}, which the table was made with`,
    found: `version ${spec.version} in ${file}`,
    remedy: 'another meaning of the fields needs the source: prep ingest with `--as NAME` or `--replace`',
  });
}

type RelabelSpec = Table['spec'] & Pick<AnySpec, 'sideFiles'>;

interface Counts {
  readonly kept: number;
  readonly rows: number;
  readonly toIngest: number;
}

/** Owning part 0/1 of the old tables keeps every ingest out until the new ones are in their place. */
function openLock(request: RelabelRequest, metadata: PrepMetadata): Promise<Sink> {
  const roles = Object.keys(metadata.roles) as Role[];
  const arms = metadata.arms.length;
  return openLanceSink({
    store: request.store,
    shape: { dataset: request.dataset, arms, roles, chunkSteps: metadata.chunk.steps, metadata },
    part: { index: 0, of: 1 },
    run: { command: 'relabel', options: { dataset: request.dataset }, versions: {} },
  });
}

async function relabelledTable(request: RelabelRequest, metadata: PrepMetadata, spec: RelabelSpec): Promise<Table> {
  const { pixels, labels: current } = metadata.options;
  if (request.calibration !== undefined && !spec.sideFiles)
    throw new PrepError({
      code: 'bad-option',
      at: { dataset: spec.name, field: '--calibration' },
      expected: 'no side files, because none are published for this layout of the dataset',
      found: request.calibration,
      remedy: 'leave --calibration out',
    });
  const sideFiles = request.calibration === undefined ? null : await spec.sideFiles!(request.calibration);
  return tableOf(spec, { name: request.dataset, pixels, labels: request.labels(current), sideFiles });
}

function changes(from: LabelOptions, to: LabelOptions): RelabelSummary['changed'] {
  const keys = Object.keys(to) as (keyof LabelOptions)[];
  return Object.fromEntries(
    keys.filter((key) => from[key] !== to[key]).map((key) => [key, { from: from[key], to: to[key] }]),
  );
}

interface Filling {
  readonly reader: DatasetReader;
  readonly table: Table;
  readonly request: RelabelRequest;
  readonly control: IngestControl;
}

/** Fills the new tables beside the old; episodes that an interrupted relabel has done are not done again. */
async function fill({ reader, table, request, control }: Filling): Promise<Counts> {
  const store = await swapStore(request.store, request.dataset, table.shape);
  const sink = await openLanceSink({
    store,
    shape: table.shape,
    part: { index: 0, of: 1 },
    run: {
      command: 'relabel',
      options: { dataset: request.dataset, labels: table.labels },
      versions: { node: process.versions.node },
    },
  });
  const started = performance.now();
  const counts = { kept: 0, rows: 0, toIngest: 0 };
  const ledger = await reader.ledger();
  try {
    for await (const { row, track } of withTracks(reader, ledger)) {
      if (control.signal.aborted) break;
      const before = sink.recorded.byEpisode(row.entry.episode);
      const outcome = before ? undefined : await relabelled(row, track, { reader, table });
      if (outcome) await sink.add(outcome);
      const state = outcome?.ledger ?? before!;
      if (state.state === 'kept') counts.kept++;
      if (state.fingerprint === STALE) counts.toIngest++;
      counts.rows += outcome ? (outcome.rows?.steps ?? 0) : before!.rows;
      control.progress({
        episodes: counts.kept + counts.toIngest,
        total: ledger.length,
        frames: counts.rows,
        kept: counts.kept,
        bytesIn: 0,
        seconds: (performance.now() - started) / 1000,
      });
    }
    await sink.close({ state: control.signal.aborted ? 'interrupted' : 'done', summary: counts });
    return counts;
  } catch (error) {
    await sink.close({ state: 'failed', summary: counts });
    throw error;
  }
}

async function* withTracks(
  reader: DatasetReader,
  ledger: readonly LedgerRow[],
): AsyncGenerator<{ row: LedgerRow; track: Track | null }> {
  for (const row of ledger) if (row.entry.state !== 'kept') yield { row, track: null };
  yield* reader.tracks(ledger.filter((row) => row.entry.state === 'kept'));
}

/** A fingerprint that no options have: `prep ingest` takes the episode for outdated and reads it again. */
export const STALE = 'stale';

async function relabelled(
  row: LedgerRow,
  track: Track | null,
  { reader, table }: Pick<Filling, 'reader' | 'table'>,
): Promise<EpisodeOutcome> {
  const { entry } = row;
  if (!track) return { ledger: asideAgain(entry, { metadata: reader.metadata, table }) };
  const prepared = labelTrack(entry, track, table);
  if ('aside' in prepared) return { ledger: prepared.aside };
  const { ledger, track: made } = prepared.kept;
  // Of an episode that is only in the index nothing but its track is made anew.
  if (row.rows === 0) return { ledger, track: made };
  const rows = await reader.episodeRows(row);
  const images = rearranged(prepared.kept, rows, reader.metadata);
  if (images === null) return { ledger: needsPixels(ledger) };
  const columns = stepColumns(prepared.kept, images, { shape: table.shape, steps: rows.step });
  return { ledger, track: made, rows: columns };
}

/** Flags that only the source's own steps can tell, whatever the options. */
const FROM_STEPS: ReadonlySet<string> = new Set<Flag>(['idle', 'base_moving', 'clock_gap']);

/** Labels of one episode from its track: with new side files its cameras are judged again, else they are as stored. */
function labelTrack(entry: LedgerEntry, track: Track, table: Table): Prepared {
  const { episode: stored, told } = episodeFromTrack(entry, track);
  const robot = table.spec.robots[entry.robot]!;
  const before = entry.flagRuns.filter(
    ({ flag }) => FROM_STEPS.has(flag) || (flag === 'outside_keep_ranges' && !table.sideFiles),
  );
  if (!table.sideFiles) {
    const prepared = labelEpisode(
      stored,
      { digest: entry.sourceDigest, place: entry.record },
      {
        table,
        cameras: storedCameras(track, entry.calibration),
        facts: { digest: '' },
        flagRuns: before,
        release: track.release,
      },
    );
    const fingerprint = refingerprint(table.shape.metadata.fingerprint, entry.fingerprint);
    return 'aside' in prepared
      ? { aside: { ...prepared.aside, fingerprint } }
      : { kept: { ...prepared.kept, ledger: { ...prepared.kept.ledger, fingerprint } } };
  }
  const facts = factsOf(table, nameOf(entry));
  const episode = { ...stored, instructions: told.length > 0 ? told : facts.instructions };
  const cameras = calibrate({ episode, robot, specs: table.spec.cameras, facts: facts.cameras });
  const flagRuns = [...before, ...outsideKeepRanges(episode.steps, facts.keepRanges)];
  return labelEpisode(
    episode,
    { digest: entry.sourceDigest, place: entry.record },
    { table, cameras, facts, flagRuns, release: track.release },
  );
}

const nameOf = ({ episode: id, sourceId, segments, length: steps }: LedgerEntry): EpisodeName => ({
  ...{ id, sourceId, segments, steps },
});

/** Without a track nothing can be said anew: what the reference or the calibration decided must be read again. */
function asideAgain(entry: LedgerEntry, { metadata, table }: { metadata: PrepMetadata; table: Table }): LedgerEntry {
  const decided = entry.reason === 'no-extrinsics' || entry.reason === 'needs-pixels';
  const other = table.labels.reference !== metadata.reference || table.sideFiles !== null;
  if ((decided && other) || entry.fingerprint === STALE) return { ...entry, fingerprint: STALE };
  const options = table.shape.metadata.fingerprint;
  const fingerprint = table.sideFiles
    ? episodeFingerprint(options, entry.sourceDigest, factsOf(table, nameOf(entry)).digest)
    : refingerprint(options, entry.fingerprint);
  return { ...entry, fingerprint };
}

function needsPixels(entry: LedgerEntry): LedgerEntry {
  const detail = 'the new options put a camera into a role whose pictures the store does not hold';
  return { ...entry, state: 'rejected', reason: 'needs-pixels', detail, flagRuns: [], fingerprint: STALE };
}

/** The stored pictures in their new roles; null if one is not there. */
function rearranged({ cast, ledger }: Labelled, rows: StepColumns, metadata: PrepMetadata) {
  const held = heldBy(rows, metadata, Object.keys(ledger.calibration));
  const order = Object.keys(metadata.roles) as Role[];
  const images: StepColumns['images'] = {};
  const hashes: Partial<Record<Role, BigInt64Array>> = {};
  for (const [role, camera] of Object.entries(cast.roles) as [Role, { name: string }][]) {
    const from = held.get(camera.name);
    if (from === undefined) return null;
    const slot = order.indexOf(from);
    Object.assign(images, { [role]: rows.images[from] });
    hashes[role] = BigInt64Array.from({ length: rows.steps }, (_, step) => rows.imageHash[step * order.length + slot]!);
  }
  return { images, hashes };
}

/** Which source camera's pictures each role of the old rows holds. */
function heldBy(rows: StepColumns, metadata: PrepMetadata, cameras: readonly string[]): Map<string, Role> {
  const held = new Map<string, Role>();
  for (const [role, names] of Object.entries(metadata.roles) as [Role, readonly string[]][]) {
    if ((rows.images[role]?.data.length ?? 0) === 0) continue;
    const able = names.filter((name) => cameras.includes(name));
    const name = role === 'third' ? rows.third : able.find((one) => one !== rows.third);
    if (name !== undefined) held.set(name, role);
  }
  return held;
}
