/** The tool drawn into a stored picture with nothing but the row's own numbers: what a wrong convention cannot survive. */

import { rotationFromRot6d } from '../schemas/action-geometry.ts';
import type { StepColumns } from '../schemas/episode.ts';
import { rotate } from '../schemas/geometry.ts';
import { CAMERA_NUMBERS, VECTOR } from '../schemas/row.ts';
import { project } from './camera-geometry.ts';

/**
 * Pixel of the tool point in the reference picture of a step (arm 0): `p(camFromEe) + R(camFromEe)·d` from the row's
 * proprioception, projected with the row's intrinsics. `d`: translation of eeFromTool, metres. Null if unknown or behind.
 * @param slot index of the reference role among the table's roles
 */
export function toolPixel(
  rows: Pick<StepColumns, 'proprio' | 'camera' | 'steps'>,
  step: number,
  { slot, d, rot6d }: { slot: number; d: ArrayLike<number>; rot6d: 'rows' | 'columns' },
): [number, number] | null {
  const p = rows.proprio.subarray((rows.proprio.length / rows.steps) * step).subarray(0, VECTOR);
  const o = (rows.camera.length / rows.steps) * step + slot * CAMERA_NUMBERS;
  const [fx, fy, cx, cy] = rows.camera.subarray(o, o + 4);
  if (![...p, fx, fy, cx, cy].every((x) => Number.isFinite(x))) return null;
  const arm = rotate(rotationFromRot6d<'cam', 'ee'>(p.subarray(3, 9), rot6d), d);
  const tip = arm.map((x, i) => x + p[i]!);
  return project({ fx: fx!, fy: fy!, cx: cx!, cy: cy! }, tip);
}

/** Draws a cross of 11 px with a one-pixel dark outline into an RGB picture (`side`×`side`×3, changed in place). */
export function drawCross(rgb: Uint8Array, side: number, [x, y]: readonly [number, number]): void {
  const [cx, cy] = [Math.round(x), Math.round(y)];
  const dot = (px: number, py: number, colour: readonly number[]): void => {
    if (px >= 0 && py >= 0 && px < side && py < side) rgb.set(colour, 3 * (py * side + px));
  };
  for (const [width, colour] of [
    [1, [0, 0, 0]],
    [0, [40, 255, 40]],
  ] as const)
    for (let reach = -5; reach <= 5; reach++)
      for (let side2 = -width; side2 <= width; side2++) {
        if (Math.abs(reach) < 2) continue;
        dot(cx + reach, cy + side2, colour);
        dot(cx + side2, cy + reach, colour);
      }
}
