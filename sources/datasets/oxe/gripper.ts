/** Gripper numbers of Open X-Embodiment → openness, 0 closed … 1 open. Facts: formats §6.6. */
import type { GripperRule } from './row.ts';

/** A relative command beyond this opens or closes; within it the gripper stays as it is. */
const THRESHOLD = 0.1;

export function opennessBy(rule: GripperRule, values: Float64Array): Float64Array {
  const clipped = (x: number): number => Math.min(1, Math.max(0, x));
  if (rule === 'open') return values.map(clipped);
  if (rule === 'closed') return values.map((x) => 1 - clipped(x));
  if (rule === 'relative') return integrated(values);
  return values.map((x) => clipped((x - rule.closed) / (rule.open - rule.closed)));
}

/**
 * +1 closing, −1 opening, 0 hold → open or closed. Before the first command the gripper is in the state that the command
 * leaves; without any command it is open.
 */
function integrated(values: Float64Array): Float64Array {
  const asked = (x: number): number | null => (x < -THRESHOLD ? 1 : x > THRESHOLD ? 0 : null);
  const first = Array.from(values, asked).find((state) => state !== null);
  let state = first === undefined ? 1 : 1 - first;
  return values.map((x) => {
    state = asked(x) ?? state;
    return state;
  });
}
