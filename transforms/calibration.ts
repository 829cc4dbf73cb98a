/**
 * From published numbers to cameras that may be used: each candidate pose is judged by what numbers alone can show
 * (formats §8), the best usable source wins, and the verdict with its measures goes to the ledger. Nothing is invented:
 * a camera without a usable pose keeps `baseFromCam: null`. A check that measures in the pixels would turn `unchecked`
 * into `good` or `suspect` right after `calibrateCamera`, from the same `Camera` value.
 */
import type {
  Camera,
  CameraCalibration,
  CameraFacts,
  Episode,
  PoseCandidate,
  SourceCamera,
} from '../schemas/episode.ts';
import { type Code, type Place, PrepError } from '../schemas/errors.ts';
import { compose, invert, type Rigid, rigidFromMatrix, rigidFromVec6 } from '../schemas/geometry.ts';
import type { CameraSpec, RobotSpec } from '../schemas/spec.ts';
import { type Judgement, judgeFixed, judgeHand } from './camera-geometry.ts';
import { fromCorner, publishedIntrinsics, scaleIntrinsics } from './intrinsics.ts';

/** What calibrating one episode needs. */
export interface CalibrationInput {
  readonly episode: Episode;
  readonly robot: RobotSpec;
  readonly specs: readonly CameraSpec[];
  readonly facts: Readonly<Record<string, CameraFacts>>;
}

/** Every camera of the episode, calibrated as far as its sources allow. Order of the dataset's camera list. */
export function calibrate(input: CalibrationInput): Camera[] {
  return input.episode.cameras.map((camera) => {
    const spec = input.specs.find((s) => s.name === camera.name)!;
    return calibrateCamera(input, camera, spec);
  });
}

function calibrateCamera(input: CalibrationInput, camera: SourceCamera, spec: CameraSpec): Camera {
  const facts = input.facts[camera.name];
  const lens = chooseIntrinsics(camera, spec, facts);
  const released = input.episode.released[camera.name];
  const candidates = [...(facts?.poses ?? []), ...(released ? [{ source: 'release', vec6: released }] : [])];
  const verdicts = candidates.map((candidate) => judge(input, { camera, spec, candidate, lens }));
  const order = { good: 0, unchecked: 0, suspect: 1, unusable: 2 } as const;
  const chosen = [...verdicts].sort((a, b) => order[a.quality] - order[b.quality])[0];
  const faults = [
    ...verdicts.filter((v) => v.detail),
    ...(lens.fault ? [{ source: lens.source, detail: lens.fault }] : []),
  ];
  const usable = chosen !== undefined && chosen.quality !== 'unusable';
  const calibration: CameraCalibration = {
    source: usable ? chosen.source : 'none',
    intrinsics_source: lens.source,
    quality: chosen?.quality ?? 'unusable',
    reason: chosen ? (chosen.reason ?? verdicts.find((v) => v.reason)?.reason ?? lens.reason) : 'missing-calibration',
    detail: faults.map((v) => `${v.source}: ${v.detail}`).join('; ') || null,
    measures: chosen?.measures ?? {},
  };
  return {
    name: camera.name,
    width: camera.width,
    height: camera.height,
    intrinsics: lens.k,
    assumedIntrinsics: lens.source === 'assumed',
    baseFromCam: usable ? chosen.poses : null,
    calibration,
  };
}

interface Lens {
  readonly k: Camera['intrinsics'];
  readonly source: string;
  readonly reason: Code | null;
  readonly fault: string | null;
}

/** Side file, else the fleet mean (flagged), else unknown. A published entry that fails its rules is named, never used. */
function chooseIntrinsics(camera: SourceCamera, spec: CameraSpec, facts: CameraFacts | undefined): Lens {
  let [reason, fault]: [Code | null, string | null] = [null, null];
  if (facts?.intrinsics)
    try {
      const k = publishedIntrinsics(facts.intrinsics, camera);
      const centred = spec.principalPoint === 'corner' ? fromCorner(k) : k;
      return { k: centred, source: facts.intrinsics.source, reason: null, fault: null };
    } catch (error) {
      if (!(error instanceof PrepError)) throw error;
      [reason, fault] = [error.code, error.message];
    }
  if (!spec.assumed || camera.width === 0) return { k: null, source: 'none', reason, fault };
  return { k: scaleIntrinsics(spec.assumed, spec.assumed, camera), source: 'assumed', reason, fault };
}

interface Verdict extends Judgement {
  readonly source: string;
  readonly poses: readonly Rigid<'base', 'cam'>[] | null;
}

function judge(
  input: CalibrationInput,
  what: { camera: SourceCamera; spec: CameraSpec; candidate: PoseCandidate; lens: Lens },
): Verdict {
  const { camera, spec, candidate, lens } = what;
  const poses = input.episode.arms[spec.arm ?? 0]!.baseFromEe;
  const at: Place = { camera: camera.name, ...(candidate.serial ? { serial: candidate.serial } : {}) };
  try {
    const published = poseOf(candidate, at);
    const eeFromTool = input.robot.eeFromTool ? rigidFromMatrix<'ee', 'tool'>(input.robot.eeFromTool) : null;
    const image = { width: camera.width, height: camera.height, k: lens.k };
    if (spec.mount === 'fixed')
      return { ...judgeFixed(published, poses, { eeFromTool, image }), source: candidate.source, poses: [published] };
    const eeFromCam = compose<'ee', 'base', 'cam'>(invert(poses[0]!), published);
    const moving = poses.map((pose) => compose<'base', 'ee', 'cam'>(pose, eeFromCam));
    return { ...judgeHand(eeFromCam, spec.mean, { eeFromTool, image }), source: candidate.source, poses: moving };
  } catch (error) {
    if (!(error instanceof PrepError)) throw error;
    return {
      quality: 'unusable',
      reason: error.code,
      detail: error.message,
      measures: {},
      source: candidate.source,
      poses: null,
    };
  }
}

/**
 * Six published numbers as a pose, by what they alone betray.
 * @throws PrepError `not-rigid` (length, NaN), `zero-extrinsics`, `bad-angle` (degrees).
 */
export function poseOf(candidate: PoseCandidate, at: Place): Rigid<'base', 'cam'> {
  const pose = rigidFromVec6<'base', 'cam'>(candidate.vec6, at);
  if (candidate.vec6.every((x) => x === 0))
    throw new PrepError({ code: 'zero-extrinsics', at, expected: 'a camera pose', found: 'six zeros' });
  const angle = Math.max(...candidate.vec6.slice(3).map(Math.abs));
  if (angle > 2 * Math.PI)
    throw new PrepError({
      code: 'bad-angle',
      at,
      expected: 'angles in radians (at most 2π)',
      found: `an angle of ${angle}, as degrees would be`,
    });
  return pose;
}
