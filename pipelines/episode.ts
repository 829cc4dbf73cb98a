/**
 * One record → what becomes of it, before any pixel is decoded: kept with its labels, or set aside with the reason.
 * Everything here is synchronous and whole-episode.
 */
import type {
  Camera,
  Episode,
  EpisodeFacts,
  EpisodeIdentity,
  FlagRun,
  LedgerEntry,
  RecordPlace,
  Track,
} from '../schemas/episode.ts';
import { type Code, PrepError, placeText } from '../schemas/errors.ts';
import { episodeFingerprint, episodeKey } from '../schemas/options.ts';
import type { EpisodePlace, RobotSpec } from '../schemas/spec.ts';
import type { RldsRecord } from '../sources/formats/rlds.ts';
import type { AnySpec } from '../sources/index.ts';
import { calibrate } from '../transforms/calibration.ts';
import { type LabelColumns, labelColumns, trackOf } from '../transforms/columns.ts';
import { idleRuns, outsideKeepRanges, wholeEpisode } from '../transforms/flags.ts';
import { releaseText } from '../transforms/from-track.ts';
import { checkFrame } from '../transforms/jpeg-header.ts';
import { type Cast, castRoles, chooseReference, isRejection } from '../transforms/roles.ts';
import { soundEpisode } from '../transforms/sound.ts';
import type { Table } from './table.ts';

/** What every ledger row needs, whatever becomes of the episode. */
export interface Found {
  readonly place: RecordPlace;
  readonly within: EpisodePlace;
  /** Hex sha-256 of the record's bytes. */
  readonly digest: string;
}

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

export function prepareEpisode(
  open: () => RldsRecord,
  found: Found,
  context: { table: Table; spec: AnySpec; registry: Registry },
): Prepared {
  const { table, spec, registry } = context;
  let identity = unknownIdentity(spec, found);
  let length = 0;
  const aside = (state: 'rejected' | 'quarantined', code: Code, detail: string, more: Partial<LedgerEntry> = {}) => ({
    aside: { ...ledgerEntry(identity, found, { table, length }), state, reason: code, detail, ...more },
  });
  try {
    const record = open();
    identity = spec.identity(record, found.within);
    const named = registry.uniqueId(identity.id, found);
    identity = { ...identity, id: named.id };
    const why = registry.excluded(identity);
    length = record.steps;
    if (why !== undefined) return aside('rejected', 'excluded', why);
    const facts = factsOf(table, identity);
    const told = identity.instructions;
    if (identity.instructions.length === 0) identity = { ...identity, instructions: facts.instructions };
    const episode = soundEpisode(identity, spec.data(record));
    for (const camera of episode.cameras) checkFrames(camera);
    if (named.clash !== undefined) {
      const same = registry.duplicateOf(found) !== undefined;
      return aside(
        same ? 'rejected' : 'quarantined',
        same ? 'duplicate' : 'duplicate-id',
        `the id is that of ${named.clash}`,
      );
    }
    const robot = table.spec.robots[episode.robot]!;
    const cameras = calibrate({ episode, robot, specs: table.spec.cameras, facts: facts.cameras });
    const release = releaseText({ extrinsics: episode.released, instructions: told });
    const flagRuns = [...idleRuns(episode, robot.hz), ...outsideKeepRanges(episode.steps, facts.keepRanges)];
    const labelled = labelEpisode(episode, found, { table, cameras, facts, flagRuns, release });
    if ('aside' in labelled) return labelled;
    const twin = registry.duplicateOf(found);
    if (twin !== undefined) return aside('rejected', 'duplicate', `the same bytes as ${twin}`);
    return labelled;
  } catch (error) {
    if (!(error instanceof PrepError)) throw error;
    return aside('quarantined', error.code, detailOf(error));
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
  const cast = chooseReference(castRoles(cameras, table.roles, table.pixels), table.labels.reference);
  if (isRejection(cast)) return { aside: { ...base, state: 'rejected', reason: cast.code, detail: cast.detail } };
  const flagRuns = [...evidence.flagRuns, ...episodeFlags(episode, Object.values(cast.roles))];
  const columns = labelColumns({
    ...episode,
    robot,
    cast,
    flagRuns,
    table: table.shape,
    labels: table.labels,
    fit: table.fit,
  });
  const track = trackOf(episode, cameras, { hz: robot.hz, release });
  return {
    kept: { episode, cast, columns, track, ledger: { ...base, flagRuns, state: 'kept', reason: '', detail: '' } },
  };
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

export function factsOf(table: Table, identity: Pick<EpisodeIdentity, 'id' | 'sourceId'>): EpisodeFacts {
  return table.sideFiles?.facts(identity) ?? { cameras: {}, instructions: [], keepRanges: null, digest: '' };
}

/** Containers without ids, and records whose id cannot be read: `<container>/<split>/<index>`. */
function unknownIdentity(spec: AnySpec, { within, place }: Found): EpisodeIdentity {
  const id = `${within.container}/${within.split}/${within.index ?? `${place.shard}#${place.record}`}`;
  const robot: [string, RobotSpec] = Object.entries(spec.robots)[0]!;
  return { id, sourceId: id, robot: robot[0], success: null, instructions: [], segments: [] };
}

function ledgerEntry(
  identity: EpisodeIdentity,
  { place, digest }: Pick<Found, 'digest' | 'place'>,
  { table, length }: { table: Table; length: number },
): Omit<LedgerEntry, 'state' | 'reason' | 'detail'> {
  const facts = factsOf(table, identity);
  return {
    episode: identity.id,
    episodeKey: episodeKey(table.name, identity.id, digest),
    sourceId: identity.sourceId,
    shard: place.shard,
    record: place,
    length,
    robot: identity.robot,
    hz: table.spec.robots[identity.robot]!.hz,
    instructions: identity.instructions.length > 0 ? identity.instructions : facts.instructions,
    segments: identity.segments,
    split: place.split,
    success: identity.success,
    flagRuns: [],
    calibration: {},
    sourceDigest: digest,
    fingerprint: episodeFingerprint(table.shape.metadata.fingerprint, digest, facts.digest),
  };
}

function checkFrames(camera: Episode['cameras'][number]): void {
  for (const [step, frame] of camera.frames.entries())
    try {
      checkFrame(frame, camera);
    } catch (error) {
      throw error instanceof PrepError ? error.within({ camera: camera.name, step }) : error;
    }
}

/** Place first, then what was expected and found: the row itself already names dataset, shard and episode. */
function detailOf(error: PrepError): string {
  const where = placeText(error.at);
  const { expected, found } = error.fault;
  return `${where ? `${where}: ` : ''}${expected ? `expected ${expected}, found ${found}` : found}`;
}
