/** Cameras as most rigs have them. */
import type { CameraSpec } from '../../schemas/spec.ts';

type Centre = CameraSpec['principalPoint'];

/** One that stands in the scene and may be either of the scene's views. */
export const scene = (name: string, principalPoint: Centre = 'centre'): CameraSpec => ({
  name,
  mount: 'fixed',
  roles: ['third', 'third2'],
  principalPoint,
});

/** The camera on the hand of an arm: the wrist view of slot 0, the second one of slot 1. */
export const hand = (name: string, arm: 0 | 1 = 0, principalPoint: Centre = 'centre'): CameraSpec => ({
  name,
  mount: 'hand',
  arm,
  roles: [arm === 0 ? 'wrist' : 'wrist2'],
  principalPoint,
});
