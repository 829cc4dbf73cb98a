/** RH20T's cameras have clocks of their own: which frame of each belongs to which step. */
import { PrepError } from '../../../schemas/errors.ts';
import { framesOf } from '../../../schemas/frames.ts';
import { isDict, isNdArray, numbersOf } from '../../../schemas/python-data.ts';
import type { FilesRecord } from '../../../schemas/records.ts';
import { nearest } from '../../rigs/timed.ts';
import type { Rh20tConfig } from './robots.ts';

/** Milliseconds by which a frame may miss a step: at the usual 7 … 10 Hz it is at most 70. */
const FRAME_REACH = 250;
/** A camera that covers less of the longest recording than this would cut the episode short. */
const COVERAGE = 0.8;
/** A video whose frames and time stamps differ by more cannot be told apart from a damaged one. */
const FEW_FRAMES = 5;

export const nameOf = (serial: string): string => `cam_${serial}`;
/** Companion that holds the time stamps of a camera's frames. */
export const stamps = (serial: string): string => `${nameOf(serial)} timestamps`;
export const serialsOf = ({ fixed, hands }: Rh20tConfig): string[] => [...fixed, ...hands];

/** A camera with frames and the time (ms) of each. */
interface View {
  readonly serial: string;
  readonly onHand: boolean;
  readonly time: Float64Array;
}

export function viewsOf(record: FilesRecord, config: Rh20tConfig, notes: string[]): View[] {
  const views = serialsOf(config).flatMap((serial): View[] => {
    if (!record.has(nameOf(serial))) return [];
    const time = stampsOf(record, serial);
    const frames = framesOf(record.video(nameOf(serial)).frames);
    const out = (why: string): View[] => {
      notes.push(`${nameOf(serial)} is left out: ${why}`);
      return [];
    };
    if (time === undefined) return out('no timestamps.npy with a list of colour frames');
    if (Math.abs(time.length - frames) > FEW_FRAMES) return out(`${frames} frames for ${time.length} time stamps`);
    const count = Math.min(time.length, frames);
    if (time.length !== frames) notes.push(`${nameOf(serial)}: ${frames} frames, ${time.length} time stamps`);
    if (count === 0) return out('it has no frames');
    if (time.some((t, i) => i > 0 && t < time[i - 1]!)) return out('its time stamps do not ascend');
    return [{ serial, onHand: config.hands.includes(serial), time: time.subarray(0, count) }];
  });
  if (views.length > 0) return views;
  throw new PrepError({
    code: 'bad-video',
    expected: 'a camera with color.mp4 and timestamps.npy',
    found: notes.filter((note) => note.startsWith('cam_')).join('; ') || 'none',
  });
}

/** Pictures are named by their time; beside a video lies `{color: [ms, …], depth: […]}` (in some copies the list alone). */
function stampsOf(record: FilesRecord, serial: string): Float64Array | undefined {
  const names = record.names(nameOf(serial))?.map((name) => /^(\d{13})\.\w+$/.exec(name)?.[1]);
  if (names) return names.every((one) => one !== undefined) ? Float64Array.from(names, Number) : undefined;
  if (!record.has(stamps(serial))) return undefined;
  const value = record.npy(stamps(serial));
  const time = numbersOf(
    isDict(value) ? value.get('color') : Array.isArray(value) || isNdArray(value) ? value : undefined,
  );
  return time?.every(Number.isFinite) ? time : undefined;
}

interface Placed {
  readonly serial: string;
  /** Frame of each step. */
  readonly frames: readonly number[];
}

/**
 * The steps are the frames of the fixed camera with the most of them (the finest clock), as far as all cameras and the
 * robot were recorded; of every other camera each step gets the nearest frame.
 */
export function clockOf(
  views: readonly View[],
  known: (t: number) => boolean,
  notes: string[],
): { steps: Float64Array; cameras: Placed[] } {
  const rank = ({ onHand, time }: View): number => (onHand ? 0 : 2 ** 32) + time.length;
  const clock = views.reduce((best, view) => (rank(view) > rank(best) ? view : best));
  const span = (time: Float64Array): number => time.at(-1)! - time[0]!;
  const overlap = ({ time }: View): number =>
    Math.min(time.at(-1)!, clock.time.at(-1)!) - Math.max(time[0]!, clock.time[0]!);
  const long = views.filter((view) => overlap(view) >= COVERAGE * span(clock.time));
  for (const { serial } of views.filter((view) => !long.includes(view)))
    notes.push(`${nameOf(serial)} is left out: it covers less than ${100 * COVERAGE} % of the recording`);
  const from = Math.max(...long.map(({ time }) => time[0]!)) - FRAME_REACH;
  const to = Math.min(...long.map(({ time }) => time.at(-1)!)) + FRAME_REACH;
  const steps = clock.time.filter((t, i, all) => t !== all[i - 1] && t >= from && t <= to && known(t));
  if (steps.length < clock.time.length)
    notes.push(
      `${clock.time.length - steps.length} of ${clock.time.length} frames lie outside the recording of the robot or the other cameras`,
    );
  const cameras = long.flatMap(({ serial, time }): Placed[] => {
    const frames = Array.from(steps, (t) => nearest(time, t));
    const off = Math.max(0, ...frames.map((frame, i) => Math.abs(time[frame]! - steps[i]!)));
    if (off <= FRAME_REACH) return [{ serial, frames }];
    notes.push(`${nameOf(serial)} is left out: ${off} ms without a frame`);
    return [];
  });
  return { steps, cameras };
}
