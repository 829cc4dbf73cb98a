/** What RH20T recorded of the arm and the gripper: `transformed/tcp_base.npy` (or `tcp.npy`) and `gripper.npy`. */
import { PrepError } from '../../../schemas/errors.ts';
import { isDict, numbersOf, type PyKey, type PyValue } from '../../../schemas/python-data.ts';
import type { FilesRecord } from '../../../schemas/records.ts';
import { type Timed, timed } from '../../rigs/timed.ts';
import type { Rh20tConfig } from './robots.ts';

/** Controllers report numbers of 1e36 now and then; no arm reaches this far (m). */
const REACH = 5;

export const ofDict = (value: PyValue | undefined, key: PyKey): PyValue | undefined =>
  isDict(value) ? value.get(key) : undefined;

function dictOf(record: FilesRecord, name: string): ReadonlyMap<PyKey, PyValue> {
  const value = record.npy(name);
  if (isDict(value)) return value;
  throw new PrepError({
    code: 'field-shape',
    at: { file: record.pathOf(name) },
    expected: 'a dict by camera serial',
    found: 'another value',
  });
}

/** Poses of `{serial: [{timestamp, tcp}]}`, all cameras' or one's. Many entries hold None where the controller was silent. */
export function posesOf(record: FilesRecord, name: string, notes: string[] = [], serial?: string): Timed {
  if (!record.has(name))
    throw new PrepError({
      code: 'no-pose',
      at: { field: `transformed/${name}.npy` },
      expected: 'end-effector poses',
      found: 'no such file',
    });
  const dict = dictOf(record, name);
  const lists = serial === undefined ? [...dict.values()] : [dict.get(serial)];
  const entries = lists.flatMap((list) => (Array.isArray(list) ? (list as readonly PyValue[]) : []));
  const rows = entries.flatMap((entry) => {
    const [time, row] = [numbersOf(ofDict(entry, 'timestamp'))?.[0], numbersOf(ofDict(entry, 'tcp'))];
    return time !== undefined && row?.length === 7 && sound(row) ? [{ time, row }] : [];
  });
  if (rows.length < entries.length)
    notes.push(`${entries.length - rows.length} of ${entries.length} poses hold no pose`);
  if (rows.length > 0 || serial !== undefined) return timed(rows, 7);
  throw new PrepError({
    code: 'no-pose',
    at: { file: record.pathOf(name) },
    expected: 'end-effector poses (m)',
    found: `none in ${entries.length} entries`,
  });
}

/** The publisher's own rule (no NaN, not all zero), and within reach. */
const sound = (row: Float64Array): boolean =>
  row.every(Number.isFinite) && row.some((x) => x !== 0) && row.subarray(0, 3).every((x) => Math.abs(x) < REACH);

/** Openness of `{serial: {timestamp: {gripper_info, gripper_command}}}`; both begin with the width in millimetres. */
export function gripperOf(
  record: FilesRecord,
  { openMillimetres }: Rh20tConfig,
): { measured: Timed; commanded: Timed } {
  const at = { field: 'transformed/gripper.npy' };
  if (!record.has('gripper'))
    throw new PrepError({ code: 'no-openness', at, expected: 'gripper widths', found: 'no such file' });
  const entries = [...dictOf(record, 'gripper').values()].flatMap((dict) => (isDict(dict) ? [...dict] : []));
  const openness = (field: string): Timed =>
    timed(
      entries.flatMap(([time, entry]) => {
        const width = numbersOf(ofDict(entry, field))?.[0];
        return typeof time === 'number' && width !== undefined && Number.isFinite(width)
          ? [{ time, row: [width / openMillimetres] }]
          : [];
      }),
      1,
    );
  const [measured, commanded] = [openness('gripper_info'), openness('gripper_command')];
  if (measured.time.length === 0 && commanded.time.length === 0)
    throw new PrepError({
      code: 'no-openness',
      at,
      expected: 'gripper widths',
      found: `none in ${entries.length} entries`,
    });
  if (commanded.time.length === 0) return { measured, commanded: measured };
  return measured.time.length === 0 ? { measured: commanded, commanded } : { measured, commanded };
}
