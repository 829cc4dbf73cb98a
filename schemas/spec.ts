/** What a dataset file declares. The same object describes a built-in dataset and a user's own. */
import type { Intrinsics, Role, SideFiles } from './episode.ts';
import type { FilesRecord, Hdf5Group, LerobotInfo, LerobotRecord, RldsRecord, SourceRecord } from './records.ts';
import type { EpisodeIdentity, SourceData } from './source.ts';

export interface RobotSpec {
  readonly arms: number;
  /** Steps per second of the source. */
  readonly hz: number;
  /** Words for the origin of the stored EE pose, e.g. `flange (panda_link8)`. */
  readonly eeOrigin: string;
  /**
   * Rigid 4×4, row-major: origin between the fingertips, z = approach, y = the direction in which the fingers open.
   * Null where it is not known: then `--tool canonical` is refused and the tool point is not tested.
   */
  readonly eeFromTool: readonly number[] | null;
}

export interface CameraSpec {
  readonly name: string;
  /**
   * `fixed`: one pose in the base frame. `hand`: rigid to the EE of `arm`; a single pose is that of step 0.
   * `moving`: a pose per step, on neither (a head, a moving base).
   */
  readonly mount: 'fixed' | 'hand' | 'moving';
  /** Slot of the arm that carries it; default 0. */
  readonly arm?: number;
  /** Roles it may fill. */
  readonly roles: readonly Role[];
  /** Where a published principal point counts from: `centre` (first pixel's centre is 0) or `corner` (MuJoCo, OpenGL). */
  readonly principalPoint: 'centre' | 'corner';
  /** Fleet mean, used and flagged `assumed_intrinsics` where no file gives this camera's own. */
  readonly assumed?: Intrinsics & { readonly width: number; readonly height: number };
  /** Fleet mean of eeFromCam of a hand camera, with the deviation that no mount explains. */
  readonly mean?: {
    readonly eeFromCam: readonly number[];
    readonly metres: number;
    readonly radians: number;
  };
}

/** Place of an episode within its container, for datasets whose records carry no id. */
export interface EpisodePlace {
  readonly container: string;
  readonly split: string;
  /** Index of the episode within the split, over all shards; null if an earlier shard's count is unknown. */
  readonly index: number | null;
}

/** TFDS version folders. */
export interface RldsLayout {
  readonly format: 'rlds';
  /** Names that `dataset_info.json` may carry; a container with another name is refused. */
  readonly containers: readonly string[];
}

/** One LeRobot dataset, or a tree of them. */
export interface LerobotLayout {
  readonly format: 'lerobot';
  /** Null if this is such a dataset, else what is missing, e.g. `no feature state.eef_position`. */
  accepts(info: LerobotInfo): string | null;
  /** Binary columns that are read; all others are left alone. */
  readonly bytes?: readonly string[];
}

/**
 * Names of companion files → candidate paths relative to the root, the first that exists counts. A path that ends in `/` is a
 * folder of pictures, one per frame.
 */
export type Companions = Readonly<Record<string, readonly string[]>>;

/** Folders of files: every file that `anchor` matches is an episode, or holds several. */
export interface FilesLayout {
  readonly format: 'files';
  /** Tested against paths relative to the root, `/` between folders. */
  readonly anchor: RegExp;
  /** Names of the episodes within an HDF5 anchor, in order; absent where the file is one episode. @throws PrepError */
  inside?(root: Hdf5Group): readonly string[];
  /** Files that belong to the episode of an anchor; those that do not exist are left out. */
  companions?(anchor: string): Companions;
  /** Names of companions that many episodes share: no part of the bytes of one. */
  readonly shared?: readonly string[];
  /** Further companions whose paths stand in those already found (a calibration named in a metadata file). */
  further?(record: FilesRecord): Companions;
}

export type LayoutOf<Source extends SourceRecord> = Source extends RldsRecord
  ? RldsLayout
  : Source extends LerobotRecord
    ? LerobotLayout
    : FilesLayout;

/** `Source` is the record type of the format: `RldsRecord`, `LerobotRecord` or `FilesRecord`. */
export type DatasetSpec<Source extends SourceRecord> = Meaning<Source> & LayoutOf<Source>;

/** A dataset file of any format. */
export type AnySpec = DatasetSpec<RldsRecord> | DatasetSpec<LerobotRecord> | DatasetSpec<FilesRecord>;

/** The part of a dataset file that does not depend on the container. */
export interface Meaning<Source extends SourceRecord> {
  readonly name: string;
  /** Raise when the meaning of a field changes: labels made by another version are not mixed. */
  readonly version: number;
  readonly title: string;
  readonly licence: string;
  /** `index`: step / hz. `timestamps`: the seconds that `data` gives for each step. */
  readonly clock: 'index' | 'timestamps';
  readonly robots: Readonly<Record<string, RobotSpec>>;
  readonly cameras: readonly CameraSpec[];
  readonly gripper: { readonly action: 'commanded' | 'measured'; readonly proprio: 'measured' | 'commanded' };
  /** Words for `prep datasets`: where calibration can come from. */
  readonly calibration: string;
  /** Words for `prep datasets`: what cannot be had from this dataset alone, e.g. `camera-frame actions`; '' if nothing. */
  readonly impossible: string;
  /** What is not known for certain and should be checked, repeated at every ingest: the guesses of a mapping. */
  readonly doubts?: readonly string[];
  /** Who the episode is. Pure. @throws PrepError where the record cannot say. */
  identity(record: Source, place: EpisodePlace): EpisodeIdentity;
  /** What the record means. Pure. @throws PrepError for a record that contradicts itself. */
  data(record: Source): SourceData;
  /** Opens the side files of `--calibration DIR`; absent where the dataset has none. */
  sideFiles?(directory: string): Promise<SideFiles>;
}
