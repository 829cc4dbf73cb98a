/**
 * One record → what becomes of it, before any pixel is decoded: kept with its labels, or set aside with the reason.
 * Everything here is synchronous and whole-episode.
 */
import type { Camera, Episode, EpisodeFacts, EpisodeName, FlagRun, LedgerEntry, Track } from '../schemas/episode.ts';
import { type Code, PrepError, placeText } from '../schemas/errors.ts';
import { episodeFingerprint, episodeKey } from '../schemas/options.ts';
import type { SourceRecord } from '../schemas/records.ts';
import type { EpisodeIdentity, SourceCamera } from '../schemas/source.ts';
import type { AnySpec, Meaning, RobotSpec } from '../schemas/spec.ts';
import type { Found } from '../sources/container.ts';
import { calibrate } from '../transforms/calibration.ts';
import { type LabelColumns, labelColumns, trackOf } from '../transforms/columns.ts';
import { clockGaps, idleRuns, outsideKeepRanges, wholeEpisode } from '../transforms/flags.ts';
import { releaseText } from '../transforms/from-track.ts';
import { checkFrame } from '../transforms/jpeg-header.ts';
import { type Cast, castRoles, chooseReference, isRejection } from '../transforms/roles.ts';
import { soundEpisode } from '../transforms/sound.ts';
import type { Table } from './table.ts';

/** A kept episode up to its pixels. */
export interface Labelled {
  readonly episode: Episode;
  readonly cast: Cast;
  readonly columns: LabelColumns;
  readonly track: Track;
  readonly ledger: LedgerEntry;
}
export type Prepared = { readonly aside: LedgerEntry } | { readonly kept: Labelled };

/** Decides about ids that the episode alone cannot know: listed in `--exclude`, seen before. */
export interface Registry {
  excluded(identity: EpisodeIdentity): string | undefined;
  /** The id to use (another record may hold the same one). */
  uniqueId(id: string, found: Found): { id: string; clash: string | undefined };
  /** Episode id of an earlier record with the same bytes that is kept. */
  duplicateOf(found: Found): string | undefined;
}

/** Sound data that cannot be used; whatever else goes wrong with an episode is damage. */
const REJECTIONS: ReadonlySet<Code> = new Set(['no-openness', 'no-pose', 'no-extrinsics', 'excluded']);

/** @param open gives a record of the format that `spec` declares. */
export function prepareEpisode(
  open: () => SourceRecord,
  found: Found,
  context: { table: Table; spec: AnySpec; registry: Registry },
): Prepared {
  const { table, registry } = context;
  // The container was opened by the spec's own format, so its records are of that format.
  const spec = context.spec as Meaning<SourceRecord>;
  let identity = unknownIdentity(spec, found);
  let length = 0;
  const aside = (state: 'rejected' | 'quarantined', code: Code, detail: string) => ({
    aside: { ...ledgerEntry(identity, found, { table, length }), state, reason: code, detail },
  });
  try {
    const record = open();
    identity = spec.identity(record, found.within);
    const named = registry.uniqueId(identity.id, found);
    identity = { ...identity, id: named.id };
    const why = registry.excluded(identity);
    if (record.format !== 'files') length = record.steps;
    if (why !== undefined) return aside('rejected', 'excluded', why);
    const facts = factsOf(table, { ...identity, steps: length });
    const told = identity.instructions;
    if (identity.instructions.length === 0) identity = { ...identity, instructions: facts.instructions };
    const data = spec.data(record);
    length = data.steps;
    const robot = table.spec.robots[identity.robot]!;
    const episode = soundEpisode(identity, data, { kind: spec.clock, hz: robot.hz });
    for (const camera of episode.cameras) checkFrames(camera);
    if (named.clash !== undefined) {
      const same = registry.duplicateOf(found) !== undefined;
      return aside(
        same ? 'rejected' : 'quarantined',
        same ? 'duplicate' : 'duplicate-id',
        `the id is that of ${named.clash}`,
      );
    }
    const cameras = calibrate({ episode, robot, specs: table.spec.cameras, facts: facts.cameras });
    const carried = cameras.find(({ calibration }) => calibration.reason === 'camera-on-hand');
    if (carried) return aside('quarantined', 'camera-on-hand', `${carried.name}: ${carried.calibration.detail}`);
    const release = releaseText(episode, told);
    const flagRuns = [
      ...(episode.flagRuns ?? []),
      ...idleRuns(episode),
      ...(spec.clock === 'timestamps' ? clockGaps(episode) : []),
      ...outsideKeepRanges(episode.steps, facts.keepRanges),
    ];
    const labelled = labelEpisode(episode, found, { table, cameras, facts, flagRuns, release });
    if ('aside' in labelled) return labelled;
    const twin = registry.duplicateOf(found);
    if (twin !== undefined) return aside('rejected', 'duplicate', `the same bytes as ${twin}`);
    return labelled;
  } catch (error) {
    if (!(error instanceof PrepError)) throw error;
    return aside(REJECTIONS.has(error.code) ? 'rejected' : 'quarantined', error.code, detailOf(error));
  }
}

export interface Evidence {
  readonly table: Table;
  readonly cameras: readonly Camera[];
  readonly facts: Pick<EpisodeFacts, 'digest'>;
  /** What steps say of themselves: idle, outside the keep ranges. */
  readonly flagRuns: readonly FlagRun[];
  /** What the release said, for the track. */
  readonly release: string;
}

/** Casts roles and makes every number of the rows. Also what `prep relabel` does, from tracks. */
export function labelEpisode(
  episode: Episode,
  found: Pick<Found, 'digest' | 'place'>,
  { table, cameras, facts, release, ...evidence }: Evidence,
): Prepared {
  const robot = table.spec.robots[episode.robot]!;
  const base = {
    ...ledgerEntry(episode, found, { table, length: episode.steps }),
    calibration: Object.fromEntries(cameras.map((camera) => [camera.name, camera.calibration])),
    fingerprint: episodeFingerprint(table.shape.metadata.fingerprint, found.digest, facts.digest),
  };
  const { pixels, labels } = table;
  const roles = castRoles(cameras, table.roles, { pixels, policy: labels.calibration });
  const cast = chooseReference(roles, labels.reference);
  if (isRejection(cast)) return { aside: { ...base, state: 'rejected', reason: cast.code, detail: cast.detail } };
  const flagRuns = [...evidence.flagRuns, ...episodeFlags(episode, Object.values(cast.roles))];
  const columns = labelColumns({
    ...episode,
    robot,
    cast,
    flagRuns,
    clock: table.spec.clock,
    table: table.shape,
    labels,
    fit: table.fit,
  });
  const track = trackOf(episode, cameras, release);
  const detail = (episode.notes ?? []).join('; ');
  return { kept: { episode, cast, columns, track, ledger: { ...base, flagRuns, state: 'kept', reason: '', detail } } };
}

function episodeFlags(episode: Episode, cameras: readonly Camera[]): FlagRun[] {
  const { steps } = episode;
  return [
    ...wholeEpisode('failure', steps, episode.success === false),
    ...wholeEpisode(
      'assumed_intrinsics',
      steps,
      cameras.some((camera) => camera.assumedIntrinsics),
    ),
    ...wholeEpisode(
      'calibration_suspect',
      steps,
      cameras.some((camera) => camera.calibration.quality === 'suspect'),
    ),
    ...wholeEpisode('no_instruction', steps, episode.instructions.length === 0),
  ];
}

/** A record that could not be read at all. */
export function damagedEpisode(error: PrepError, found: Found, context: { table: Table; spec: AnySpec }): Prepared {
  const entry = ledgerEntry(unknownIdentity(context.spec, found), found, { table: context.table, length: 0 });
  return { aside: { ...entry, state: 'quarantined', reason: error.code, detail: detailOf(error) } };
}

export function factsOf(table: Table, name: EpisodeName): EpisodeFacts {
  return table.sideFiles?.facts(name) ?? { cameras: {}, instructions: [], keepRanges: null, digest: '' };
}

/** Containers without ids, and records whose id cannot be read: `<container>/<split>/<index>`. */
function unknownIdentity(spec: Pick<AnySpec, 'robots'>, { within, place }: Found): EpisodeIdentity {
  const id = `${within.container}/${within.split}/${within.index ?? `${place.shard}#${place.record}`}`;
  const robot: [string, RobotSpec] = Object.entries(spec.robots)[0]!;
  return { id, sourceId: id, robot: robot[0], success: null, instructions: [], segments: [] };
}

function ledgerEntry(
  identity: EpisodeIdentity,
  { place, digest }: Pick<Found, 'digest' | 'place'>,
  { table, length }: { table: Table; length: number },
): Omit<LedgerEntry, 'state' | 'reason' | 'detail'> {
  const facts = factsOf(table, { ...identity, steps: length });
  const told = identity.instructions.length > 0 ? identity.instructions : facts.instructions;
  const texts = [...told, ...identity.segments.map(({ text }) => text)].filter((text) => text.trim() !== '');
  return {
    episode: identity.id,
    episodeKey: episodeKey(table.name, identity.id, digest),
    sourceId: identity.sourceId,
    shard: place.shard,
    record: place,
    length,
    robot: identity.robot,
    hz: identity.hz ?? table.spec.robots[identity.robot]!.hz,
    instructions: [...new Set(texts)],
    segments: identity.segments,
    split: place.split,
    success: identity.success,
    flagRuns: [],
    calibration: {},
    sourceDigest: digest,
    fingerprint: episodeFingerprint(table.shape.metadata.fingerprint, digest, facts.digest),
  };
}

/** Frames that are read later are looked at when they are. */
function checkFrames(camera: SourceCamera): void {
  if (camera.frames.kind !== 'memory') return;
  for (const [step, frame] of camera.frames.frames.entries())
    try {
      checkFrame(frame, camera);
    } catch (error) {
      throw error instanceof PrepError ? error.within({ camera: camera.name, step }) : error;
    }
}

/** Place first, then what was expected and found: the row itself already names dataset, shard and episode. */
export function detailOf(error: PrepError): string {
  const where = placeText(error.at);
  const { expected, found } = error.fault;
  return `${where ? `${where}: ` : ''}${expected ? `expected ${expected}, found ${found}` : found}`;
}
