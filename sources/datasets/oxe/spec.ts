/** A line of the Open X-Embodiment table → a dataset file. None of these sets has calibration. */
import { PrepError } from '../../../schemas/errors.ts';
import type { RldsRecord } from '../../../schemas/records.ts';
import type { EpisodeIdentity, SourceArm, SourceData } from '../../../schemas/source.ts';
import type { CameraSpec, DatasetSpec, EpisodePlace } from '../../../schemas/spec.ts';
import { placeId, said } from '../../fields/words.ts';
import { hand, scene } from '../../rigs/cameras.ts';
import { opennessBy } from './gripper.ts';
import { columnsOf, posesOf } from './poses.ts';
import type { Gripper, OxeRow } from './row.ts';

export function oxeSpec(row: OxeRow): DatasetSpec<RldsRecord> {
  const arms = Array.isArray(row.poses) ? row.poses.length : 1;
  const missing = [row.poses, row.commanded].filter((one) => typeof one === 'string');
  return {
    name: row.name,
    version: 1,
    title: `${row.title} (Open X-Embodiment, RLDS)`,
    licence: row.licence ?? 'differs by set: see its card',
    format: 'rlds',
    containers: [row.container ?? row.name],
    clock: 'index',
    robots: { [row.robot]: { arms, hz: row.hz, eeOrigin: 'end effector as published', eeFromTool: null } },
    cameras: cameraSpecs(row),
    gripper: { action: commandOf(row), proprio: row.measured ? 'measured' : commandOf(row) },
    calibration: 'none',
    impossible:
      missing.length > 0
        ? `actions of any kind: ${missing.join('; ')}`
        : ['camera-frame actions (only --reference base)', row.doubt].filter(Boolean).join('; '),
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
    if (mount === 'fixed') return scene(name);
    return { ...hand(name, hands++ === 0 ? 0 : 1), arm: 0 };
  });
}

function identity(row: OxeRow, record: RldsRecord, place: EpisodePlace): EpisodeIdentity {
  const id = placeId(place);
  const path = `steps/${row.language ?? 'language_instruction'}`;
  const text = record.has(path) ? instructionOf(record, path) : '';
  return { id, sourceId: id, robot: row.robot, success: null, instructions: said([text]), segments: [] };
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

const gripper = (record: RldsRecord, one: Gripper): Float64Array => opennessBy(one.rule, columnsOf(record, one, 1));
