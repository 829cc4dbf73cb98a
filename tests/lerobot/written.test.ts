/**
 * Small sets that `lerobot` wrote, against what it reads of them (fixtures/lerobot, made by write.py with lerobot 0.4.3
 * and 0.3.3). v30: files shared by episodes, each camera with its own; v30_merged: joined by lerobot's own tool, which
 * leaves wrong file numbers; v21 and v20: a file for each episode, in chunks of two.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { compareWithTruth } from './truth.ts';

const folder = fileURLToPath(new URL('../../fixtures/lerobot/', import.meta.url));

it.each([
  { set: 'v30', version: 'v3.0', episodes: 4, frames: 30 },
  { set: 'v30_merged', version: 'v3.0', episodes: 4, frames: 26 },
  { set: 'v21', version: 'v2.1', episodes: 3, frames: 22 },
  { set: 'v20', version: 'v2.0', episodes: 2, frames: 14 },
])('$set: every row, text and frame as lerobot reads them', async ({ set, ...expected }) => {
  const compared = await compareWithTruth(join(folder, set));
  expect(compared).toMatchObject(expected);
  expect(compared.codes).toBeGreaterThan(0.5 * expected.frames);
});

it('v30 has what is hard: several episodes in a file, and files that differ by camera', () => {
  const videos = join(folder, 'v30/set/videos');
  const files = readdirSync(videos).map((camera) => readdirSync(join(videos, camera, 'chunk-000')).length);
  expect(new Set(readdirSync(videos).map((camera) => readdirSync(join(videos, camera)).join())).size).toBe(2);
  expect(Math.max(...files)).toBe(2);
});
