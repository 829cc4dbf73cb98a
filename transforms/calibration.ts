/**
 * From published numbers to cameras that may be used: each candidate pose is judged by what numbers alone can show
 * (formats §8), the best usable source wins, and the verdict with its measures goes to the ledger. Nothing is invented:
 * a camera without a usable pose keeps `baseFromCam: null`. A check that measures in the pixels would turn `unchecked`
 * into `good` or `suspect` right after `calibrateCamera`, from the same `Camera` value.
 */
import type { Camera, CameraCalibration, CameraFacts, Episode, PoseCandidate } from '../schemas/episode.ts';
import { type Place, PrepError } from '../schemas/errors.ts';
import type { SourceCamera } from '../schemas/source.ts';
import type { CameraSpec, RobotSpec } from '../schemas/spec.ts';
import { judgePose, type PoseVerdict } from './camera-verdict.ts';
import { chooseIntrinsics, type Lens } from './intrinsics.ts';

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
  const verdicts = candidatesOf(camera, facts).map((candidate) => judge(input, { camera, spec, candidate, lens }));
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
    translationKnown: usable && chosen.translationKnown,
    calibration,
  };
}

/** Side files first, in their own order, then what the release says. */
function candidatesOf({ pose }: SourceCamera, facts: CameraFacts | undefined): PoseCandidate[] {
  return [...(facts?.poses ?? []), ...(pose ? [{ source: pose.source ?? 'release', pose }] : [])];
}

type Verdict = PoseVerdict & { readonly source: string };

function judge(
  input: CalibrationInput,
  what: { camera: SourceCamera; spec: CameraSpec; candidate: PoseCandidate; lens: Lens },
): Verdict {
  const { camera, spec, candidate, lens } = what;
  const { source, serial, pose } = candidate;
  const at: Place = { camera: camera.name, ...(serial ? { serial } : {}) };
  const image = { width: camera.width, height: camera.height, k: lens.k };
  try {
    const arms = input.episode.arms.map((arm) => arm.baseFromEe);
    return { ...judgePose(pose, { arms, spec, robot: input.robot, image, at }), source };
  } catch (error) {
    if (!(error instanceof PrepError)) throw error;
    const none = { poses: null, translationKnown: false, measures: {} };
    return { ...none, quality: 'unusable', reason: error.code, detail: error.message, source };
  }
}
