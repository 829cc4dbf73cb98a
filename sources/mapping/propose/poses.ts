/** Which fields may hold the pose of an end-effector, and how it is written there. */
import type { Sample } from '../../describe/description.ts';
import type { MappedPose } from '../schema.ts';
import {
  type Guesses,
  isDegrees,
  isMillimetres,
  isQuaternion,
  isRadians,
  isRotationMatrix,
  moves,
  type Part,
  part,
  refOf,
  whole,
} from './evidence.ts';

export type Side = 'right' | 'left' | 'only';

export interface PoseFound {
  readonly pose: Partial<MappedPose>;
  readonly guesses: Guesses;
  readonly side: Side;
  /** More is likelier. */
  readonly score: number;
  /** The vector that holds it, and the column behind it: a gripper often follows. */
  readonly sample: Sample;
  readonly end: number;
}

const HAND =
  /(^|[._/\s-])(ee|eef|tcp|end_?effector|effector|cartesian|flange|gripper_pose|hand_pose|tool|pose)([._/\s-]|\d|$)|eef|tcp|cartesian/i;
const NO_HAND =
  /joint|qpos|qvel|vel|delta|relative|camera|(^|[._/])cam|extrinsic|intrinsic|object|obj_|target_obj|robot_to_env|base_pose|armbase|torque|effort|force/i;
export const COMMAND = /(^|[._/])(master_)?actions?([._/_]|$)|command|cmd|target|goal|desired/i;

export function sideOf(text: string): Side {
  if (/(^|[._/\s-])(right|r)([._/\s-]|$)|right/i.test(text)) return 'right';
  return /(^|[._/\s-])(left|l)([._/\s-]|$)|left/i.test(text) ? 'left' : 'only';
}

/** All candidates, best first. @param key of the pose within the mapping is filled in by `rekeyed` */
export function posesIn(samples: readonly Sample[]): PoseFound[] {
  const steps = samples.filter(({ perStep, path }) => perStep && !NO_HAND.test(path));
  const found = [...steps.flatMap(inVector), ...steps.flatMap((sample) => paired(sample, steps))];
  return found.sort((a, b) => b.score - a.score);
}

function scoreOf(path: string): number {
  return (
    (HAND.test(path) ? 4 : 0) + (/obs|state/i.test(path) ? 2 : 0) - (COMMAND.test(path) ? 5 : 0) - path.length / 1000
  );
}

/** A pose within one field: a matrix, or a position with a rotation behind it. */
function inVector(sample: Sample): PoseFound[] {
  const { path, names, width } = sample;
  if (names.some((name) => /joint|motor|qpos/i.test(name)) && !names.some(isX)) return [];
  if ((width === 16 || width === 12) && isRotationMatrix(whole(sample)) && moves(whole(sample)))
    return [foundAt(sample, { from: 0, end: width, score: scoreOf(path) + 3, name: path, ...matrix(whole(sample)) })];
  // Rows of a rotation have length 1 too.
  if (isRotationMatrix(whole(sample))) return [];
  const starts = names.length === width ? names.flatMap((name, i) => (isX(name) ? [i] : [])) : [0];
  return starts.flatMap((from) => {
    const position = part(sample, from, 3);
    if (from + 6 > width || !moves(position)) return [];
    const name = `${path} ${names[from] ?? ''}`;
    const quaternion = part(sample, from + 3, 4);
    if (from + 7 <= width && isQuaternion(quaternion) && moves(quaternion)) {
      const order = quaternionOrder(
        `${path} ${names.slice(from + 3, from + 7).join(' ')}`,
        names.slice(from + 3, from + 7),
      );
      const score = scoreOf(path) + 3;
      return [foundAt(sample, { from, end: from + 7, score, name, ...joined(position, quaternion, order) })];
    }
    const angles = part(sample, from + 3, 3);
    // Three numbers prove nothing: only a name makes them angles of a hand.
    const named = names.length === width ? isX(names[from]!) && !/joint/i.test(names[from + 3] ?? '') : HAND.test(path);
    if (!named || !(isRadians(angles) || isDegrees(angles)) || !moves(angles)) return [];
    const kind = angleKind(`${path} ${names.slice(from + 3, from + 6).join(' ')}`, angles);
    return [foundAt(sample, { from, end: from + 6, score: scoreOf(path), name, ...joined(position, angles, kind) })];
  });
}

const isX = (name: string): boolean =>
  /(^|[._/\s-])(pos(ition)?[._]?)?x$/i.test(name) && !/q[._]?x$|quat|rot|axis/i.test(name);

/** A position with a rotation in a field beside it: `obs/tcp_mm`, `obs/tcp_quat`. */
function paired(sample: Sample, all: readonly Sample[]): PoseFound[] {
  if (sample.width !== 3 || !moves(whole(sample)) || /rot|euler|rpy|ori|angle|quat|axis/i.test(sample.path)) return [];
  const kin = all.filter((other) => other !== sample && folderOf(other.path) === folderOf(sample.path));
  const ranked = kin
    .map((other) => ({ other, common: commonPrefix(other.path, sample.path) }))
    .filter(
      ({ other }) =>
        (isQuaternion(whole(other)) || other.width === 9 || ANGLES.test(other.path)) && moves(whole(other)),
    )
    .sort((a, b) => b.common - a.common || a.other.width - b.other.width);
  return ranked.flatMap(({ other, common }) => {
    const score = scoreOf(sample.path) + (common - folderOf(sample.path).length) / 10;
    const at = { from: 0, end: 3, name: sample.path };
    const [position, rotation] = [whole(sample), whole(other)];
    if (other.width === 4) {
      const order = quaternionOrder(other.path, other.names);
      return [foundAt(sample, { ...at, score: score + 3, ...joined(position, rotation, order) })];
    }
    if (other.width === 9 && isRotationMatrix(rotation))
      return [
        foundAt(sample, {
          ...at,
          score: score + 2,
          ...joined(position, rotation, { rotationKind: 'matrix', guesses: [] }),
        }),
      ];
    if (other.width !== 3 || !(isRadians(rotation) || isDegrees(rotation))) return [];
    return [foundAt(sample, { ...at, score, ...joined(position, rotation, angleKind(other.path, rotation)) })];
  });
}

const ANGLES = /rot|euler|rpy|ori|angle|axis/i;
/** Everything up to the last name: fields of one group belong together. */
const folderOf = (path: string): string => path.slice(0, Math.max(path.lastIndexOf('/'), path.lastIndexOf('.')) + 1);
function commonPrefix(a: string, b: string): number {
  let i = 0;
  while (i < a.length && a[i] === b[i]) i++;
  return i;
}

type Written = Pick<PoseFound, 'pose' | 'guesses'>;

const foundAt = (
  sample: Sample,
  { pose, guesses, name, score, end }: Written & { name: string; score: number; from: number; end: number },
): PoseFound => ({ pose, guesses, side: sideOf(name), score, sample, end });

function matrix(of: Part): Written {
  return { pose: { matrix: refOf(of), ...unit(translationOf(of)).pose }, guesses: unit(translationOf(of)).guesses };
}

/** The last column of a matrix as three columns of their own. */
function translationOf({ sample, from, to }: Part): Part {
  const stride = (to - from) / (to - from === 16 ? 4 : 3);
  const values = new Float64Array(sample.rows * 3);
  for (let row = 0; row < sample.rows; row++)
    for (let k = 0; k < 3; k++) values[3 * row + k] = sample.values[row * sample.width + from + k * stride + 3]!;
  return whole({ ...sample, width: 3, values });
}

function joined(position: Part, rotation: Part, kind: Kind): Written {
  const { pose, guesses } = unit(position);
  const { guesses: more, ...written } = kind;
  return {
    pose: { position: refOf(position), ...pose, rotation: refOf(rotation), ...written },
    guesses: [...guesses, ...more],
  };
}

interface Kind extends Pick<MappedPose, 'rotationKind'> {
  readonly angles?: MappedPose['angles'];
  readonly guesses: Guesses;
}

function unit(position: Part): { pose: { metresPerUnit?: number }; guesses: Guesses } {
  if (!isMillimetres(position)) return { pose: {}, guesses: [] };
  const named = /(^|[._/])(.*_)?mm([._/]|$)/i.test(position.sample.path);
  return {
    pose: { metresPerUnit: 0.001 },
    guesses: named
      ? []
      : [
          {
            key: 'metresPerUnit',
            value: 0.001,
            why: 'the numbers are larger than an arm reaches in metres',
            check:
              'compare the range with the reach of the arm: millimetres are 0.001, centimetres 0.01, inches 0.0254',
          },
        ],
  };
}

function quaternionOrder(text: string, names: readonly string[]): Kind {
  const first = names[0] ?? '';
  const told = /wxyz/i.test(text) || /(^|[._/\s-])q?w$/i.test(first);
  const last = /xyzw/i.test(text) || /(^|[._/\s-])q?w$/i.test(names.at(-1) ?? '');
  if (told) return { rotationKind: 'wxyz', guesses: [] };
  if (last) return { rotationKind: 'xyzw', guesses: [] };
  return {
    rotationKind: 'xyzw',
    guesses: [
      {
        key: 'rotationKind',
        value: 'xyzw',
        why: 'four numbers of length 1 are a quaternion; its order no number tells',
        check: 'read the recorder: ROS, scipy and robosuite write xyzw; MuJoCo, SAPIEN and Isaac write wxyz',
      },
    ],
  };
}

function angleKind(text: string, of: Part): Kind {
  const angles = isDegrees(of) ? 'degrees' : 'radians';
  const degrees = angles === 'degrees' ? { angles: 'degrees' as const } : {};
  const inDegrees: Guesses =
    angles === 'degrees' && !/deg/i.test(text)
      ? [
          {
            key: 'angles',
            value: 'degrees',
            why: 'the numbers exceed two turns in radians',
            check: 'look for ±180 or ±90 in the range',
          },
        ]
      : [];
  const vector = /axis|rotvec|(^|[._/\s-])(rx|ax)($|[._/\s-])/i.test(text);
  const rotationKind = vector ? 'rotvec' : 'extrinsic-xyz';
  return {
    rotationKind,
    ...degrees,
    guesses: [
      ...inDegrees,
      {
        key: 'rotationKind',
        value: rotationKind,
        why: vector
          ? 'the name sounds like a rotation vector'
          : 'three angles; which axes and in which order no number tells',
        check:
          'extrinsic-xyz is R = Rz(c)·Ry(b)·Rx(a) (roll, pitch, yaw); others are intrinsic-xyz, extrinsic-zyx, intrinsic-zyx, rotvec',
      },
    ],
  };
}
