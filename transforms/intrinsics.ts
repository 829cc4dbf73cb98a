/** Published intrinsics → intrinsics of the source image, pixel-centre convention; or the reason why not. */
import type { CameraFacts, Intrinsics } from '../schemas/episode.ts';
import { PrepError } from '../schemas/errors.ts';

interface Size {
  readonly width: number;
  readonly height: number;
}

/** A principal point farther from the middle than this share of the side belongs to an image of another size; half the size is 0.25 away. */
const PRINCIPAL_POINT_SHARE = 0.2;
/** Field of view beyond which a number is no focal length: fx between 0.2 and 10 image widths. */
const FOCAL_RANGE = [0.2, 10] as const;

/** Scales intrinsics to another image size; pixel-centre: `cx' = (cx − (W−1)/2)·s + (W'−1)/2`. */
export function scaleIntrinsics(k: Intrinsics, from: Size, to: Size): Intrinsics {
  const [sx, sy] = [to.width / from.width, to.height / from.height];
  return {
    fx: k.fx * sx,
    fy: k.fy * sy,
    cx: (k.cx - (from.width - 1) / 2) * sx + (to.width - 1) / 2,
    cy: (k.cy - (from.height - 1) / 2) * sy + (to.height - 1) / 2,
  };
}

/** MuJoCo and OpenGL count from the corner of the first pixel, we from its centre. */
export function fromCorner(k: Intrinsics): Intrinsics {
  return { ...k, cx: k.cx - 0.5, cy: k.cy - 0.5 };
}

/**
 * Judges four published numbers (fx fy cx cy of an image of `size`).
 * @throws PrepError `bad-intrinsics` naming the field: not four finite numbers, fx or fy ≤ 0 or out of any lens's range,
 * a principal point that belongs to another image size.
 */
export function checkIntrinsics(values: readonly unknown[], size: Size): Intrinsics {
  const bad = (field: string, expected: string, found: string): PrepError =>
    new PrepError({ code: 'bad-intrinsics', at: { field }, expected, found });
  if (values.length !== 4) throw bad('intrinsic', 'four numbers', `${values.length}`);
  const names = ['fx', 'fy', 'cx', 'cy'] as const;
  const numbers = values.map((value, i) => {
    if (typeof value !== 'number' || !Number.isFinite(value))
      throw bad(`intrinsic.${names[i]}`, 'a finite number', JSON.stringify(value) ?? 'nothing');
    return value;
  });
  const [fx, fy, cx, cy] = numbers as [number, number, number, number];
  for (const [name, focal, side] of [
    ['intrinsic.fx', fx, size.width],
    ['intrinsic.fy', fy, size.height],
  ] as const)
    if (!(focal > FOCAL_RANGE[0] * side && focal < FOCAL_RANGE[1] * side))
      throw bad(name, `a focal length between ${FOCAL_RANGE.join(' and ')} image sides of ${side} px`, `${focal}`);
  for (const [name, centre, side] of [
    ['principal point cx', cx, size.width],
    ['principal point cy', cy, size.height],
  ] as const)
    if (Math.abs(centre - (side - 1) / 2) > PRINCIPAL_POINT_SHARE * side)
      throw bad(name, `near the middle of the ${size.width}x${size.height} image`, `${centre}`);
  return { fx, fy, cx, cy };
}

/** Intrinsics of the source image of `size` from a side file's entry. @throws PrepError `bad-intrinsics` with the serial. */
export function publishedIntrinsics(facts: NonNullable<CameraFacts['intrinsics']>, size: Size): Intrinsics {
  try {
    return scaleIntrinsics(checkIntrinsics(facts.values, facts), facts, size);
  } catch (error) {
    throw error instanceof PrepError ? error.within({ serial: facts.serial }) : error;
  }
}
