/** Which steps of a kept episode an entry may draw, and which rule took the others. Evidence is the ledger's; steps are never read. */
import type { CameraCalibration } from '../../schemas/episode.ts';
import type { Filter } from '../../schemas/mixture.ts';
import type { PrepMetadata } from '../../schemas/row.ts';
import type { PlannableEpisode } from '../../sinks/planning.ts';
import { absorb, high, keyOf, low, PURPOSE } from '../../transforms/order/hash.ts';

/** Consecutive eligible steps, `end` exclusive. */
export interface StepRange {
  readonly start: number;
  readonly end: number;
}

export interface Verdict {
  readonly ranges: readonly StepRange[];
  /** Steps that each rule took, in the order of the rules: a step counts for the first that takes it. */
  readonly removed: readonly (readonly [rule: string, steps: number])[];
}

/** Within this much of a recorded step a target counts as it (conventions, Clock). */
const ON_STEP = 1e-3;

/** The last step whose `valid`-th chunk step lies inside the episode, by the even clock; −1 if none. */
export function lastValidStep(steps: number, valid: number, stepsPerChunkStep: number): number {
  return Math.min(steps - 1, Math.floor(steps - 1 - valid * stepsPerChunkStep + ON_STEP));
}

/** The same from time stamps: `u` is the interpolated index. */
export function lastValidStepOf(time: Float64Array, valid: number, dt: number): number {
  const last = time.length - 1;
  if (last < 1) return valid === 0 ? last : -1;
  const period = time[last]! - time[last - 1]!;
  for (let step = last; step >= 0; step--) if (time[step]! + valid * dt <= time[last]! + ON_STEP * period) return step;
  return -1;
}

export interface EntryRules {
  readonly filter: Filter;
  readonly metadata: PrepMetadata;
  /** Camera in whose axes the plan's actions are. */
  readonly reference: PrepMetadata['reference'];
}

/** @param lastStep gives the last step with `min_valid` chunk steps inside the episode */
export function eligible(episode: PlannableEpisode, rules: EntryRules, lastStep: (valid: number) => number): Verdict {
  const rule = episodeRule(episode, rules);
  if (rule !== null) return { ranges: [], removed: [[rule, episode.steps]] };
  const { filter } = rules;
  const removed: [string, number][] = [];
  const last = lastStep(filter.min_valid ?? 1);
  let ranges: StepRange[] = last < 0 ? [] : [{ start: 0, end: last + 1 }];
  let left = count(ranges);
  if (left < episode.steps) removed.push([`min_valid ${filter.min_valid ?? 1}`, episode.steps - left]);
  for (const flag of filter.without_flags ?? []) {
    ranges = without(
      ranges,
      episode.flagRuns.filter((run) => run.flag === flag),
    );
    const now = count(ranges);
    if (now < left) removed.push([`without_flags ${flag}`, left - now]);
    left = now;
  }
  return { ranges, removed };
}

export const count = (ranges: readonly StepRange[]): number =>
  ranges.reduce((sum, { start, end }) => sum + end - start, 0);

/** The first rule that takes the whole episode. */
function episodeRule(episode: PlannableEpisode, { filter, metadata, reference }: EntryRules): string | null {
  const has = (wanted: readonly string[] | undefined, value: string) => wanted === undefined || wanted.includes(value);
  if (!has(filter.robot, episode.robot)) return 'robot';
  if (!has(filter.split, episode.split)) return 'split';
  if (filter.episode !== undefined && !new RegExp(filter.episode).test(episode.episode)) return 'episode';
  if (filter.not_episode !== undefined && new RegExp(filter.not_episode).test(episode.episode)) return 'not_episode';
  if (!successful(episode.success, filter.success ?? 'not-failure'))
    return `success ${filter.success ?? 'not-failure'}`;
  if (filter.has_instruction && !episode.instructions.some((text) => text.trim() !== '')) return 'has_instruction';
  if (episode.steps < (filter.min_steps ?? 1)) return 'min_steps';
  const camera = referenceCamera(episode, { ...metadata, reference });
  // Re-targeted to a camera that is not known every action would be masked.
  if (reference !== metadata.reference && (camera?.quality ?? 'unusable') === 'unusable') return 'reference';
  if (filter.calibration !== undefined && !has(filter.calibration, camera?.source ?? 'none')) return 'calibration';
  if (filter.quality !== undefined && !has(filter.quality, camera?.quality ?? 'unusable')) return 'quality';
  if (filter.fraction && hashShare(episode.episodeKey, filter.fraction.salt) >= filter.fraction.share)
    return 'fraction';
  return null;
}

function successful(success: boolean | null, wanted: NonNullable<Filter['success']>): boolean {
  if (wanted === 'any') return true;
  return wanted === 'success' ? success === true : success !== false;
}

/** The calibration of the camera that the table's actions refer to, as far as the ledger tells which one it was. */
export function referenceCamera(
  episode: PlannableEpisode,
  { reference, roles }: Pick<PrepMetadata, 'reference' | 'roles'>,
): CameraCalibration | undefined {
  const names = reference === 'base' ? [] : (roles[reference] ?? []);
  const cameras = names.flatMap((name) => episode.calibration[name] ?? []);
  return cameras.find(({ quality }) => quality !== 'unusable') ?? cameras[0];
}

/** Where an episode falls in [0, 1): fixed by its key and the salt. */
export function hashShare(episodeKey: bigint, salt: number): number {
  const [first, second] = [Number(episodeKey & 0xffff_ffffn), Number(episodeKey >> 32n)];
  return absorb(keyOf(salt, PURPOSE.episode, low(first), high(first)), second) / 2 ** 32;
}

/** `ranges` less `holes`, both ascending. */
function without(ranges: readonly StepRange[], holes: readonly StepRange[]): StepRange[] {
  if (holes.length === 0) return [...ranges];
  const sorted = [...holes].sort((a, b) => a.start - b.start);
  return ranges.flatMap(({ start, end }) => {
    const out: StepRange[] = [];
    let at = start;
    for (const hole of sorted) {
      if (hole.end <= at || hole.start >= end) continue;
      if (hole.start > at) out.push({ start: at, end: hole.start });
      at = Math.max(at, hole.end);
    }
    if (at < end) out.push({ start: at, end });
    return out;
  });
}
