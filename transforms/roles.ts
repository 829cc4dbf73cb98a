/** Which camera fills which role of an episode, and whether the reference that the options ask for is there. */
import type { Camera, Role } from '../schemas/episode.ts';
import { type Code, PrepError } from '../schemas/errors.ts';
import type { LabelOptions, PixelOptions } from '../schemas/options.ts';
import type { CameraSpec } from '../schemas/spec.ts';

export interface Cast {
  readonly roles: Readonly<Partial<Record<Role, Camera>>>;
  /** Camera in whose axes the labels are given; null for `--reference base`. */
  readonly reference: Camera | null;
}

/** An episode that is sound but that these options cannot use. */
export interface Rejection {
  readonly code: Code;
  readonly detail: string;
}

/** Roles of a table, in their fixed order, each with the source cameras that may fill it. */
export function tableRoles(specs: readonly CameraSpec[], pixels: PixelOptions): Partial<Record<Role, string[]>> {
  const fixed = namesFor(specs, 'third');
  const listed: Partial<Record<Role, string[]>> = {};
  const named = (option: string, value: string): string => {
    if (fixed.includes(value)) return value;
    throw new PrepError({
      code: 'bad-option',
      at: { field: option },
      expected: `${option === '--third' ? 'best' : 'none, other'} or one of ${fixed.join(', ')}`,
      found: value,
    });
  };
  // A camera asked for by name as the second is not the best first one.
  const free = fixed.filter((name) => name !== pixels.third2);
  if (fixed.length > 0) listed.third = pixels.third === 'best' ? free : [named('--third', pixels.third)];
  if (pixels.third2 === 'other') listed.third2 = fixed.length > 1 ? others(fixed, listed.third ?? []) : [];
  else if (pixels.third2 !== 'none') listed.third2 = [named('--third2', pixels.third2)];
  if (
    listed.third2?.length === 0 ||
    listed.third?.length === 0 ||
    (pixels.third2 !== 'none' && pixels.third2 === pixels.third)
  )
    throw new PrepError({
      code: 'bad-option',
      at: { field: '--third2' },
      expected: 'a second exterior camera',
      found: pixels.third2,
    });
  for (const role of ['wrist', 'wrist2'] as const) {
    const names = namesFor(specs, role);
    if (names.length > 0) listed[role] = names;
  }
  return listed;
}

const namesFor = (specs: readonly CameraSpec[], role: Role): string[] =>
  specs.filter((spec) => spec.roles.includes(role)).map((spec) => spec.name);
const others = (fixed: readonly string[], third: readonly string[]): string[] =>
  third.length === 1 ? fixed.filter((name) => name !== third[0]) : [...fixed];

/**
 * Roles of one episode. Deterministic: best usable source (`policy` names the sources, best first, `>` between them), then
 * the order of names.
 */
export function castRoles(
  cameras: readonly Camera[],
  listed: Partial<Record<Role, readonly string[]>>,
  { pixels, policy }: { readonly pixels: PixelOptions; readonly policy: string },
): Partial<Record<Role, Camera>> {
  const sources = policy.split('>').map((source) => source.trim());
  const able = (role: Role): Camera[] => cameras.filter((camera) => listed[role]?.includes(camera.name));
  const roles: Partial<Record<Role, Camera>> = {};
  const third = best(able('third'), sources, pixels.third === 'best');
  if (third) roles.third = third;
  const second = best(
    able('third2').filter((camera) => camera !== third),
    sources,
    pixels.third2 === 'other',
  );
  if (second) roles.third2 = second;
  for (const role of ['wrist', 'wrist2'] as const) {
    const hand = able(role)[0];
    if (hand) roles[role] = hand;
  }
  return roles;
}

const QUALITY = { good: 0, unchecked: 0, suspect: 1, unusable: 2 } as const;

function best(cameras: readonly Camera[], sources: readonly string[], ranked: boolean): Camera | undefined {
  const rank = ({ calibration, baseFromCam }: Camera): [number, number] => {
    const place = sources.indexOf(calibration.source);
    // What the policy does not name counts as the release's own; no pose at all comes last.
    return [
      QUALITY[calibration.quality],
      baseFromCam === null ? sources.length + 1 : place < 0 ? sources.length : place,
    ];
  };
  const order = (a: Camera, b: Camera): number => {
    const [x, y] = [rank(a), rank(b)];
    return x[0] - y[0] || x[1] - y[1] || (a.name < b.name ? -1 : 1);
  };
  return ranked ? [...cameras].sort(order)[0] : cameras[0];
}

/** The reference camera of the labels, or why the episode cannot have one. */
export function chooseReference(
  roles: Partial<Record<Role, Camera>>,
  reference: LabelOptions['reference'],
): Cast | Rejection {
  if (reference === 'base') return { roles, reference: null };
  const camera = roles[reference];
  if (camera?.baseFromCam) return { roles, reference: camera };
  const why = camera
    ? `${camera.name}: ${camera.calibration.detail ?? camera.calibration.reason}`
    : `no camera in the role ${reference}`;
  return {
    code: 'no-extrinsics',
    detail: `no usable rotation of the reference camera (${reference}); ${why}; give side files with --calibration where the dataset has them, another camera with --third or --reference, or --reference base`,
  };
}

export const isRejection = (cast: Cast | Rejection): cast is Rejection => 'code' in cast;
