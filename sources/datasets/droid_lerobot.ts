/** DROID as LeRobot's own port wrote it (v2.1, v3.0). Facts: formats §1.5, §1.6. */
import { PrepError } from '../../schemas/errors.ts';
import type { LerobotRecord } from '../../schemas/records.ts';
import type { EpisodeIdentity, PublishedPose, SourceCamera, SourceData } from '../../schemas/source.ts';
import type { DatasetSpec, EpisodePlace } from '../../schemas/spec.ts';
import { placeId, saidOnce } from '../fields/words.ts';
import { exteriorZed, FRANKA_ROBOTIQ, wristZed } from '../rigs/franka-zed.ts';

const CAMERAS = ['exterior_1_left', 'exterior_2_left', 'wrist_left'] as const;
const POSE = 'observation.state.cartesian_position';
/** Episodes of the full port that its users found broken and leave out (BayesVLA's training code lists them). */
const KNOWN_BAD: ReadonlySet<number> = new Set([11907, 14419, 24440, 64837, 64871]);

export default {
  name: 'droid_lerobot',
  version: 1,
  title: 'DROID (LeRobot port)',
  licence: 'CC BY 4.0 (the card of the port: Apache-2.0)',
  format: 'lerobot',
  accepts: ({ features }) => (Object.hasOwn(features, POSE) ? null : `no feature ${POSE}`),
  clock: 'index',
  robots: { franka_robotiq: FRANKA_ROBOTIQ },
  cameras: [exteriorZed('exterior_1_left'), exteriorZed('exterior_2_left'), wristZed('wrist_left')],
  gripper: { action: 'commanded', proprio: 'measured' },
  calibration: 'columns camera_extrinsics.* of the port (noisy; all zero in some copies)',
  impossible:
    'intrinsics of each camera itself (the mean over all robots is used and flagged); better camera poses, because the port names no episode of the original',
  identity,
  data,
} satisfies DatasetSpec<LerobotRecord>;

function identity(record: LerobotRecord, place: EpisodePlace): EpisodeIdentity {
  if (KNOWN_BAD.has(record.index))
    throw new PrepError({
      code: 'excluded',
      at: { field: 'episode_index' },
      expected: 'an episode that is sound',
      found: `episode ${record.index}, which the port is known to have broken`,
    });
  const languages = ['', '_2', '_3']
    .map((suffix) => `language_instruction${suffix}`)
    .filter((name) => record.has(name));
  const texts = [...languages.map((name) => record.texts(name)[0] ?? ''), record.tasks()[0] ?? ''];
  const success = 'is_episode_successful';
  const id = placeId(place);
  return {
    id,
    sourceId: id,
    robot: 'franka_robotiq',
    success: record.has(success) ? record.numbers(success, 1)[0] === 1 : null,
    instructions: saidOnce(texts),
    segments: [],
    hz: record.info.fps,
  };
}

function data(record: LerobotRecord): SourceData {
  const open = (field: string): Float64Array => record.numbers(field, 1).map((x) => 1 - x);
  return {
    steps: record.steps,
    arms: [
      {
        pose: { kind: 'xyz+extrinsic-xyz', values: record.numbers(POSE, 6), field: POSE },
        opennessMeasured: open('observation.state.gripper_position'),
        opennessCommanded: open('action.gripper_position'),
      },
    ],
    cameras: CAMERAS.flatMap((name): SourceCamera[] => {
      const feature = `observation.images.${name}`;
      if (!record.has(feature)) return [];
      const pose = releasedPose(record, `camera_extrinsics.${name}`);
      return [{ name, ...record.images(feature), ...(pose ? { pose } : {}) }];
    }),
    ...(record.has('action.joint_velocity')
      ? { jointVelocityCommand: { width: 7, values: record.numbers('action.joint_velocity', 7) } }
      : {}),
  };
}

/** The same six numbers in every row: the pose at the first, which for the wrist camera moves with the hand. */
function releasedPose(record: LerobotRecord, field: string): PublishedPose | null {
  if (!record.has(field)) return null;
  return { kind: 'xyz+extrinsic-xyz', values: record.numbers(field, 6).slice(0, 6), field };
}
