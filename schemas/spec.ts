/** What a dataset file declares. The same object describes a built-in dataset and a user's own. */
import type { EpisodeIdentity, Intrinsics, Role, SideFiles, SourceData } from './episode.ts';

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
  /** `fixed`: one pose in the base frame. `hand`: rigid to the EE of `arm`; a released pose is that of step 0. */
  readonly mount: 'fixed' | 'hand';
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

/** `Source` is the record type of the format: for `rlds`, `RldsRecord`. */
export interface DatasetSpec<Source = unknown> {
  readonly name: string;
  /** Raise when the meaning of a field changes: labels made by another version are not mixed. */
  readonly version: number;
  readonly title: string;
  readonly licence: string;
  readonly format: 'rlds';
  /** Names that `dataset_info.json` may carry; a container with another name is refused. */
  readonly containers: readonly string[];
  readonly clock: 'index';
  readonly robots: Readonly<Record<string, RobotSpec>>;
  readonly cameras: readonly CameraSpec[];
  readonly gripper: { readonly action: 'commanded' | 'measured'; readonly proprio: 'measured' | 'commanded' };
  /** Words for `prep datasets`: where calibration can come from. */
  readonly calibration: string;
  /** Who the episode is. Pure. @throws PrepError where the record cannot say. */
  identity(record: Source, place: EpisodePlace): EpisodeIdentity;
  /** What the record means. Pure. @throws PrepError for a record that contradicts itself. */
  data(record: Source): SourceData;
  /** Opens the side files of `--calibration DIR`; absent where the dataset has none. */
  sideFiles?(directory: string): Promise<SideFiles>;
}
