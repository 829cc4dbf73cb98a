import { describe, expect, it } from 'vitest';
import type { Camera, CameraCalibration } from '../../schemas/episode.ts';
import { DEFAULT_PIXELS } from '../../schemas/options.ts';
import type { CameraSpec } from '../../schemas/spec.ts';
import { castRoles, chooseReference, isRejection, tableRoles } from '../../transforms/roles.ts';
import { camera, camPose } from './case.ts';

const fixed = { mount: 'fixed', roles: ['third', 'third2'], principalPoint: 'centre' } as const;
const SPECS: CameraSpec[] = [
  { name: 'left', ...fixed },
  { name: 'right', ...fixed },
  { name: 'hand', mount: 'hand', roles: ['wrist'], principalPoint: 'centre' },
];
const EYE = camPose([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]);
const seen = (name: string, calibration: Partial<CameraCalibration> = {}): Camera =>
  camera(name, { baseFromCam: calibration.quality === 'unusable' ? null : [EYE] }, calibration);
const POLICY = 'karlp-superset > karlp-cam2base > release';
const pixels = (third = 'best', third2 = 'none') => ({ ...DEFAULT_PIXELS, third, third2 });
const cast = (cameras: Camera[], options = pixels()) =>
  castRoles(cameras, tableRoles(SPECS, options), { pixels: options, policy: POLICY });
const names = (roles: Partial<Record<string, Camera>>) =>
  Object.fromEntries(Object.entries(roles).map(([role, one]) => [role, one?.name]));

describe('roles of a table', () => {
  it('list every camera that may fill them, in the order of the dataset', () => {
    expect(tableRoles(SPECS, pixels())).toEqual({ third: ['left', 'right'], wrist: ['hand'] });
    expect(tableRoles(SPECS, pixels('right', 'other'))).toEqual({
      third: ['right'],
      third2: ['left'],
      wrist: ['hand'],
    });
    expect(tableRoles(SPECS, pixels('best', 'other')).third2).toEqual(['left', 'right']);
    expect(tableRoles(SPECS, pixels('left', 'right')).third2).toEqual(['right']);
  });
  it.each([
    ['an unknown camera', pixels('up'), /--third\).*best or one of left, right, found up/],
    ['a hand camera', pixels('hand'), /--third\)/],
    ['an unknown second', pixels('best', 'up'), /--third2\).*none, other or one of left, right/],
    ['twice the same', pixels('left', 'left'), /--third2\).*a second exterior camera/],
  ])('refuses %s', (_, options, words) => expect(() => tableRoles(SPECS, options)).toThrow(words));
  it('refuses a second of one', () => {
    for (const third2 of ['other', 'left'])
      expect(() => tableRoles([SPECS[0]!], pixels('best', third2))).toThrow(/a second exterior camera/);
  });
});

describe('who fills a role', () => {
  const unchecked = { quality: 'unchecked', source: 'release' } as const;
  it('best: a tie goes to the first name, whatever the order', () => {
    const pair = [seen('right', unchecked), seen('left', unchecked)];
    expect(names(cast(pair))).toEqual({ third: 'left' });
    expect(names(cast([...pair].reverse()))).toEqual({ third: 'left' });
  });
  it.each([
    [{ quality: 'suspect' }, { quality: 'unchecked' }],
    [{ quality: 'unusable' }, { quality: 'suspect' }],
    [
      { quality: 'suspect', source: 'karlp-superset' },
      { quality: 'unchecked', source: 'release' },
    ],
    [{ source: 'release' }, { source: 'karlp-cam2base' }],
    [{ source: 'karlp-cam2base' }, { source: 'karlp-superset' }],
    [{ source: 'none' }, { source: 'release' }],
  ] as const)('best: %o loses to %o', (left, right) => {
    expect(names(cast([seen('left', left), seen('right', right)]))).toEqual({ third: 'right' });
  });
  it('third2 other is the one left over; named cameras stay where they were put', () => {
    const all = [seen('left', { quality: 'suspect' }), seen('right', unchecked), seen('hand')];
    expect(names(cast(all, pixels('best', 'other')))).toEqual({ third: 'right', third2: 'left', wrist: 'hand' });
    expect(names(cast(all, pixels('left', 'other')))).toEqual({ third: 'left', third2: 'right', wrist: 'hand' });
    expect(names(cast(all, pixels('left', 'right')))).toEqual({ third: 'left', third2: 'right', wrist: 'hand' });
  });
  it('best leaves alone what third2 was given by name', () => {
    const all = [seen('left', unchecked), seen('right', { quality: 'suspect' })];
    expect(names(cast(all, pixels('best', 'left')))).toEqual({ third: 'right', third2: 'left' });
  });
  it('an episode that lacks a camera leaves the role empty', () => {
    expect(names(cast([seen('right')], pixels('left', 'none')))).toEqual({});
  });
});

describe('the reference', () => {
  const roles = cast(
    [seen('left', { quality: 'unusable', reason: 'bad-angle', detail: 'release: degrees' }), seen('hand')],
    pixels('left'),
  );
  it('third by name and unusable: rejected, with the reason and the ways out', () => {
    const found = chooseReference(roles, 'third');
    expect(isRejection(found)).toBe(true);
    expect(found).toMatchObject({
      code: 'no-extrinsics',
      detail: expect.stringMatching(/left: release: degrees; .*--reference base/),
    });
  });
  it('no camera at all', () => {
    expect(chooseReference({}, 'third')).toMatchObject({
      detail: expect.stringContaining('no camera in the role third'),
    });
  });
  it('wrist', () => expect(chooseReference(roles, 'wrist')).toMatchObject({ reference: { name: 'hand' } }));
  it('base needs no camera', () => expect(chooseReference(roles, 'base')).toEqual({ roles, reference: null }));
  it('is the best usable one although another comes first by name', () => {
    const all = cast([seen('left', { quality: 'unusable' }), seen('right', { quality: 'suspect' })]);
    expect(chooseReference(all, 'third')).toMatchObject({ reference: { name: 'right' } });
  });
});
