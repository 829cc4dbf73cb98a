/** Poses given in the frame of a base that moves → poses in one frame that is fixed during the episode (conventions, Frames). */
import type { FlagRun } from '../../schemas/episode.ts';
import { angleBetween, compose, type Rigid } from '../../schemas/geometry.ts';
import { posesOfSeries, seriesOf } from '../../schemas/pose-series.ts';
import type { Hdf5Group } from '../../schemas/records.ts';
import type { PoseSeries } from '../../schemas/source.ts';
import { placed } from '../fields/poses.ts';

/** A base that moves by less is one that stands. */
const STILL = { metres: 0.005, radians: (0.5 * Math.PI) / 180 } as const;

type World = Rigid<'world', 'base'>;

/** Poses of the base in the world, or null where it stands still and the base frame itself will do. */
export function movingBase(series: PoseSeries): readonly World[] | null {
  const poses = posesOfSeries<'world', 'base'>(series);
  const [first] = poses;
  if (!first) return null;
  const moves = poses.some(
    ({ r, t }) =>
      Math.hypot(...t.map((x, i) => x - first.t[i]!)) > STILL.metres || angleBetween(first.r, r) > STILL.radians,
  );
  return moves ? poses : null;
}

/** The same of a recording: `position` (xyz) and `orientation` (xyzw) of a group; null where they are absent. */
export function recordedBase(file: Hdf5Group, group: string): readonly World[] | null {
  const [field, orientation] = [`${group}/position`, `${group}/orientation`];
  if ([field, orientation].some((one) => !file.has(one) || file.shape(one).length < 2)) return null;
  return movingBase(placed({ place: file.numbers(field, 3), turn: file.numbers(orientation, 4) }, 'xyz+xyzw', field));
}

/** `worldFromX = worldFromBase · baseFromX` at every step. */
export function inWorld<Series extends PoseSeries>(series: Series, base: readonly World[] | null): Series {
  if (base === null) return series;
  const poses = posesOfSeries<'base', 'x'>(series);
  const composed = poses.map((pose, step) =>
    compose<'world', 'base', 'x'>(base[Math.min(step, base.length - 1)]!, pose),
  );
  return { ...series, ...seriesOf(composed, series.field) };
}

/** Commanded speed of a base (m/s, rad/s) below which it stands. */
const STANDS = 0.01;

/** Steps at which a base drives whose odometry is not recorded: poses stay in the arms' own bases. @param speed two per step */
export function drivingRuns(speed: Float64Array): FlagRun[] {
  const steps = speed.length / 2;
  const moves = (step: number): boolean => Math.max(...speed.subarray(2 * step, 2 * step + 2).map(Math.abs)) > STANDS;
  const runs: FlagRun[] = [];
  for (let start = 0; start < steps; start++) {
    if (!moves(start)) continue;
    let end = start + 1;
    while (end < steps && moves(end)) end++;
    runs.push({ flag: 'base_moving', start, end });
    start = end;
  }
  return runs;
}
