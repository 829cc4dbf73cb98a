/** What the release says of where RH20T's cameras are: its calibration, and its own pairs of poses. */
import { compose, invert, type Rigid } from '../../../schemas/geometry.ts';
import { poseFromSeries, seriesOf } from '../../../schemas/pose-series.ts';
import { numbersOf, type PyValue } from '../../../schemas/python-data.ts';
import type { FilesRecord } from '../../../schemas/records.ts';
import type { PublishedPose, SourceCamera } from '../../../schemas/source.ts';
import { pinhole } from '../../fields/columns.ts';
import { around, type Timed } from '../../rigs/timed.ts';
import { rh20tPoses, samePlace } from './calibration.ts';
import { nameOf } from './clock.ts';
import { ofDict, posesOf } from './robot.ts';
import type { Rh20tConfig } from './robots.ts';

/** Size that the intrinsics are of; the videos are half of it. */
const CALIBRATED = { width: 1280, height: 720 } as const;

type Published = Pick<SourceCamera, 'pose' | 'intrinsics'>;

/** By serial, what to add to a camera. Contradictions go to `notes`. */
export function publisherOf(
  record: FilesRecord,
  config: Rh20tConfig,
  { poses, notes }: { poses: Timed; notes: string[] },
): (serial: string) => Published {
  const npy = (name: string): PyValue => (record.has(name) ? record.npy(name) : null);
  const [extrinsics, tcp, lenses] = [npy('calib_extrinsics'), npy('calib_tcp'), npy('calib_intrinsics')];
  const chain = rh20tPoses(config, extrinsics !== null && tcp !== null ? { extrinsics, tcp } : null);
  const onHand = (serial: string): PublishedPose | undefined => {
    const eeFromCam = chain.eeFromCam(serial);
    return eeFromCam ? { ...seriesOf([eeFromCam], 'tc_mat'), parent: 'ee' } : undefined;
  };
  const fixed = (serial: string): PublishedPose | undefined => {
    const [calibrated, paired] = [chain.camFromBase(serial), pairOf(record, serial, poses)];
    if (calibrated && paired && !samePlace(calibrated, paired)) {
      notes.push(`${nameOf(serial)}: calib and transformed/tcp.npy place it differently: neither is used`);
      return undefined;
    }
    const camFromBase = calibrated ?? paired;
    const field = calibrated ? 'calib/extrinsics.npy' : 'transformed/tcp.npy';
    return camFromBase ? { ...seriesOf([camFromBase], field), direction: 'cam-from-base' } : undefined;
  };
  return (serial) => {
    const pose = config.hands.includes(serial) ? onHand(serial) : fixed(serial);
    const k = numbersOf(ofDict(lenses, serial));
    const values = k?.length === 12 ? pinhole(k, 12) : undefined;
    return {
      ...(pose ? { pose } : {}),
      ...(values ? { intrinsics: { values, ...CALIBRATED, field: 'calib/intrinsics.npy' } } : {}),
    };
  };
}

/**
 * Where the release's own pair of poses puts a fixed camera: `camFromEe · baseFromEe⁻¹`, null unless first, middle and last
 * pair agree (of a camera on the hand, or of values that were not aligned, they do not).
 */
function pairOf(record: FilesRecord, serial: string, poses: Timed): Rigid<'cam', 'base'> | null {
  if (!record.has('tcp')) return null;
  const inCam = posesOf(record, 'tcp', [], serial);
  const both = Array.from(inCam.time.keys()).flatMap((i) => {
    const at = around(poses.time, inCam.time[i]!, 0);
    return at ? [[i, at[0]] as const] : [];
  });
  const series = ({ values }: Timed) => ({ kind: 'xyz+wxyz', values, field: 'transformed/tcp' }) as const;
  const places = [0, 0.5, 1].flatMap((share) => {
    const pair = both[Math.floor(share * (both.length - 1))];
    if (!pair) return [];
    const camFromEe = poseFromSeries<'cam', 'ee'>(series(inCam), pair[0]);
    return [compose<'cam', 'ee', 'base'>(camFromEe, invert(poseFromSeries<'base', 'ee'>(series(poses), pair[1])))];
  });
  const [first] = places;
  return first && places.every((one) => samePlace(one, first)) ? first : null;
}
