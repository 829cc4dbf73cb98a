/** Never run: `tsc` must find an error at every marked line and nowhere else (the marks themselves fail when it does not). */
import { motionInCamera, motionOfTool } from '../../schemas/action-geometry.ts';
import {
  compose,
  composeRotations,
  interpolate,
  invert,
  type Rigid,
  type Rotation,
  rigidFromVec6,
} from '../../schemas/geometry.ts';

declare const baseFromCam: Rigid<'base', 'cam'>;
declare const baseFromEe: Rigid<'base', 'ee'>;
declare const eeFromTool: Rigid<'ee', 'tool'>;
declare const camFromEe: Rigid<'cam', 'ee'>;
declare const nine: Float64Array;

// What must compile: inner names cancel, outer names stay.
export const viaCamera: Rigid<'base', 'ee'> = compose(baseFromCam, camFromEe);
export const seen: Rigid<'cam', 'ee'> = compose(invert(baseFromCam), baseFromEe);
export const tip: Rigid<'cam', 'tool'> = compose(compose(invert(baseFromCam), baseFromEe), eeFromTool);
export const read: Rigid<'base', 'ee'> = rigidFromVec6([0, 0, 0, 0, 0, 0]);

// @ts-expect-error inner frames differ: cam against base
export const wrongInner = compose(baseFromCam, baseFromEe);
// @ts-expect-error the same for rotations
export const wrongInnerRotation = composeRotations(baseFromCam.r, baseFromEe.r);
// @ts-expect-error a forgotten inverse
export const forgotten: Rigid<'cam', 'ee'> = compose(baseFromCam, camFromEe);
// @ts-expect-error inverse taken twice
export const twice: Rigid<'cam', 'base'> = invert(invert(baseFromCam));
// @ts-expect-error the pose of the camera is not the pose of the hand
export const swapped: Rigid<'base', 'ee'> = baseFromCam;
// @ts-expect-error a bare array has no frames
export const bare: Rotation<'base', 'cam'> = nine;
// @ts-expect-error nor has it as an argument
export const bareArgument = motionInCamera(nine, baseFromEe, baseFromEe);
// @ts-expect-error camFromBase where baseFromCam belongs
export const inverted = motionInCamera(invert(baseFromCam).r, baseFromEe, baseFromEe);
// @ts-expect-error hand and camera exchanged
export const exchanged = motionInCamera(baseFromEe.r, baseFromCam, baseFromCam);
// @ts-expect-error the tool's transform the wrong way round
export const wrongTool = motionOfTool({ t: nine, r: camFromEe.r }, camFromEe.r, invert(eeFromTool));
// @ts-expect-error poses of two frames are not interpolated
export const mixed = interpolate(baseFromEe, baseFromCam, 0.5);
