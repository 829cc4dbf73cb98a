/** A line of the Open X-Embodiment table → a dataset file. None of these sets has calibration. */
import { PrepError } from '../../../schemas/errors.ts';
import { composeRotations, type Rotation, rotationFromVector } from '../../../schemas/geometry.ts';
import { seriesOf } from '../../../schemas/pose-series.ts';
import type { RldsRecord } from '../../../schemas/records.ts';
import type { EpisodeIdentity, PoseSeries, SourceArm, SourceData } from '../../../schemas/source.ts';
import type { CameraSpec, DatasetSpec, EpisodePlace } from '../../../schemas/spec.ts';
import { opennessBy } from './gripper.ts';
import type { Columns, Gripper, OxeRow, PoseSource } from './row.ts';

export function oxeSpec(row: OxeRow): DatasetSpec<RldsRecord> {
  const arms = Array.isArray(row.poses) ? row.poses.length : 1;
  const missing = [row.poses, row.commanded].filter((one) => typeof one === 'string');
  return {
    name: row.name,
    version: 1,
    title: `${row.title} (Open X-Embodiment, RLDS)`,
    licence: row.licence ?? 'as its card says',
    format: 'rlds',
    containers: [row.container ?? row.name],
    clock: 'index',
    robots: { [row.robot]: { arms, hz: row.hz, eeOrigin: 'end effector as published', eeFromTool: null } },
    cameras: cameraSpecs(row),
    gripper: { action: commandOf(row), proprio: row.measured ? 'measured' : commandOf(row) },
    calibration: 'none',
    impossible:
      missing.length > 0
        ? `any action: ${missing.join('; ')}`
        : ['camera-frame actions: only --reference base', row.doubt].filter(Boolean).join('; '),
    identity: (record, place) => identity(row, record, place),
    data: (record) => data(row, record),
  };
}

/** A set without a usable command has its measured opening serve for both. */
const commandOf = ({ commanded }: OxeRow): 'commanded' | 'measured' =>
  typeof commanded !== 'string' && commanded.every(({ path }) => path.startsWith('observation/'))
    ? 'measured'
    : 'commanded';

function cameraSpecs({ cameras }: OxeRow): CameraSpec[] {
  let hands = 0;
  return Object.entries(cameras).map(([name, mount]): CameraSpec => {
    if (mount === 'fixed') return { name, mount, roles: ['third', 'third2'], principalPoint: 'centre' };
    const arm = hands++;
    return { name, mount, arm: 0, roles: [arm === 0 ? 'wrist' : 'wrist2'], principalPoint: 'centre' };
  });
}

function identity(row: OxeRow, record: RldsRecord, { container, split, index }: EpisodePlace): EpisodeIdentity {
  const id = `${container}/${split}/${index}`;
  const path = `steps/${row.language ?? 'language_instruction'}`;
  const text = record.has(path) ? instructionOf(record, path).trim() : '';
  return { id, sourceId: id, robot: row.robot, success: null, instructions: text === '' ? [] : [text], segments: [] };
}

/** A text, or (Language-Table) its code points, filled up with zeros. */
function instructionOf(record: RldsRecord, path: string): string {
  const values = record.values(path);
  if (!(values instanceof Float64Array)) return record.text(path);
  const first = values.subarray(0, Math.floor(values.length / record.steps));
  const end = first.indexOf(0);
  const points = [...first.subarray(0, end < 0 ? first.length : end)];
  return points.every((x) => Number.isInteger(x) && x > 0 && x < 0xd800) ? String.fromCodePoint(...points) : '';
}

function data(row: OxeRow, record: RldsRecord): SourceData {
  if (typeof row.poses === 'string') throw without('no-pose', 'an end-effector pose', row.poses);
  if (typeof row.commanded === 'string') throw without('no-openness', 'a gripper', row.commanded);
  const { commanded, measured } = row;
  const arms = row.poses.map((pose, arm): SourceArm => {
    const command = gripper(record, commanded[arm]!);
    const reading = measured?.[arm];
    return {
      pose: posesOf(record, pose),
      opennessMeasured: reading ? gripper(record, reading) : command,
      opennessCommanded: command,
    };
  });
  const shown = Object.keys(row.cameras).filter((name) => record.has(`steps/observation/${name}`));
  return {
    steps: record.steps,
    arms,
    cameras: shown.map((name) => ({
      name,
      ...record.images(`steps/observation/${name}`),
      ...(row.mirrored ? { appearance: { columnsReversed: true } } : {}),
    })),
  };
}

const without = (code: 'no-pose' | 'no-openness', expected: string, found: string): PrepError =>
  new PrepError({ code, expected, found });

const gripper = (record: RldsRecord, one: Gripper): Float64Array => opennessBy(one.rule, columns(record, one, 1));

function columns(record: RldsRecord, { path, from = 0, width }: Columns, count: number): Float64Array {
  const field = `steps/${path}`;
  const all = width ?? Math.max(1, Math.round(record.count(field) / record.steps));
  // Counted from the end where it is negative.
  const start = from < 0 ? all + from : from;
  const values = record.numbers(field, all);
  if (start + count > all)
    throw new PrepError({
      code: 'field-shape',
      at: { field },
      expected: `at least ${start + count} numbers per step`,
      found: `${all}`,
    });
  return values.filter((_, i) => i % all >= start && i % all < start + count);
}

function posesOf(record: RldsRecord, source: PoseSource): PoseSeries {
  if ('position' in source) {
    const [place, turn] = [columns(record, source.position, 3), columns(record, source.rotation, 3)];
    const values = new Float64Array(6 * record.steps);
    for (let i = 0; i < record.steps; i++)
      values.set([...place.subarray(3 * i, 3 * i + 3), ...turn.subarray(3 * i, 3 * i + 3)], 6 * i);
    return { kind: source.kind, values, field: `steps/${source.position.path} + ${source.rotation.path}` };
  }
  const field = `steps/${source.path}`;
  if (source.kind === 'xyz+extrinsic-zxy') return turnedZxy(columns(record, source, 6), field);
  if (source.kind !== 'matrix-columns') {
    const width = source.kind === 'xyz+wxyz' || source.kind === 'xyz+xyzw' ? 7 : 6;
    const { unit = 1 } = source;
    const values = columns(record, source, width).map((x, i) => (i % width < 3 ? unit * x : x));
    return { kind: source.kind, values, field };
  }
  const stored = columns(record, source, 16);
  const values = stored.map((_, i) => stored[16 * Math.floor(i / 16) + 4 * (i % 4) + Math.floor((i % 16) / 4)]!);
  return { kind: 'matrix', values, field };
}

/** `R = Ry(v₅)·Rx(v₄)·Rz(v₃)`: scipy's `from_euler('zxy')`. */
function turnedZxy(values: Float64Array, field: string): PoseSeries {
  const about = (axis: 0 | 1 | 2, angle: number): Rotation<'base', 'base'> =>
    rotationFromVector([0, 1, 2].map((k) => (k === axis ? angle : 0)));
  const poses = Array.from({ length: values.length / 6 }, (_, step) => {
    const v = values.subarray(6 * step, 6 * step + 6);
    const [z, x, y] = [about(2, v[3]!), about(0, v[4]!), about(1, v[5]!)];
    return { r: composeRotations(y, composeRotations(x, z)), t: v.slice(0, 3) };
  });
  return seriesOf(poses, field);
}
