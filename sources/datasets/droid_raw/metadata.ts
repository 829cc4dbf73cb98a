/** What the metadata and annotations beside a raw recording of DROID say of it. Facts: formats §1.2. */
import type { FilesRecord } from '../../../schemas/records.ts';
import type { PublishedPose } from '../../../schemas/source.ts';
import { said } from '../../fields/words.ts';

/** Camera names are those of the RLDS release, so that its tables and these mix; → key of its serial in the metadata. */
export const SERIALS = {
  exterior_image_1_left: 'ext1_cam_serial',
  exterior_image_2_left: 'ext2_cam_serial',
  wrist_image_left: 'wrist_cam_serial',
} as const;
export type View = keyof typeof SERIALS;
export const VIEWS = Object.keys(SERIALS) as View[];

type Told = Readonly<Record<string, unknown>>;

export const metadata = (record: FilesRecord): Told =>
  record.has('metadata') ? (record.json('metadata') as Record<string, unknown>) : {};

/** From the metadata, else from `camera_type`: 0 is the hand's, the others are numbered in sorted order. */
export function serialsOf(record: FilesRecord): Record<View, string> {
  const told = metadata(record);
  const types = record.hdf5().has('observation/camera_type') ? record.hdf5().keys('observation/camera_type') : [];
  const onHand = (serial: string): boolean => record.hdf5().numbers(`observation/camera_type/${serial}`)[0] === 0;
  const outer = types.filter((serial) => !onHand(serial)).sort();
  const guess: Record<View, string | undefined> = {
    exterior_image_1_left: outer[0],
    exterior_image_2_left: outer[1],
    wrist_image_left: types.find(onHand),
  };
  return Object.fromEntries(VIEWS.map((view) => [view, String(told[SERIALS[view]] ?? guess[view] ?? '')])) as Record<
    View,
    string
  >;
}

/** Annotations are by uuid; without them the task that the operator was given. */
export function instructions(record: FilesRecord, told: Told): string[] {
  const all = record.has('annotations') ? (record.json('annotations') as Record<string, Record<string, unknown>>) : {};
  const own = Object.values(all[String(told.uuid)] ?? {});
  return said(own.length > 0 ? own : [told.current_task]);
}

/** The metadata repeat the pose at the first step, as six numbers or as an object that holds them. */
export function toldPose(told: Told, view: View): PublishedPose | null {
  const field = SERIALS[view].replace('serial', 'extrinsics');
  const value = told[field];
  const list = Array.isArray(value) ? value : (value as { extrinsics?: unknown } | null | undefined)?.extrinsics;
  if (!Array.isArray(list) || list.length !== 6 || !list.every((x) => typeof x === 'number')) return null;
  return { kind: 'xyz+extrinsic-xyz', values: Float64Array.from(list), field: `metadata ${field}` };
}
