/** What the geometry of robot and camera betrays: wrong unit, wrong direction, a view that never holds the tool. */
import type { CalibrationQuality, Intrinsics } from '../schemas/episode.ts';
import type { Code } from '../schemas/errors.ts';
import { angleBetween, invert, type Rigid, rigidFromMatrix, transformPoint } from '../schemas/geometry.ts';
import type { CameraSpec } from '../schemas/spec.ts';

export interface Judgement {
  readonly quality: CalibrationQuality;
  readonly reason: Code | null;
  readonly detail: string | null;
  readonly measures: Readonly<Record<string, number>>;
}

export interface Scene {
  readonly eeFromTool: Rigid<'ee', 'tool'> | null;
  readonly image: { readonly width: number; readonly height: number; readonly k: Intrinsics | null };
}

/** Rules of formats §8: distance camera–EE 0.1 … 3 m, tool in front in most steps, in the image in 30 % of them. */
export const FIXED_CAMERA = { near: 0.1, far: 3, front: 0.5, inView: 0.3, neverInView: 0.1 } as const;
/** Metres between two steps (≥ 1/60 s apart) that neither a head nor a moving base covers: more than 3 m/s even at 15 Hz. */
const CAMERA_LEAP = 0.2;

const ORIGIN = new Float64Array(3);

/** Pixel of a point in camera axes; null behind the camera. `x = fx·X/Z + cx`. */
export function project(k: Intrinsics, p: ArrayLike<number>): [number, number] | null {
  return p[2]! > 0 ? [(k.fx * p[0]!) / p[2]! + k.cx, (k.fy * p[1]!) / p[2]! + k.cy] : null;
}

/** A camera that stands in the scene: distance, then how often the tool is before it and in its image. */
export function judgeFixed(
  baseFromCam: Rigid<'base', 'cam'>,
  poses: readonly Rigid<'base', 'ee'>[],
  scene: Scene,
): Judgement {
  return judgeView([invert(baseFromCam)], poses, scene);
}

/**
 * A camera with a pose of its own at every step, not on the arm under test (a head, a moving base): the checks of a
 * fixed one, and its own motion: a camera that leaps between two steps was lost by whoever tracked it.
 */
export function judgePoses(
  baseFromCam: readonly Rigid<'base', 'cam'>[],
  poses: readonly Rigid<'base', 'ee'>[],
  scene: Scene,
): Judgement {
  const judgement = judgeView(baseFromCam.map(invert), poses, scene);
  const leaps = baseFromCam.slice(1).map((pose, i) => Math.hypot(...pose.t.map((x, k) => x - baseFromCam[i]!.t[k]!)));
  const leap = Math.max(0, ...leaps);
  const measures = { ...judgement.measures, ...rounded({ camera_leap: leap }) };
  if (judgement.quality !== 'unchecked' || leap <= CAMERA_LEAP) return { ...judgement, measures };
  const detail = `the camera leaps ${leap.toPrecision(3)} m between steps ${leaps.indexOf(leap)} and ${leaps.indexOf(leap) + 1}`;
  return { quality: 'suspect', reason: 'bad-translation', detail, measures };
}

/** @param camFromBase one, or one per step. */
function judgeView(
  camFromBase: readonly Rigid<'cam', 'base'>[],
  poses: readonly Rigid<'base', 'ee'>[],
  scene: Scene,
): Judgement {
  const tip = scene.eeFromTool?.t ?? ORIGIN;
  const seen = (p: ArrayLike<number>, step: number): Float64Array =>
    transformPoint(camFromBase[camFromBase.length === 1 ? 0 : step]!, p);
  const points = poses.map((pose, step) => seen(transformPoint(pose, tip), step));
  const distances = poses.map((pose, step) => Math.hypot(...seen(pose.t, step))).sort((a, b) => a - b);
  const distance = distances[Math.floor(distances.length / 2)]!;
  const front = share(points, (p) => p[2]! > 0);
  const inView = scene.image.k ? share(points, (p) => inImage(scene.image, p)) : Number.NaN;
  const measures = rounded({
    ee_distance: distance,
    tool_in_front: front,
    ...(scene.image.k ? { tool_in_view: inView } : {}),
  });
  const verdict = (quality: CalibrationQuality, reason: Code | null, detail: string | null): Judgement => ({
    quality,
    reason,
    detail,
    measures,
  });
  if (distance < FIXED_CAMERA.near || distance > FIXED_CAMERA.far)
    return verdict(
      'unusable',
      'bad-translation',
      `the camera is ${distance.toPrecision(3)} m from the end effector (0.1 … 3 m expected; translation [${[...invert(camFromBase[0]!).t].map((x) => x.toPrecision(4)).join(', ')}], millimetres?)`,
    );
  if (front < FIXED_CAMERA.neverInView)
    return verdict(
      'unusable',
      'ee-behind-camera',
      `projection check: the tool is in front of the camera in ${percent(front)} of the steps`,
    );
  if (inView < FIXED_CAMERA.neverInView)
    return verdict(
      'unusable',
      'ee-outside-view',
      `projection check: the tool is in the image in ${percent(inView)} of the steps`,
    );
  if (front < FIXED_CAMERA.front)
    return verdict(
      'suspect',
      'ee-behind-camera',
      `the tool is in front of the camera in only ${percent(front)} of the steps`,
    );
  if (inView < FIXED_CAMERA.inView)
    return verdict('suspect', 'ee-outside-view', `the tool is in the image in only ${percent(inView)} of the steps`);
  return verdict('unchecked', null, null);
}

/** A camera on the hand: its mount against the fleet's mean mount. */
export function judgeHand(eeFromCam: Rigid<'ee', 'cam'>, mean: CameraSpec['mean'], scene: Scene): Judgement {
  const distance = Math.hypot(...eeFromCam.t);
  const tip = transformPoint(invert(eeFromCam), scene.eeFromTool?.t ?? ORIGIN);
  const measures: Record<string, number> = { ee_distance: distance };
  if (scene.image.k) measures.tool_in_view = inImage(scene.image, tip) ? 1 : 0;
  if (mean) {
    const mount = rigidFromMatrix<'ee', 'cam'>(mean.eeFromCam);
    measures.mount_metres = Math.hypot(...mount.t.map((x, i) => x - eeFromCam.t[i]!));
    measures.mount_radians = angleBetween(mount.r, eeFromCam.r);
    if (measures.mount_metres > mean.metres || measures.mount_radians > mean.radians)
      return {
        quality: 'unusable',
        reason: 'hand-camera-off-mount',
        detail: `${(1000 * measures.mount_metres).toFixed(0)} mm and ${((180 / Math.PI) * measures.mount_radians).toFixed(1)}° from the fleet's mount (${1000 * mean.metres} mm and ${((180 / Math.PI) * mean.radians).toFixed(0)}° allowed)`,
        measures: rounded(measures),
      };
  } else if (distance > FIXED_CAMERA.far)
    return {
      quality: 'unusable',
      reason: 'bad-translation',
      detail: `the hand camera is ${distance.toPrecision(3)} m from the end effector`,
      measures: rounded(measures),
    };
  return { quality: 'unchecked', reason: null, detail: null, measures: rounded(measures) };
}

function inImage(image: Scene['image'], p: ArrayLike<number>): boolean {
  const pixel = project(image.k!, p);
  // Pixel-centre coordinates: the picture reaches from -0.5 to width - 0.5.
  return (
    pixel !== null &&
    pixel[0] > -0.5 &&
    pixel[0] < image.width - 0.5 &&
    pixel[1] > -0.5 &&
    pixel[1] < image.height - 0.5
  );
}

const share = <T>(all: readonly T[], holds: (one: T) => boolean): number => all.filter(holds).length / all.length;
const percent = (x: number): string => `${Math.round(100 * x)} %`;
const rounded = (m: Record<string, number>): Record<string, number> =>
  Object.fromEntries(Object.entries(m).map(([key, x]) => [key, Math.round(1e4 * x) / 1e4]));
