/** Values that published files hold and that must cost no more than themselves. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openJsonIndex } from '../../sources/formats/json-index.ts';
import { prep } from '../cli/run.ts';
import { CAMERAS, freshFolder, ingestWords, SOUND, stored, UNCALIBRATED } from '../e2e/demo-set.ts';
import { changedKarlp, demoRecords, floatsOf, framed, replaced, writeRelease } from '../e2e/release.ts';

describe('numbers that Python writes and JSON does not know', () => {
  it('are null, strings are not touched', () => {
    const file = join(freshFolder(), 'x.json');
    writeFileSync(file, '{"a": {"k": [NaN, -Infinity, 1.5], "NaN \\" text": "Infinity"}, "b": nan}');
    const index = openJsonIndex(file);
    expect(index.get('a')?.value).toEqual({ k: [null, null, 1.5], 'NaN " text': 'Infinity' });
    expect(() => index.get('b')).toThrow(/bad-value .*expected JSON/);
    index.close();
  });

  it('cost one camera its intrinsics, not the run', async () => {
    const karlp = changedKarlp();
    const file = join(karlp, 'intrinsics.json');
    writeFileSync(file, readFileSync(file, 'utf8').replace(/("cameraMatrix":\s*\[\s*)[\d.]+/, '$1NaN'));
    const store = freshFolder();
    expect((await prep(...ingestWords(store, '--calibration', karlp))).code).toBe(0);
    const { ledger } = await stored(store);
    const cameras = Object.values(ledger.get(SOUND)!.entry.calibration);
    expect(cameras.map((one) => one.intrinsics_source).sort()).toEqual([
      ...['assumed', 'karlp-intrinsics', 'karlp-intrinsics'],
    ]);
    expect(cameras.find((one) => one.intrinsics_source === 'assumed')?.reason).toBe('bad-intrinsics');
  });
});

it('an instruction of blanks is no instruction', async () => {
  const text = 'Pick up the red cube and put it down on the other side';
  const [sound] = demoRecords();
  const others = ['Grasp the red cube, turn it and place it', 'Move the red cube across the table'];
  const blank = [text, ...others].reduce((record, one) => replaced(record, one, ' '.repeat(one.length)), sound);
  const karlp = changedKarlp([
    'droid_language_annotations',
    (entries) => {
      for (const uuid of Object.keys(entries)) entries[uuid] = { language_instruction1: ' \n' };
    },
  ]);
  const store = freshFolder();
  const root = writeRelease([[framed(blank)]]);
  await prep('ingest', 'droid', '--root', root, '--store', store, '--workers', '1', '--calibration', karlp);
  const { entry } = (await stored(store)).ledger.get(SOUND)!;
  expect(entry.instructions).toEqual([]);
  expect(entry.flagRuns).toContainEqual({ flag: 'no_instruction', start: 0, end: entry.length });
});

it('a pose that is not finite reads the same after a relabel as after an ingest', async () => {
  const [, plain] = demoRecords();
  const at = floatsOf(plain, 'episode_metadata/extrinsics_exterior_cam_2');
  plain.writeFloatLE(Number.NaN, at);
  plain.writeFloatLE(Number.NEGATIVE_INFINITY, at + 4);
  const root = writeRelease([[framed(plain)]]);
  const words = (store: string): string[] => ['ingest', 'droid', '--root', root, '--store', store, '--workers', '1'];
  const [fresh, relabelled] = [freshFolder(), freshFolder()];
  const karlp = changedKarlp();
  await prep(...words(fresh), '--calibration', karlp);
  await prep(...words(relabelled));
  await prep('relabel', relabelled, '--calibration', karlp);
  const details = await Promise.all(
    [fresh, relabelled].map(async (store) => (await stored(store)).ledger.get(UNCALIBRATED)!.entry.calibration),
  );
  expect(details[0]?.[CAMERAS.ext2]?.detail).toMatch(/\[NaN, -Infinity/);
  expect(details[1]).toEqual(details[0]);
});
