/** The bundled episodes, ingested, against numbers that scipy made from the simulator's truth. */
import jpegTurbo from '@julusian/jpeg-turbo';
import { beforeAll, describe, expect, it } from 'vitest';
import type { StepColumns } from '../../schemas/episode.ts';
import {
  CAMERAS,
  freshFolder,
  ingestDemo,
  NAN,
  type ShortCamera,
  SOUND,
  type Stored,
  stored,
  truth,
  UNCALIBRATED,
  ZEROS,
} from './demo-set.ts';

const CHUNK = 32 * 10;
/** Row bits as `conventions.md` lists them: image, intrinsics, rotation, translation of a role; arm 0; history. */
const ALL = { third: 0x00f, third2: 0x0f0, wrist: 0xf00, arm: 1 << 16, history: 1 << 20 };
const FLAG = { idle: 1, failure: 2, assumed: 4, noInstruction: 16 };

/** Largest difference; NaN counts as one. */
const apart = (found: ArrayLike<number>, wanted: readonly number[]): number =>
  Math.max(...wanted.map((x, i) => Math.abs(x - found[i]!)));

interface Case {
  readonly name: string;
  readonly words: string[];
  readonly reference: ShortCamera;
  readonly roles: readonly ShortCamera[];
}
const CASES: Case[] = [
  {
    name: 'third=ext1',
    words: ['--third', CAMERAS.ext1, '--third2', 'other'],
    reference: 'ext1',
    roles: ['ext1', 'ext2', 'wrist'],
  },
  {
    name: 'third=ext2',
    words: ['--third', CAMERAS.ext2, '--third2', 'other'],
    reference: 'ext2',
    roles: ['ext2', 'ext1', 'wrist'],
  },
  {
    name: 'reference wrist',
    words: ['--third', CAMERAS.ext1, '--third2', 'other', '--reference', 'wrist'],
    reference: 'wrist',
    roles: ['ext1', 'ext2', 'wrist'],
  },
];

describe.each(CASES)('$name', ({ words, reference, roles }) => {
  let found: Stored;
  const cameraOf = (rows: StepColumns, step: number, short: ShortCamera) =>
    rows.camera.subarray((step * roles.length + roles.indexOf(short)) * 16).subarray(0, 16);
  const kept = truth.filter(({ state }) => state === 'kept');

  beforeAll(async () => {
    const store = freshFolder();
    const summary = await ingestDemo(store, ...words);
    expect(summary).toMatchObject({ state: 'done', rows: 64, frames: 192, reasons: { 'not-finite': 1 } });
    expect(summary.episodes).toEqual({ kept: 3, rejected: 0, quarantined: 1, skipped: 0 });
    found = await stored(store);
  });

  it('keeps and sets aside what it must', () => {
    expect([...found.ledger.keys()].sort()).toEqual(truth.map(({ id }) => id).sort());
    for (const { id, state, success, steps, instructions } of truth) {
      const { entry, rows } = found.ledger.get(id)!;
      expect([entry.state, entry.success, entry.length, rows]).toEqual([
        state,
        success,
        steps,
        state === 'kept' ? steps : 0,
      ]);
      expect(entry.instructions).toEqual(instructions);
      expect(entry.sourceId.replaceAll(':', '_')).toContain(`/${id}/trajectory.h5`);
    }
    const { reason, detail } = found.ledger.get(NAN)!.entry;
    expect(reason).toBe('not-finite');
    expect(detail).toMatch(/step 5.*steps\/observation\/cartesian_position.*NaN/);
  });

  it.each(kept.map(({ id }) => id))('%s: numbers', (id) => {
    const wanted = truth.find((one) => one.id === id)!;
    const rows = found.rows.get(id)!;
    const labels = wanted[reference]!;
    expect(rows.steps).toBe(wanted.steps);
    expect(apart(rows.action.subarray(2 * CHUNK, 3 * CHUNK), labels.action_step2.flat())).toBeLessThan(1e-5);
    expect(apart(rows.history, labels.history.flat())).toBeLessThan(1e-5);
    expect(apart(rows.proprio, labels.proprio.flat())).toBeLessThan(1e-5);
    expect(rows.proprio.length).toBe(wanted.steps * 10);
    for (const short of roles) {
      const last = cameraOf(rows, wanted.steps - 1, short);
      expect(apart(last.subarray(4), wanted.base_from_cam_last![short])).toBeLessThan(1e-5);
      // K is scaled from 1280x720 numbers of four decimals.
      if (wanted.k256) expect(apart(last, wanted.k256[short])).toBeLessThan(2e-4);
    }
    expect([...rows.actionValid]).toEqual(rows.instruction.map((_, step) => Math.min(32, wanted.steps - 1 - step)));
    expect([...rows.time].every((time, step) => Math.abs(time - step / 15) < 1e-12)).toBe(true);
  });

  it.each(kept.map(({ id }) => id))('%s: words, bits and flags', (id) => {
    const wanted = truth.find((one) => one.id === id)!;
    const rows = found.rows.get(id)!;
    expect(new Set(rows.instruction)).toEqual(new Set([wanted.instructions[0] ?? '']));
    expect(rows.third).toBe(CAMERAS[roles[0]!]);
    const every = ALL.third | ALL.third2 | ALL.wrist | ALL.arm;
    // Before the first step there is no motion: the history of step 0 is masked.
    expect([...rows.present]).toEqual(rows.instruction.map((_, step) => every | (step > 0 ? ALL.history : 0)));
    const unlike = id === UNCALIBRATED ? FLAG.failure | FLAG.assumed | FLAG.noInstruction : 0;
    expect(new Set([...rows.flags].map((flags) => flags & ~FLAG.idle))).toEqual(new Set([unlike]));
    const runs = found.ledger.get(id)!.entry.flagRuns;
    for (const [flag, bit] of Object.entries(found.metadata.flags)) {
      const steps = runs
        .filter((run) => run.flag === flag)
        .flatMap(({ start, end }) => Array.from({ length: end - start }, (_, i) => start + i));
      expect(steps).toEqual([...rows.flags.keys()].filter((step) => rows.flags[step]! & (1 << bit)));
    }
  });

  it('stores pictures that a decoder takes, with their hash', () => {
    const { images, steps, imageHash } = found.rows.get(SOUND)!;
    expect(Object.keys(images)).toEqual(['third', 'third2', 'wrist']);
    for (const { data, offsets } of Object.values(images)) {
      const jpeg = Buffer.from(data.subarray(offsets[steps - 1]!, offsets[steps]!));
      const { width, height, data: rgb } = jpegTurbo.decompressSync(jpeg, { format: jpegTurbo.FORMAT_RGB });
      expect([width, height]).toEqual([256, 256]);
      // 320x180 becomes 256x144: 56 black rows above and below.
      const mean = (from: number, to: number) =>
        rgb.subarray(from * 768, to * 768).reduce((sum, x) => sum + x, 0) / ((to - from) * 768);
      expect(mean(0, 55)).toBeLessThan(1);
      expect(mean(201, 256)).toBeLessThan(1);
      expect(mean(57, 199)).toBeGreaterThan(20);
    }
    expect(imageHash.every((hash) => hash !== 0n)).toBe(true);
  });

  it('projects the tool point where the simulator saw it', () => {
    for (const { id, k256, tip_pixel_ext1, steps } of kept) {
      if (reference !== 'ext1') break;
      const rows = found.rows.get(id)!;
      for (let step = 0; step < steps; step++) {
        const pixel = project(rows.proprio.subarray(step * 10), cameraOf(rows, step, 'ext1'));
        expect(pixel.every((x) => x >= 0 && x < 256)).toBe(true);
        // With a fleet mean instead of the camera's own K only the picture's bounds can be asked for.
        if (k256) expect(apart(pixel, tip_pixel_ext1![step]!)).toBeLessThan(0.01);
      }
    }
  });

  it('says where each calibration is from', () => {
    const sources = (id: string) =>
      Object.fromEntries(
        Object.entries(found.ledger.get(id)!.entry.calibration).map(([camera, one]) => [
          camera,
          [one.source, one.intrinsics_source, one.quality, one.reason],
        ]),
      );
    const { ext1, ext2, wrist } = CAMERAS;
    const karlp = (reason: string | null) => ['karlp-superset', 'karlp-intrinsics', 'unchecked', reason];
    const own = ['release', 'karlp-intrinsics', 'unchecked', null];
    expect(sources(SOUND)).toEqual({ [ext1]: karlp(null), [ext2]: karlp(null), [wrist]: own });
    expect(sources(ZEROS)).toEqual({
      [ext1]: karlp('zero-extrinsics'),
      [ext2]: karlp('zero-extrinsics'),
      [wrist]: own,
    });
    const assumed = ['release', 'assumed', 'unchecked', null];
    expect(sources(UNCALIBRATED)).toEqual({ [ext1]: assumed, [ext2]: assumed, [wrist]: assumed });
    expect(found.ledger.get(ZEROS)!.entry.calibration[ext1]!.detail).toMatch(/release.*6 zeros/);
  });
});

/** Pixel of the point 0.15 m along the flange's z, from one row's proprioception (rot6d by rows) and its K. */
function project(proprio: Float32Array, [fx, fy, cx, cy]: Float32Array): number[] {
  const [x, y, z, r00, r01, r02, r10, r11, r12] = proprio as unknown as number[];
  const r22 = r00! * r11! - r01! * r10!;
  const tip = [x! + 0.15 * r02!, y! + 0.15 * r12!, z! + 0.15 * r22];
  return [fx! * (tip[0]! / tip[2]!) + cx!, fy! * (tip[1]! / tip[2]!) + cy!];
}
