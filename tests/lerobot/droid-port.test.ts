/** Episodes of DROID's LeRobot port that its users found broken: set aside with the reason, and only those. */
import { describe, expect, it } from 'vitest';
import { prepareEpisode } from '../../pipelines/episode.ts';
import { tableOf } from '../../pipelines/table.ts';
import { DEFAULT_LABELS, DEFAULT_PIXELS } from '../../schemas/options.ts';
import type { LerobotRecord } from '../../schemas/records.ts';
import spec from '../../sources/datasets/droid_lerobot.ts';

const table = tableOf(spec, { name: 'droid_lerobot', pixels: DEFAULT_PIXELS, labels: DEFAULT_LABELS, sideFiles: null });
const registry = {
  excluded: () => undefined,
  uniqueId: (id: string) => ({ id, clash: undefined }),
  duplicateOf: () => undefined,
};

/** An episode of which only its place is known: whoever asks for its numbers is told that they are not there. */
function prepared(index: number) {
  const nothing = (): never => {
    throw new Error('the numbers of the episode were asked for');
  };
  const record: LerobotRecord = {
    format: 'lerobot',
    info: { path: '', version: 'v2.1', robotType: 'franka', fps: 15, features: {}, json: {} },
    ...{ index, steps: 40, entry: {}, has: () => false, tasks: () => [''] },
    ...{ numbers: nothing, texts: nothing, bytes: nothing, images: nothing },
  };
  const place = { split: 'train', shard: 'data/file.parquet', record: 0, offset: 0, length: 40 };
  const found = { place, within: { container: 'droid', split: 'train', index }, digest: 'd' };
  return prepareEpisode(() => record, found, { table, spec, registry });
}

describe('the known broken episodes', () => {
  it.each([11907, 14419, 24440, 64837, 64871])('%i: rejected as excluded, by its number', (index) => {
    const outcome = prepared(index);
    expect('aside' in outcome && outcome.aside).toMatchObject({ state: 'rejected', reason: 'excluded' });
    expect('aside' in outcome && outcome.aside.detail).toContain(`episode ${index}, which the port is known to have`);
    expect('aside' in outcome && outcome.aside.episode).toBe(`droid/train/${index}`);
  });
  it.each([0, 11906, 11908, 14420, 64838])('%i: read', (index) => {
    expect(() => prepared(index)).toThrow('the numbers of the episode were asked for');
  });
});
