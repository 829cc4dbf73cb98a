/** Cameras of a proposal: roles by name, and fields that may hold their poses and intrinsics. */
import type { Role } from '../../../schemas/episode.ts';
import type { CameraDescription, Sample } from '../../describe/description.ts';
import type { MappedPose, WrittenMapping } from '../schema.ts';
import { type Guesses, isQuaternion, isRotationMatrix, part, rangesOf, refOf, whole } from './evidence.ts';
import { sideOf } from './poses.ts';

export interface CameraFound {
  readonly camera: WrittenMapping['cameras'][number];
  readonly guesses: Guesses;
  readonly calibrated: boolean;
}

export type Order = 'wxyz' | 'xyzw';

const ON_HAND = /wrist|(^|[._/\s-])hand|gripper|eye_in_hand|eih|ego|in_?hand|tool/i;

/** @param order of the arm's quaternions, which a recorder uses for its cameras too */
export function camerasIn(
  cameras: readonly CameraDescription[],
  samples: readonly Sample[],
  { arms, order }: { arms: number; order: Order },
): CameraFound[] {
  const colour = cameras.filter(({ depth, frames, codec }) => !depth && frames > 0 && codec !== 'unknown');
  const names = shortNames(colour.map(({ field }) => field));
  const alone = colour.length === 1;
  let exterior = 0;
  return colour.map(({ field, files }, i) => {
    const name = names[i]!;
    const hand = ON_HAND.test(name);
    const role: Role = hand
      ? arms > 1 && sideOf(name) === 'left'
        ? 'wrist2'
        : 'wrist'
      : exterior++ === 1
        ? 'third2'
        : 'third';
    const guesses: Guesses = [];
    // One camera that is called neither says nothing of its place.
    if (!hand && !/front|side|third|head|top|scene|ext|agent|base|cam_high|overhead|left|right/i.test(name) && !alone)
      guesses.push({
        key: 'role',
        value: role,
        why: 'the name does not say where the camera is',
        check: 'look at a picture: wrist (and mount hand) for one that moves with the arm',
      });
    const pose = poseFor({ name, frames: field, order }, samples);
    const intrinsics = samples.find((one) => belongs(one.path, name, field) && isIntrinsics(one));
    guesses.push(...(pose?.guesses ?? []));
    return {
      camera: {
        ...{ name, frames: field, role },
        ...(hand ? { mount: 'hand' as const } : {}),
        ...(files && files.missing > 0 ? { optional: true } : {}),
        ...(pose ? { pose: pose.pose } : {}),
        ...(intrinsics ? { intrinsics: intrinsics.path } : {}),
      },
      guesses,
      calibrated: pose !== null,
    };
  });
}

/** The part of the names that differs: `observation.images.front` → `front`, `obs/front/rgb` → `front`. */
function shortNames(fields: readonly string[]): string[] {
  const plain = fields.map((field) => {
    const parts = field
      .split(/[./]/)
      .filter(
        (one) =>
          !/^(obs|observations?|steps|images?|rgb|color|colour|data|pixels|video|frames|camera|cameras)$/i.test(one),
      );
    return parts.at(-1)?.replace(/_(rgb|image|color)$/i, '') || field;
  });
  return plain.map((name, i) =>
    plain.indexOf(name) === plain.lastIndexOf(name) ? name : fields[i]!.replaceAll(/[./]/g, '_'),
  );
}

/** A field that names the camera, or lies beside its frames. */
function belongs(path: string, name: string, frames: string): boolean {
  const beside = frames.includes('/') && path.startsWith(frames.slice(0, frames.lastIndexOf('/') + 1));
  return (
    path.toLowerCase().includes(name.toLowerCase()) ||
    (beside && !/images?\/$/.test(frames.slice(0, frames.lastIndexOf('/') + 1)))
  );
}

const POSE =
  /extrinsic|pose|c2w|w2c|cam(era)?_?(2|to|from|in)_?(base|world|robot)|(base|world|robot)_?(2|to|from)_?cam|transform|(^|[._/])T_/i;
const INVERSE = /w2c|(base|world|robot)_?(2|to)_?cam|cam(era)?_?from_?(base|world|robot)/i;
const FORWARD = /c2w|cam(era)?.*(2|_to_)_?(base|world|robot)|(base|world|robot)_?from_?cam|cam_in_/i;

function poseFor({ name, frames, order }: { name: string; frames: string; order: Order }, samples: readonly Sample[]) {
  const named = samples.filter((one) => belongs(one.path, name, frames) && POSE.test(one.path));
  for (const sample of named) {
    const written = poseWritten(sample, order);
    if (!written) continue;
    const direction = INVERSE.test(sample.path) ? ('cam-from-base' as const) : ('base-from-cam' as const);
    const guesses: Guesses = [...written.guesses];
    if (!INVERSE.test(sample.path) && !FORWARD.test(sample.path))
      guesses.push({
        key: 'pose.direction',
        value: direction,
        why: 'the name does not say from where to where',
        check: 'a translation of base-from-cam is where the camera stands; else cam-from-base',
      });
    const opengl = /(^|[._/])(.*_)?gl$|opengl/i.test(sample.path);
    if (opengl) return { pose: { ...written.pose, direction, axes: 'opengl' as const }, guesses };
    guesses.push({
      key: 'pose.axes',
      value: 'opencv',
      why: 'camera axes no number tells',
      check: 'opencv looks along +z with y down, opengl along -z with y up; project the hand into a picture',
    });
    return { pose: { ...written.pose, direction }, guesses };
  }
  return null;
}

function poseWritten(sample: Sample, order: Order): { pose: MappedPose; guesses: Guesses } | null {
  if ((sample.width === 16 || sample.width === 12) && isRotationMatrix(whole(sample)))
    return { pose: { matrix: sample.path }, guesses: [] };
  if (sample.width !== 7 || !isQuaternion(part(sample, 3, 4))) return null;
  const told: Order | null =
    /wxyz/i.test(sample.path) || /w$/i.test(sample.names[3] ?? '')
      ? 'wxyz'
      : /xyzw/i.test(sample.path) || /w$/i.test(sample.names[6] ?? '')
        ? 'xyzw'
        : null;
  const pose: MappedPose = {
    position: refOf(part(sample, 0, 3)),
    rotation: refOf(part(sample, 3, 4)),
    rotationKind: told ?? order,
  };
  const guess = {
    key: 'pose.rotationKind',
    value: order,
    why: 'the order of a quaternion no number tells',
    check: 'wxyz or xyzw: as the recorder writes the arm',
  };
  return { pose, guesses: told ? [] : [guess] };
}

function isIntrinsics(sample: Sample): boolean {
  if (!/intrinsic|(^|[._/])k$|_k$|camera_matrix|cam_mat/i.test(sample.path)) return false;
  const ranges = rangesOf(whole(sample));
  if (sample.width === 4) return ranges.every(({ min }) => min > 0);
  return sample.width === 9 && ranges[0]!.min > 0 && ranges[4]!.min > 0 && ranges[8]!.min === 1;
}
