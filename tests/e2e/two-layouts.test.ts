/** One recording in two published layouts gives the same rows: raw files and the RLDS that was made of them. */
import { expect, it } from 'vitest';
import { prep } from '../cli/run.ts';
import { describeShared, sharedPath } from '../formats/shared-data.ts';
import { freshFolder, stored } from './demo-set.ts';

describeShared('droid_sim', () => {
  it('actions, history, proprioception and cameras', { timeout: 120_000 }, async () => {
    const store = freshFolder();
    const roots = { droid_raw: 'raw', droid: 'rlds/droid_101/1.0.1' };
    for (const [dataset, folder] of Object.entries(roots)) {
      const root = `${sharedPath('droid_sim')}/${folder}`;
      const { stderr } = await prep('ingest', dataset, '--root', root, '--store', store, '--max-quarantine', '1');
      expect(stderr).toBe('');
    }
    const [raw, rlds] = [await stored(store, 'droid_raw'), await stored(store, 'droid')];
    const both = [...raw.rows.keys()].filter((episode) => rlds.rows.has(episode));
    expect(both.length).toBeGreaterThan(1);
    for (const episode of both) {
      const [a, b] = [raw.rows.get(episode)!, rlds.rows.get(episode)!];
      expect([a.steps, a.third]).toEqual([b.steps, b.third]);
      for (const name of ['action', 'history', 'proprio', 'time'] as const) {
        expect(a[name].length).toBe(b[name].length);
        expect(Math.max(...Array.from(a[name], (x, i) => Math.abs(x - b[name][i]!))), name).toBeLessThan(1e-6);
      }
      expect(a.actionValid).toEqual(b.actionValid);
    }
  });
});
