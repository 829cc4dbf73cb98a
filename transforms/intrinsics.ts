/** Published intrinsics → intrinsics of the source image, pixel-centre convention; or the reason why not. */
import type { Camera, CameraFacts, Intrinsics } from '../schemas/episode.ts';
import { type Code, PrepError } from '../schemas/errors.ts';
import type { PublishedIntrinsics, SourceCamera } from '../schemas/source.ts';
import type { CameraSpec } from '../schemas/spec.ts';

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

/** Published numbers of one camera, whoever published them. */
type Published = NonNullable<CameraFacts['intrinsics']>;

/**
 * Intrinsics of the source image of `size`; a principal point counted from the corner is moved to the pixel's centre first,
 * at the size that it was published for. @throws PrepError `bad-intrinsics` with the serial
 */
export function publishedIntrinsics(
  facts: Published,
  size: Size,
  principalPoint: CameraSpec['principalPoint'] = 'centre',
): Intrinsics {
  try {
    const k = checkIntrinsics(facts.values, facts);
    return scaleIntrinsics(principalPoint === 'corner' ? fromCorner(k) : k, facts, size);
  } catch (error) {
    throw error instanceof PrepError && facts.serial ? error.within({ serial: facts.serial }) : error;
  }
}

export interface Lens {
  readonly k: Camera['intrinsics'];
  readonly source: string;
  readonly reason: Code | null;
  readonly fault: string | null;
}

/** Side file, else the release, else the fleet mean (flagged), else unknown. An entry that fails its rules is named, never used. */
export function chooseIntrinsics(camera: SourceCamera, spec: CameraSpec, facts: CameraFacts | undefined): Lens {
  let [reason, fault]: [Code | null, string | null] = [null, null];
  const own = { width: camera.width, height: camera.height };
  const listed = facts?.intrinsics;
  const sources = [
    () => (listed?.width === 0 ? { ...listed, ...own } : listed),
    () => camera.intrinsics && onePerEpisode(camera.intrinsics, camera),
  ];
  for (const source of sources)
    try {
      const published = source();
      if (!published) continue;
      const k = publishedIntrinsics(published, camera, spec.principalPoint);
      return { k, source: published.source, reason: null, fault: null };
    } catch (error) {
      if (!(error instanceof PrepError)) throw error;
      [reason, fault] = [error.code, error.message];
    }
  if (!spec.assumed || camera.width === 0) return { k: null, source: 'none', reason, fault };
  return { k: scaleIntrinsics(spec.assumed, spec.assumed, camera), source: 'assumed', reason, fault };
}

/** Pixels by which intrinsics given per step may differ (rounding); a lens that zooms has none that hold for the episode. */
const CONSTANT = 1e-2;

function onePerEpisode(published: PublishedIntrinsics, camera: SourceCamera): Published {
  const { values, field, source = 'release', width = camera.width, height = camera.height } = published;
  for (let i = 4; i < values.length; i++)
    if (!(Math.abs(values[i]! - values[i % 4]!) <= CONSTANT))
      throw new PrepError({
        code: 'bad-intrinsics',
        at: { camera: camera.name, step: Math.floor(i / 4), field },
        expected: `the numbers of the first step (${values[i % 4]})`,
        found: `${values[i]}`,
      });
  const first = values.length % 4 === 0 ? Array.from(values).slice(0, 4) : Array.from(values);
  return { source, serial: '', values: first, width, height };
}
