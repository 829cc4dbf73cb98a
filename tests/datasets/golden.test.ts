/** One tiny set per dataset, ingested by the command line, against what scipy made of the truth beside the made sets. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Role, StepColumns } from '../../schemas/episode.ts';
import type { IngestSummary } from '../../schemas/report.ts';
import { prepJson } from '../cli/run.ts';
import { freshFolder, type Stored, stored } from '../e2e/demo-set.ts';
import { type Drawn, readMarks } from './marks.ts';

const FOLDER = fileURLToPath(new URL('../../fixtures/datasets/', import.meta.url));

type Matrix = readonly (readonly number[])[];
interface Arm {
  /** Per listed row: every fifth chunk step, 10 numbers each. */
  readonly action: readonly Matrix[];
  readonly valid: readonly number[];
  readonly history: Matrix;
  readonly proprio: Matrix;
}
interface Camera extends Drawn {
  readonly role: Role | 'other';
  readonly number: number;
  /** fx fy cx cy of the 256×256 picture. */
  readonly k256?: readonly number[];
  /** 3×4 row-major for each listed row. */
  readonly baseFromCam?: Matrix;
}
interface Wanted {
  readonly id: string;
  readonly steps: number;
  readonly rows: readonly number[];
  readonly third: string | null;
  readonly instructions: readonly string[];
  readonly defect: string | null;
  readonly arms: readonly Arm[];
  readonly cameras: Readonly<Record<string, Camera>>;
}
type Expected = Readonly<
  Record<string, { readonly reference: 'third' | 'base'; readonly episodes: readonly Wanted[] }>
>;

const expected: Expected = JSON.parse(readFileSync(join(FOLDER, 'expected.json'), 'utf8'));
const CHUNK_STEPS = 32;

/** Reasons that a set's defects, or its lack of camera poses, must be given. */
const REASON: Readonly<Record<string, string>> = { interndata_a1: 'camera-on-hand', robomind: 'frozen-pose' };

/** Largest difference; a NaN counts as infinite. */
function apart(found: ArrayLike<number>, wanted: readonly number[]): number {
  expect(found.length).toBe(wanted.length);
  return Math.max(
    0,
    ...wanted.map((x, i) => (Number.isNaN(found[i]!) ? Number.POSITIVE_INFINITY : Math.abs(x - found[i]!))),
  );
}

describe.each(Object.entries(expected))('%s', (dataset, { reference, episodes }) => {
  let found: Stored;
  const third = episodes.find(({ third: camera }) => camera !== null)?.third;
  const sound = episodes.filter(({ defect }) => defect === null);

  beforeAll(async () => {
    const store = freshFolder();
    const words = ['--workers', '1', '--max-quarantine', '1', '--reference', reference];
    // Sets whose robots differ name the camera differently: there the first choice is the expected one.
    if (third && dataset !== 'robotwin') words.push('--third', third);
    const args = ['ingest', dataset, '--root', join(FOLDER, dataset), '--store', store, ...words];
    const { code, value } = await prepJson<IngestSummary>(...args);
    expect(code, JSON.stringify(value)).toBe(0);
    found = await stored(store, dataset);
  }, 300_000);

  /** The kept episode of that length: within a fixture lengths differ, or the ids do. */
  function rowsOf({ id, steps }: Wanted): StepColumns {
    const alike = [...found.rows].filter(([, rows]) => rows.steps === steps);
    const named = alike.filter(([key]) => id.split('/').every((part) => key.includes(part)));
    return (named[0] ?? alike[0])![1];
  }

  it.each(sound.filter(({ arms }) => arms.length > 0))('$id: labels', (wanted) => {
    const rows = rowsOf(wanted);
    const slots = rows.proprio.length / (10 * rows.steps);
    for (const [slot, arm] of wanted.arms.entries())
      for (const [i, row] of wanted.rows.entries()) {
        const at = (row * slots + slot) * CHUNK_STEPS * 10;
        for (const [j, motion] of arm.action[i]!.entries())
          expect(apart(rows.action.subarray(at + 50 * j, at + 50 * j + 10), motion)).toBeLessThan(1e-5);
        expect(rows.actionValid[row]).toBe(arm.valid[i]);
        const vector = (column: Float32Array) => column.subarray((row * slots + slot) * 10).subarray(0, 10);
        if (row > 0) expect(apart(vector(rows.history), arm.history[i]!)).toBeLessThan(1e-5);
        expect(apart(vector(rows.proprio), arm.proprio[i]!)).toBeLessThan(1e-5);
      }
  });

  it.each(sound)('$id: cameras, frames, words', (wanted) => {
    const rows = rowsOf(wanted);
    const roles = Object.keys(rows.images) as Role[];
    for (const [name, camera] of Object.entries(wanted.cameras)) {
      const role = name === rows.third ? 'third' : camera.role;
      const at = roles.indexOf(role as Role);
      if (at < 0 || (role === 'third' && name !== rows.third)) continue;
      const { data, offsets } = rows.images[role as Role]!;
      for (const [i, row] of wanted.rows.entries()) {
        const numbers = rows.camera.subarray((row * roles.length + at) * 16).subarray(0, 16);
        if (camera.baseFromCam) expect(apart(numbers.subarray(4), camera.baseFromCam[i]!)).toBeLessThan(1e-5);
        if (camera.k256) expect(apart(numbers.subarray(0, 4), camera.k256)).toBeLessThan(2e-3);
        if (camera.style === null) continue;
        const jpeg = data.subarray(offsets[row]!, offsets[row + 1]!);
        expect(readMarks(jpeg, camera), `${name} ${row}`).toEqual({ frame: row, camera: camera.number });
      }
    }
    if (wanted.instructions.length > 0) expect(wanted.instructions).toContain(rows.instruction[0]);
  });

  it('sets defects aside, with the reason', () => {
    const aside = [...found.ledger.values()].filter(({ entry }) => entry.state !== 'kept');
    for (const { steps } of episodes.filter(({ defect }) => defect !== null)) {
      const entry = aside.find((row) => row.entry.length === steps)?.entry;
      expect(entry).toMatchObject({ reason: REASON[dataset], detail: expect.stringMatching(/\w/) });
    }
  });
});

describe('without a camera pose', () => {
  it.each(['aloha', 'libero', 'robomind', 'fractal', 'bridge'])('%s is rejected', async (dataset) => {
    const store = freshFolder();
    const args = ['ingest', dataset, '--root', join(FOLDER, dataset), '--store', store, '--max-quarantine', '1'];
    const { code, value } = await prepJson<IngestSummary>(...args);
    expect(code).toBe(1);
    expect(value).toMatchObject({ rows: 0, seen: { kept: 0 } });
    const reasons = [...(await stored(store, dataset)).ledger.values()].map(({ entry }) => entry.reason);
    expect(reasons.filter((reason) => reason === 'no-extrinsics').length).toBeGreaterThan(0);
  });
});
