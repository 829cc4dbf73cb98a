/** Evidence per step, as ranges: which steps are idle, outside the published keep ranges, without language, … */
import type { Episode, FlagRun } from '../schemas/episode.ts';
import { angleBetween } from '../schemas/geometry.ts';
import { type Flag, flagBit } from '../schemas/row.ts';

/** A joint-velocity command that changes less than this between steps stands still (openpi's rule). */
export const IDLE_VELOCITY_CHANGE = 1e-3;
/** Shortest run of still steps that counts as idle. */
export const IDLE_STEPS = 7;
/** Where a dataset has no joint velocities: slower than 5 mm/s, 0.03 rad/s and 0.05 of the gripper's range per second. */
export const IDLE_MOTION = { metresPerSecond: 0.005, radiansPerSecond: 0.03, opennessPerSecond: 0.05 } as const;

/** Step ranges in which the robot is idle. */
export function idleRuns(episode: Episode): FlagRun[] {
  const still = episode.jointVelocityCommand ? stillByCommand(episode.jointVelocityCommand) : stillByMotion(episode);
  return runs(episode.steps, (i) => i > 0 && still(i))
    .filter(([start, end]) => end - start >= IDLE_STEPS)
    .map(([start, end]) => ({ flag: 'idle' satisfies Flag, start, end }));
}

const stillByCommand =
  ({ width, values }: { width: number; values: Float64Array }) =>
  (i: number): boolean => {
    for (let j = 0; j < width; j++)
      // NaN compares false, so a gap in the commands is never called idle.
      if (!(Math.abs(values[i * width + j]! - values[(i - 1) * width + j]!) < IDLE_VELOCITY_CHANGE)) return false;
    return true;
  };

const stillByMotion =
  (episode: Episode) =>
  (i: number): boolean =>
    episode.arms.every((arm) => {
      const hz = 1 / (episode.time[i]! - episode.time[i - 1]!);
      const [a, b] = [arm.baseFromEe[i - 1]!, arm.baseFromEe[i]!];
      const moved = Math.hypot(...[0, 1, 2].map((x) => b.t[x]! - a.t[x]!));
      const gripped = Math.max(
        Math.abs(arm.opennessMeasured[i]! - arm.opennessMeasured[i - 1]!),
        Math.abs(arm.opennessCommanded[i]! - arm.opennessCommanded[i - 1]!),
      );
      return (
        moved * hz < IDLE_MOTION.metresPerSecond &&
        angleBetween(a.r, b.r) * hz < IDLE_MOTION.radiansPerSecond &&
        gripped * hz < IDLE_MOTION.opennessPerSecond
      );
    });

/** Ranges outside of the published keep ranges; none when no file lists the episode. */
export function outsideKeepRanges(steps: number, keep: readonly (readonly [number, number])[] | null): FlagRun[] {
  if (keep === null) return [];
  const kept = (i: number): boolean => keep.some(([start, end]) => i >= start && i < end);
  return runs(steps, (i) => !kept(i)).map(([start, end]) => ({
    flag: 'outside_keep_ranges' satisfies Flag,
    start,
    end,
  }));
}

/** More than this many periods between two time stamps: whoever recorded missed something (conventions, Clock). */
const GAP_PERIODS = 3;

/** Steps on both sides of a hole in the time stamps. */
export function clockGaps({ steps, time, hz }: Episode): FlagRun[] {
  const hole = (i: number): boolean => i > 0 && i < steps && (time[i]! - time[i - 1]!) * hz > GAP_PERIODS;
  return runs(steps, (i) => hole(i) || hole(i + 1)).map(([start, end]) => ({
    flag: 'clock_gap' satisfies Flag,
    start,
    end,
  }));
}

/** A flag that holds for the whole episode. */
export const wholeEpisode = (flag: Flag, steps: number, holds: boolean): FlagRun[] =>
  holds ? [{ flag, start: 0, end: steps }] : [];

/** The `flags` column of all steps. */
export function flagColumn(steps: number, flagRuns: readonly FlagRun[]): Int32Array {
  const out = new Int32Array(steps);
  for (const run of flagRuns) for (let i = run.start; i < run.end; i++) out[i] = out[i]! | flagBit(run.flag as Flag);
  return out;
}

/** Maximal ranges [start, end) in which `holds`. */
function runs(steps: number, holds: (i: number) => boolean): [number, number][] {
  const out: [number, number][] = [];
  let start = -1;
  for (let i = 0; i <= steps; i++) {
    const inside = i < steps && holds(i);
    if (inside && start < 0) start = i;
    if (!inside && start >= 0) {
      out.push([start, i]);
      start = -1;
    }
  }
  return out;
}
