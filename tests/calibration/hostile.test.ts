/**
 * Calibration files with one defect each (fixtures/hostile/calibration, a made set with its own manifest): the message
 * must point at what the manifest names, or the camera stays uncalibrated with that reason. Never a default in its place.
 */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { CameraFacts } from '../../schemas/episode.ts';
import { PrepError } from '../../schemas/errors.ts';
import type { CameraSpec } from '../../schemas/spec.ts';
import { cameraFacts } from '../../sources/calibration/karlp.ts';
import { agibotCamera } from '../../sources/datasets/agibot/calibration.ts';
import { calibrate } from '../../transforms/calibration.ts';
import { type Judgement, judgePoses } from '../../transforms/camera-geometry.ts';
import { checkIntrinsics } from '../../transforms/intrinsics.ts';
import { arm, at, episodeOf, ROBOT } from '../transforms/case.ts';

interface Case {
  readonly path: string;
  readonly must: 'read' | 'reject';
  readonly message_names?: string;
}
const FOLDER = new URL('../../fixtures/hostile/calibration/', import.meta.url);
const json = (path: string): unknown => {
  const file = new URL(path, FOLDER);
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
};
const cases = json('manifest.json') as Case[];

/** The manifest's phrase as what has to be in the message: its nouns, in any order. */
const NAMED: Readonly<Record<string, readonly RegExp[]>> = {
  'intrinsic.fx': [/intrinsic\.fx/],
  rotation_matrix: [/rotation_matrix/],
  'camera head': [/camera head/],
  'the principal point and the image size': [/principal point/, /640x480/],
  'rotation_matrix and its determinant': [/rotation_matrix/, /determinant -1/],
  'rotation_matrix is not orthonormal': [/rotation_matrix/, /not orthonormal/],
  'the projection check': [/projection check/],
  'translation_vector and its length': [/translation_vector/, /length 1429/],
  'rotation_matrix, frame 2': [/rotation_matrix, frame 2/],
  'extrinsic_params_aligned and its length': [/extrinsic_params_aligned/, /length 0/],
  'rotation_matrix and its shape': [/rotation_matrix/, /shape 3×3, found 8/],
  'serial 24400334 and fx': [/serial 24400334/, /intrinsic\.fx/],
  'serial 24400334': [/serial 24400334/],
  'serial 24400334 and the angle': [/serial 24400334/, /angle of 136\.65/],
  'serial 24400334 and the length': [/serial 24400334/, /5 numbers/],
};

interface Read {
  readonly message: string;
  readonly judgement?: Judgement;
}

/** What reading one case comes to: a message ('' when content) and, if it got that far, the verdict on the poses. */
function readAgibot(path: string): Read {
  const flange = json(`${path}/flange.json`) as { width: number; height: number; flange_position: number[][] };
  const poses = flange.flange_position.map(([x, y, z]) => at(x!, y!, z!));
  try {
    const files = {
      intrinsic: json(`${path}/head_intrinsic_params.json`),
      extrinsic: json(`${path}/head_extrinsic_params_aligned.json`),
    };
    const camera = agibotCamera('head', files, poses.length);
    const k = checkIntrinsics(camera.intrinsics, flange);
    const judgement = judgePoses(camera.baseFromCam, poses, { eeFromTool: null, image: { ...flange, k } });
    return { message: judgement.quality === 'unusable' ? judgement.detail! : '', judgement };
  } catch (error) {
    if (!(error instanceof PrepError)) throw error;
    return { message: error.message };
  }
}

const SPEC: CameraSpec = { name: 'ext', mount: 'fixed', roles: ['third'], principalPoint: 'centre' };
const UUID = 'MADE+0a1b2c3d+2023-03-07-16h-19m-59s';

function readKarlp(path: string) {
  const of = (name: string) => (json(`${path}/${name}.json`) as Record<string, Record<string, unknown>>)[UUID];
  const entries = { cam2base: of('cam2base_extrinsics'), intrinsics: of('intrinsics') };
  const facts: Record<string, CameraFacts> = cameraFacts(
    { ...entries, serials: { ext1_cam_serial: '24400334' } },
    { ext: 'ext1_cam_serial' },
  );
  const flange = json('good/flange.json') as { flange_position: number[][] };
  const episode = episodeOf([arm(flange.flange_position.map(([x, y, z]) => at(x!, y!, z!)))], {
    cameras: [{ name: 'ext', width: 320, height: 180, frames: { kind: 'memory', frames: [] } }],
  });
  return calibrate({ episode, robot: ROBOT, specs: [SPEC], facts })[0]!;
}

const named = (message: string, what: string): void => {
  expect(NAMED).toHaveProperty([what]);
  for (const words of NAMED[what]!) expect(message).toMatch(words);
};

it('the manifest has 24 cases, and every phrase of it is known here', () => {
  expect(cases).toHaveLength(24);
  expect(cases.filter(({ path }) => path.startsWith('karlp_'))).toHaveLength(5);
});

describe('AgiBotWorld', () => {
  const own = cases.filter(({ path }) => !path.startsWith('karlp_'));
  it.each(own)('$path: $must $message_names', ({ path, must, message_names }) => {
    const { message } = readAgibot(path);
    if (must === 'read') expect(message).toBe('');
    else named(message, message_names!);
  });
  it('good: the flange is in every frame', () => {
    expect(readAgibot('good').judgement).toMatchObject({ quality: 'unchecked', measures: { tool_in_view: 1 } });
  });
  it('rounded to 5 decimals: rigid all the same', () => {
    expect(readAgibot('scaled_slightly').judgement?.quality).toBe('unchecked');
  });
  it('a camera that jumps 0.6 m for one frame is read, and suspect', () => {
    const { judgement } = readAgibot('jump');
    expect(judgement).toMatchObject({ quality: 'suspect', measures: { camera_leap: 0.6 } });
    expect(judgement?.detail).toContain('between steps 2 and 3');
  });
});

describe('KarlP/droid', () => {
  const own = cases.filter(({ path }) => path.startsWith('karlp_'));
  it.each(own)('$path: $must $message_names', ({ path, must, message_names }) => {
    const { calibration, intrinsics, baseFromCam } = readKarlp(path);
    if (must === 'read') {
      expect(calibration).toMatchObject({ source: 'karlp-cam2base', quality: 'unchecked', reason: null, detail: null });
      expect(intrinsics?.fx).toBeCloseTo(522.4 / 4, 10);
      return;
    }
    named(calibration.detail ?? '', message_names!);
    expect(calibration.reason).not.toBeNull();
    // What failed is absent, not replaced.
    expect(baseFromCam === null || intrinsics === null).toBe(true);
  });
});
