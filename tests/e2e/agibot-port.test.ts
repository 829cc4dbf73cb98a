/**
 * AgiBotWorld in its original layout and as any4lerobot ports it (fixtures/agibot_port, made by make.py): without
 * calibration the port gives base-frame actions alone; with the original's parameters its rows are the original's.
 */
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { EpisodeOutcome, StepColumns } from '../../schemas/episode.ts';
import { freshFolder } from './demo-set.ts';
import { ingestInProcess } from './in-process.ts';

const fixture = fileURLToPath(new URL('../../fixtures/agibot_port/', import.meta.url));
const ORIGINAL = join(fixture, 'original');
const PORT = join(fixture, 'port');
/** Both episodes in one set of v2.1, found by their segments; one in a set of v3.0 whose name says which it is. */
const PAIRS = [
  ['task_327/train/0', '327/648642'],
  ['task_327/train/1', '327/648650'],
] as const;

async function ingested(...args: Parameters<typeof ingestInProcess>): Promise<ReadonlyMap<string, EpisodeOutcome>> {
  const { refused, damagedShards, outcomes } = await ingestInProcess(...args);
  expect([refused, damagedShards]).toEqual([null, []]);
  return new Map(outcomes.map((outcome) => [outcome.ledger.episode, outcome]));
}

/** Numbers to 1e-5 (the port stores float32), everything else as it is. */
function expectSameRows(ours: StepColumns, theirs: StepColumns): void {
  for (const name of ['action', 'proprio', 'history', 'camera', 'time'] as const) {
    expect(ours[name].length).toBe(theirs[name].length);
    const worst = Math.max(...Array.from(ours[name], (x, i) => distance(x, theirs[name][i]!)));
    expect(worst, name).toBeLessThan(1e-5);
  }
  for (const name of ['instruction', 'third', 'robot', 'actionValid', 'present', 'flags', 'imageHash'] as const)
    expect(ours[name], name).toEqual(theirs[name]);
}
const distance = (a: number, b: number): number =>
  Number.isNaN(a) && Number.isNaN(b) ? 0 : Number.isNaN(a - b) ? Number.POSITIVE_INFINITY : Math.abs(a - b);

describe('the port without calibration', () => {
  it('is rejected for want of extrinsics, with what to do about it', async () => {
    for (const { ledger } of (await ingested('agibot', PORT)).values()) {
      expect(ledger).toMatchObject({ state: 'rejected', reason: 'no-extrinsics' });
      expect(ledger.detail).toMatch(/no usable rotation of the reference camera.*--calibration.*--reference base/);
    }
  });
  it('gives the base-frame rows of the original', async () => {
    const port = await ingested('agibot', join(PORT, 'task_327'), { reference: 'base' });
    const original = await ingested('agibot', ORIGINAL, { reference: 'base' });
    for (const [ours, theirs] of PAIRS) {
      const [a, b] = [port.get(ours)!.rows!, original.get(theirs)!.rows!];
      // What is known of the cameras, and doubted, is the original's alone.
      expectSameRows(a, { ...b, camera: a.camera, present: a.present, flags: a.flags });
      expect(port.get(ours)!.ledger.instructions).toEqual(original.get(theirs)!.ledger.instructions);
    }
  });
});

describe('the port with the parameters of the original', () => {
  it.each([
    ['the root of the release', ORIGINAL],
    ['its folder `parameters`', join(ORIGINAL, 'parameters')],
  ])('gives the rows of the original: %s', async (_, calibration) => {
    const port = await ingested('agibot', join(PORT, 'task_327'), { calibration });
    const original = await ingested('agibot', ORIGINAL);
    expect([port.size, original.size]).toEqual([2, 2]);
    for (const [ours, theirs] of PAIRS) {
      expectSameRows(port.get(ours)!.rows!, original.get(theirs)!.rows!);
      expect(port.get(ours)!.ledger.calibration.head).toMatchObject({
        source: 'agibot-parameters',
        intrinsics_source: 'agibot-parameters',
        quality: 'unchecked',
      });
    }
  });
  it('finds an episode by the name of its set where nothing lists its segments', async () => {
    const calibration = freshFolder();
    cpSync(join(ORIGINAL, 'parameters'), join(calibration, 'parameters'), { recursive: true });
    const original = await ingested('agibot', ORIGINAL);
    for (const root of [PORT, join(PORT, 'task_327_episode_648650')]) {
      const port = await ingested('agibot', root, { calibration });
      expectSameRows(port.get('327/648650')!.rows!, original.get('327/648650')!.rows!);
    }
  });
});

describe('an episode that cannot be told apart', () => {
  it('stays uncalibrated: two of the original have its segments', async () => {
    const calibration = freshFolder();
    cpSync(ORIGINAL, calibration, { recursive: true });
    const file = join(calibration, 'task_info/task_327.json');
    const entries = JSON.parse(readFileSync(file, 'utf8')) as { episode_id: number }[];
    const twin = { ...entries.find(({ episode_id }) => episode_id === 648642)!, episode_id: 648643 };
    writeFileSync(file, JSON.stringify([twin, ...entries]));
    const port = await ingested('agibot', join(PORT, 'task_327'), { calibration });
    expect(port.get('task_327/train/0')!.ledger.reason).toBe('no-extrinsics');
    expect(port.get('task_327/train/1')!.ledger.state).toBe('kept');
  });
  it('a damaged camera file costs its camera and no more', async () => {
    const calibration = freshFolder();
    cpSync(ORIGINAL, calibration, { recursive: true });
    const folder = join(calibration, 'parameters/327/648642/parameters/camera');
    writeFileSync(join(folder, 'head_extrinsic_params_aligned.json'), '[{"extrinsic": {');
    rmSync(join(folder, 'hand_left_extrinsic_params_aligned.json'));
    const port = await ingested('agibot', join(PORT, 'task_327'), { calibration });
    const { ledger } = port.get('task_327/train/0')!;
    expect(ledger).toMatchObject({ state: 'rejected', reason: 'no-extrinsics' });
    expect(ledger.calibration).toMatchObject({
      head: { quality: 'unusable', reason: 'field-shape' },
      hand_left: { quality: 'unusable', reason: 'missing-calibration' },
      hand_right: { quality: 'unchecked' },
    });
  });
  it('a folder without parameters is refused by name', async () => {
    const { refused } = await ingestInProcess('agibot', PORT, { calibration: freshFolder() });
    expect(refused?.message).toMatch(/missing-calibration.*parameters\/<task>\/<episode>.*no such folder/);
  });
  it('the original has its calibration beside the episodes, and says so', async () => {
    const { refused } = await ingestInProcess('agibot', ORIGINAL, { calibration: ORIGINAL });
    expect(refused?.fault).toMatchObject({ code: 'bad-option', at: { dataset: 'agibot', field: '--calibration' } });
    expect(refused?.message).toMatch(
      /no side files: .*original layout.* has .*JSON beside each episode.*leave --calib/,
    );
  });
  it('where neither layout is, both are named, whether side files are given or not', async () => {
    const nowhere = freshFolder();
    for (const calibration of [undefined, ORIGINAL]) {
      const { refused } = await ingestInProcess('agibot', nowhere, calibration ? { calibration } : {});
      expect(refused?.message).toMatch(/source-missing.*original layout.*LeRobot port/);
    }
  });
});
