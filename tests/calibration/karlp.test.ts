/** The side files of KarlP/droid in both published shapes, made here in the shapes that formats §1.4 states. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { cameraFacts, normalEpisode, openKarlp } from '../../sources/calibration/karlp.ts';

const KEYS = { ext1: 'ext1_cam_serial', ext2: 'ext2_cam_serial', hand: 'wrist_cam_serial' } as const;
const SERIALS = { ext1_cam_serial: '111', ext2_cam_serial: 222, wrist_cam_serial: '333' };
const UUID = 'LAB+0a1b2c3d+2023-03-07-16h-19m-59s';
const FOLDER = 'LAB/success/2023-03-07/Tue_Mar__7_16:19:59_2023';
const SOURCE = `gs://bucket/data/${FOLDER}/trajectory.h5`;
const POSE = [0.1, 0.2, 0.3, 1, 2, 3];

const poseOf = (vec: readonly number[]) => ({
  kind: 'xyz+extrinsic-xyz',
  values: Float64Array.from(vec),
  field: 'karlp-superset',
});

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});
function side(files: Readonly<Record<string, unknown>>) {
  const folder = mkdtempSync(join(tmpdir(), 'prep-karlp-'));
  folders.push(folder);
  for (const [name, value] of Object.entries(files)) writeFileSync(join(folder, `${name}.json`), JSON.stringify(value));
  return folder;
}
const one = <T>(value: T) => ({ [UUID]: value });
const ask = { id: normalEpisode(FOLDER), sourceId: SOURCE };

describe('what the entries say of a camera', () => {
  it('intrinsics are published fx cx fy cy and passed on fx fy cx cy, in both shapes', () => {
    const list = cameraFacts({ serials: SERIALS, intrinsics: { 111: [500, 640, 501, 360] } }, KEYS);
    const object = cameraFacts({ serials: SERIALS, intrinsics: { 111: { cameraMatrix: [500, 640, 501, 360] } } }, KEYS);
    const expected = {
      source: 'karlp-intrinsics',
      serial: '111',
      values: [500, 501, 640, 360],
      width: 1280,
      height: 720,
    };
    expect(list.ext1?.intrinsics).toEqual(expected);
    expect(object).toEqual(list);
  });
  it('with a size of their own', () => {
    const entry = { cameraMatrix: [250, 320, 251, 180], width: 640, height: 360 };
    const { ext1 } = cameraFacts({ serials: SERIALS, intrinsics: { 111: entry } }, KEYS);
    expect(ext1?.intrinsics).toMatchObject({ values: [250, 251, 320, 180], width: 640, height: 360 });
  });
  it('an entry without this serial has no values, which is refused by name; no entry is no fact', () => {
    const facts = cameraFacts({ serials: SERIALS, intrinsics: { 999: [500, 640, 501, 360] } }, KEYS);
    expect(facts.ext1?.intrinsics).toMatchObject({ serial: '111', values: [] });
    expect(cameraFacts({ serials: SERIALS }, KEYS).ext1?.intrinsics).toBeNull();
  });
  it('superset first, then cam2base, each with its serial; numbers as serials too', () => {
    const { ext1, ext2, hand } = cameraFacts(
      { serials: SERIALS, superset: { 111: POSE, 222: POSE }, cam2base: { 111: POSE, relative_path: 'x' } },
      KEYS,
    );
    expect(ext1?.poses.map(({ source, serial }) => [source, serial])).toEqual([
      ['karlp-superset', '111'],
      ['karlp-cam2base', '111'],
    ]);
    expect(ext2?.poses).toEqual([{ source: 'karlp-superset', serial: '222', pose: poseOf(POSE) }]);
    expect(hand?.poses).toEqual([]);
  });
  it('what is no list stays a candidate that will be refused', () => {
    const { ext1 } = cameraFacts({ serials: SERIALS, superset: { 111: null } }, KEYS);
    expect(ext1?.poses).toEqual([{ source: 'karlp-superset', serial: '111', pose: poseOf([]) }]);
  });
  it('a text among the numbers is none of them, even if it looks like one', () => {
    const { ext1 } = cameraFacts({ serials: SERIALS, superset: { 111: ['0.1', ...POSE.slice(1)] } }, KEYS);
    expect([...ext1!.poses[0]!.pose.values]).toEqual([Number.NaN, ...POSE.slice(1)]);
  });
  it('without serials, two of the superset are the exterior ones in sorted order; one or three say nothing', () => {
    const superset = { 222: POSE, 111: [...POSE].reverse(), relative_path: 'x' };
    const found = cameraFacts({ superset }, KEYS);
    expect(Object.keys(found)).toEqual(['ext1', 'ext2']);
    expect(found.ext1?.poses[0]?.serial).toBe('111');
    expect(cameraFacts({ superset: { 111: POSE } }, KEYS)).toEqual({});
    expect(cameraFacts({ superset: { 111: POSE, 222: POSE, 333: POSE } }, KEYS)).toEqual({});
  });
});

describe('a folder of side files', () => {
  const files = {
    cam2base_extrinsic_superset: one({ 111: POSE, 222: POSE, relative_path: FOLDER }),
    camera_serials: one(SERIALS),
    droid_language_annotations: one({
      language_instruction1: 'go',
      language_instruction2: '',
      language_instruction3: 'do',
    }),
    keep_ranges_1_0_1: { [`gs://bucket/data/${FOLDER}/recordings/MP4--${SOURCE}`]: [[0, 29]] },
  };
  it('is found by the path of the episode, with `:` or `_`', () => {
    const opened = openKarlp(side(files), KEYS);
    const facts = opened.facts(ask);
    expect(facts.instructions).toEqual(['go', 'do']);
    expect(facts.keepRanges).toEqual([[0, 29]]);
    expect(facts.cameras.ext1?.poses).toHaveLength(1);
    expect(opened.coverage).toEqual({ superset: 1, serials: 1, language: 1, keepRanges: 1 });
    opened.close();
  });
  it('by episode_id_to_path alone', () => {
    const { cam2base_extrinsic_superset: _, ...rest } = files;
    const opened = openKarlp(side({ ...rest, episode_id_to_path: one(FOLDER) }), KEYS);
    expect(opened.facts(ask).instructions).toEqual(['go', 'do']);
    opened.close();
  });
  it('says nothing of an episode it does not list', () => {
    const opened = openKarlp(side(files), KEYS);
    const facts = opened.facts({ id: 'LAB/success/2023/other', sourceId: 'gs://x/other/trajectory.h5' });
    expect(facts).toEqual({ cameras: {}, instructions: [], keepRanges: null, digest: '' });
    opened.close();
  });
  it('its digest follows every entry used, and the file it came from', () => {
    const digest = (more: object): string => {
      const opened = openKarlp(side({ ...files, ...more }), KEYS);
      const { digest: found } = opened.facts(ask);
      opened.close();
      return found;
    };
    const before = digest({});
    expect(digest({})).toBe(before);
    const other = { ...files.cam2base_extrinsic_superset, [`${UUID}2`]: { 111: POSE } };
    expect(digest({ cam2base_extrinsic_superset: other })).toBe(before);
    const same = { cam2base_extrinsics: files.cam2base_extrinsic_superset, cam2base_extrinsic_superset: {} };
    const changes = [
      { cam2base_extrinsic_superset: one({ 111: [0, ...POSE.slice(1)], 222: POSE, relative_path: FOLDER }) },
      { intrinsics: one({ 111: [1, 2, 3, 4] }) },
      { droid_language_annotations: {} },
      { keep_ranges_1_0_1: {} },
      same,
    ].map(digest);
    expect(new Set([before, ...changes]).size).toBe(changes.length + 1);
  });
  it('a folder with none of the files, or with none that links an episode, is refused', () => {
    expect(() => openKarlp(side({}), KEYS)).toThrow(/missing-calibration.*none of them/);
    expect(() => openKarlp(side({ camera_serials: one(SERIALS) }), KEYS)).toThrow(/which episode a uuid is/);
  });
  it('keep ranges that are no ranges are refused with the episode', () => {
    const opened = openKarlp(
      side({ ...files, keep_ranges_1_0_1: { [Object.keys(files.keep_ranges_1_0_1)[0]!]: [[1]] } }),
      KEYS,
    );
    expect(() => opened.facts(ask)).toThrow(/bad-value.*keep_ranges_1_0_1\.json.*\[\[1\]\]/);
    opened.close();
  });
});
