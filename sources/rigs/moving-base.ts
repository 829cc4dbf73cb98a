/** Poses given in the frame of a base that moves → poses in one frame that is fixed during the episode (conventions, Frames). */
import { angleBetween, compose, type Rigid } from '../../schemas/geometry.ts';
import { posesOfSeries, seriesOf } from '../../schemas/pose-series.ts';
import type { PoseSeries } from '../../schemas/source.ts';

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

/** `worldFromX = worldFromBase · baseFromX` at every step. */
export function inWorld<Series extends PoseSeries>(series: Series, base: readonly World[] | null): Series {
  if (base === null) return series;
  const poses = posesOfSeries<'base', 'x'>(series);
  const composed = poses.map((pose, step) =>
    compose<'world', 'base', 'x'>(base[Math.min(step, base.length - 1)]!, pose),
  );
  return { ...series, ...seriesOf(composed, series.field) };
}
