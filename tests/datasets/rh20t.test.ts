/** A made RH20T release, ingested by the command line, against numbers that scipy made (fixtures/datasets/rh20t/make.py). */
import { copyFileSync, cpSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import jpegTurbo from '@julusian/jpeg-turbo';
import { beforeAll, describe, expect, it } from 'vitest';
import type { IngestSummary } from '../../schemas/report.ts';
import { prepJson } from '../cli/run.ts';
import { freshFolder, type Stored, stored } from '../e2e/demo-set.ts';

const HERE = fileURLToPath(new URL('../../fixtures/datasets/rh20t', import.meta.url));

interface Kept {
  readonly id: string;
  readonly state: 'kept';
  readonly robot: string;
  readonly steps: number;
  readonly time: readonly number[];
  readonly third: string;
  readonly action: Readonly<Record<string, readonly (readonly number[])[]>>;
  readonly history: readonly (readonly number[])[];
  readonly proprio: readonly (readonly number[])[];
  readonly valid: readonly number[];
  readonly baseFromCam: readonly number[];
  readonly wristFromBase: readonly (readonly number[])[];
  readonly k256: readonly number[] | null;
  readonly frames: Readonly<Record<string, readonly number[]>>;
  readonly success: boolean;
  readonly instructions: readonly string[];
}
interface Aside {
  readonly id: string;
  readonly state: 'rejected' | 'quarantined';
  readonly reason: string;
  readonly says: string;
}
const expected: (Kept | Aside)[] = JSON.parse(readFileSync(join(HERE, 'expected.json'), 'utf8'));
const kept = expected.filter((one) => one.state === 'kept') as Kept[];
const aside = expected.filter((one) => one.state !== 'kept') as Aside[];

const CHUNK = 32 * 10;
/** Bits of a role: image, intrinsics, rotation, translation. */
const BITS = { image: 1, intrinsics: 2, rotation: 4, translation: 8 };
const apart = (found: ArrayLike<number>, wanted: readonly number[]): number =>
  Math.max(...wanted.map((x, i) => Math.abs(x - found[i]!)));

/** Some episodes are damaged on purpose: no budget for them. */
const ingest = (root: string, store: string, ...words: string[]) =>
  prepJson<IngestSummary>(
    ...['ingest', 'rh20t', '--root', root, '--store', store, '--workers', '1', '--max-quarantine', '1'],
    ...words,
  );

let found: Stored;
beforeAll(async () => {
  const store = freshFolder();
  const { code, value } = await ingest(join(HERE, 'release'), store, '--third2', 'other');
  expect(code, JSON.stringify(value)).toBe(0);
  expect(value.episodes).toMatchObject({ kept: kept.length, quarantined: 3, rejected: aside.length - 3 });
  found = await stored(store, 'rh20t');
}, 300_000);

/** Which of its source camera's frames a stored picture shows: eight squares, lowest bit on the left. */
function numberIn(jpeg: Uint8Array): number {
  const { data } = jpegTurbo.decompressSync(Buffer.from(jpeg), { format: jpegTurbo.FORMAT_RGB });
  // 160×90 became 256×144 below 56 rows of black.
  const at = (bit: number): number =>
    data[3 * (256 * (56 + Math.round(1.6 * 40)) + Math.round(1.6 * (17 + 18 * bit)))]!;
  return Array.from({ length: 8 }, (_, bit) => (at(bit) > 128 ? 1 << bit : 0)).reduce((sum, x) => sum + x, 0);
}

/** The best camera of cfg 1 and 3 by name is not the one whose clock the steps follow, so those are asked for by name. */
describe('with the clock camera as reference', () => {
  const stores = new Map<string, Stored>();
  beforeAll(async () => {
    for (const third of new Set(kept.map((one) => one.third))) {
      const store = freshFolder();
      const { code, value } = await ingest(join(HERE, 'release'), store, '--third', third, '--third2', 'other');
      expect(code, JSON.stringify(value)).toBe(0);
      stores.set(third, await stored(store, 'rh20t'));
    }
  }, 300_000);

  it.each(kept.map((one) => [one.id, one] as const))('%s: numbers', (id, one) => {
    const rows = stores.get(one.third)!.rows.get(id)!;
    expect(rows.steps).toBe(one.steps);
    expect(rows.third).toBe(one.third);
    expect(apart(rows.time, one.time)).toBeLessThan(1e-9);
    for (const [step, chunk] of Object.entries(one.action))
      expect(apart(rows.action.subarray(Number(step) * CHUNK, (Number(step) + 1) * CHUNK), chunk.flat())).toBeLessThan(
        1e-5,
      );
    expect(apart(rows.history, one.history.flat())).toBeLessThan(1e-5);
    expect(apart(rows.proprio, one.proprio.flat())).toBeLessThan(1e-5);
    expect([...rows.actionValid]).toEqual(one.valid);
    for (let step = 0; step < one.steps; step++) {
      const camera = rows.camera.subarray(step * 48, step * 48 + 48);
      expect(apart(camera.subarray(4, 16), one.baseFromCam)).toBeLessThan(1e-5);
      if (one.k256) expect(apart(camera, one.k256)).toBeLessThan(1e-4);
      else expect([...camera.subarray(0, 4)].every(Number.isNaN)).toBe(true);
      if (one.frames.wrist) expect(apart(camera.subarray(36, 48), one.wristFromBase[step]!)).toBeLessThan(1e-5);
      const third = BITS.image | BITS.rotation | BITS.translation | (one.k256 ? BITS.intrinsics : 0);
      expect(rows.present[step]! & 15).toBe(third);
      expect((rows.present[step]! >> 8) & 15).toBe(one.frames.wrist ? 15 : 0);
    }
  });

  it.each(kept.map((one) => [one.id, one] as const))('%s: frames', (id, one) => {
    const { images, steps } = stores.get(one.third)!.rows.get(id)!;
    for (const [role, frames] of Object.entries(one.frames)) {
      const { data, offsets } = images[role as 'third']!;
      const shown = Array.from({ length: steps }, (_, i) => numberIn(data.subarray(offsets[i]!, offsets[i + 1]!)));
      expect(shown, role).toEqual(frames);
    }
  });

  it.each(kept.map((one) => [one.id, one] as const))('%s: words', (id, one) => {
    const { entry } = stores.get(one.third)!.ledger.get(id)!;
    expect([entry.robot, entry.success, entry.hz]).toEqual([one.robot, one.success, 10]);
    expect(entry.instructions).toEqual(one.instructions);
    expect(entry.sourceId).toMatch(new RegExp(`^RH20T_cfg\\d/${id}/metadata\\.json$`));
  });
});

describe('set aside', () => {
  it.each(aside.map((one) => [one.id, one] as const))('%s', (id, { state, reason, says }) => {
    const { entry, rows } = found.ledger.get(id)!;
    expect([entry.state, entry.reason, rows]).toEqual([state, reason, 0]);
    expect(entry.detail).toContain(says);
  });
  it('nothing else is an episode: a human demonstration has no robot', () => {
    expect([...found.ledger.keys()].sort()).toEqual(expected.map(({ id }) => id).sort());
  });
});

describe('what was noticed is told', () => {
  const detail = (id: string) => [...found.ledger].find(([name]) => name.startsWith(id))![1].entry.detail;
  it.each([
    ['task_0003', /3 of 36 poses hold no pose; 2 of 12 frames lie outside the recording/],
    ['task_0012', /cam_104122062295: 5 frames, 8 time stamps/],
    ['task_0005', /1 of 8 poses hold no pose/],
  ])('%s', (id, says) => expect(detail(id)).toMatch(says));
  it('where camera poses are from', () => {
    const { calibration } = found.ledger.get('task_0011_user_0010_scene_0002_cfg_0003')!.entry;
    expect(calibration.cam_104122062295).toMatchObject({ source: 'release', quality: 'unchecked' });
  });
});

describe('other layouts', () => {
  it('another picture in the folder of a camera is another episode', async () => {
    const root = freshFolder();
    const name = 'task_0013_user_0010_scene_0002_cfg_0003';
    for (const one of ['calib', name])
      cpSync(join(HERE, 'release/RH20T_cfg3', one), join(root, one), { recursive: true });
    const folder = join(root, name, 'cam_104122062295/color');
    const [first, second] = readdirSync(folder).sort() as [string, string];
    copyFileSync(join(folder, first), join(folder, second));
    const store = freshFolder();
    expect((await ingest(root, store)).value.episodes).toMatchObject({ kept: 1 });
    const changed = (await stored(store, 'rh20t')).ledger.get(name)!.entry;
    expect(changed.sourceDigest).not.toBe(found.ledger.get(name)!.entry.sourceDigest);
  });
  it('one configuration as the root, scenes below action/, another calibration: found all the same', async () => {
    const root = join(freshFolder(), 'RH20T_cfg5');
    const name = 'task_0005_user_0010_scene_0002_cfg_0005';
    cpSync(join(HERE, 'release/RH20T_cfg5/calib'), join(root, 'calib'), { recursive: true });
    cpSync(join(HERE, 'release/RH20T_cfg5', name), join(root, 'action', name), { recursive: true });
    // Without tcp.npy only the calibration folder can tell the camera's place.
    rmSync(join(root, 'action', name, 'transformed/tcp.npy'));
    const store = freshFolder();
    expect((await ingest(root, store)).value.episodes).toMatchObject({ kept: 1 });
    const rows = (await stored(store, 'rh20t')).rows.get(name)!;
    const one = kept.find(({ id }) => id === name)!;
    expect(apart(rows.proprio, one.proprio.flat())).toBeLessThan(1e-5);
  });
});
