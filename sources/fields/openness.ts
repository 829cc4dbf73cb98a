/** Gripper readings in a unit that nobody states → openness. */
import { PrepError } from '../../schemas/errors.ts';

/** A reading follows the listed openness on a line if no step is farther from it. */
const FOLLOWS = 0.05;

/** Least squares of openness = a + b · position between a reading and the openness listed for the frame before it. */
export function scaledTo(position: Float64Array, next: Float64Array): Float64Array {
  const [x, y] = [position.slice(1), next.slice(0, -1)];
  const mean = (v: Float64Array): number => v.reduce((sum, one) => sum + one, 0) / Math.max(v.length, 1);
  const [mx, my] = [mean(x), mean(y)];
  const sxx = x.reduce((sum, one) => sum + (one - mx) ** 2, 0);
  const sxy = x.reduce((sum, one, i) => sum + (one - mx) * (y[i]! - my), 0);
  const b = sxx > 1e-12 ? sxy / sxx : 0;
  const measured = position.map((one) => my + b * (one - mx));
  const worst = Math.max(0, ...y.map((one, i) => Math.abs(one - measured[i + 1]!)));
  if (worst <= FOLLOWS) return measured.map((one) => Math.min(1, Math.max(0, one)));
  throw new PrepError({
    code: 'no-openness',
    at: { field: 'gripper.position' },
    expected: 'readings that follow the listed openness on a line',
    found: `a difference of ${worst.toFixed(3)}`,
  });
}
