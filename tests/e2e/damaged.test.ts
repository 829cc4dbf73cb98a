/** Damage in DROID's own layout, one record each, made of the bundled bytes: it costs its own episode and says why. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { IngestSummary } from '../../schemas/report.ts';
import { prep, prepJson } from '../cli/run.ts';
import { audit } from '../sinks/open.ts';
import { freshFolder, type Stored, stored } from './demo-set.ts';
import { demoRecords, floatsOf, framed, replaced, retimed, withBytesList, writeRelease } from './release.ts';
import { wordsFor } from './six-shards.ts';

const [, plain] = demoRecords();
const changed = (n: number, change: (record: Buffer) => void): Buffer => {
  const record = retimed(plain, n);
  change(record);
  return record;
};
const idAt = (seconds: string): string => `CLVR/failure/2023-03-21/Tue_Mar_21_00_00_${seconds}_2023`;

const WRIST = 'steps/observation/wrist_image_left';
const OPENNESS = 'steps/observation/gripper_position';
/** A JPEG whose start is zeros; its length stays. */
const overwritten = (frame: Buffer): Buffer => Buffer.concat([Buffer.alloc(64), frame.subarray(64)]);

let found: Stored;
let summary: IngestSummary;
let store: string;
beforeAll(async () => {
  const flipped = framed(retimed(plain, 1));
  flipped[1000]! ^= 4;
  const damaged = [
    flipped,
    framed(withBytesList(retimed(plain, 2), WRIST, (list) => list.with(3, overwritten(list[3]!)))),
    framed(withBytesList(retimed(plain, 3), WRIST, (list) => list.slice(1))),
    framed(withBytesList(retimed(plain, 4), WRIST, (list) => list.with(9, Buffer.alloc(0)))),
    // The key itself is another one, so the field is not there.
    framed(replaced(retimed(plain, 5), WRIST, `${WRIST.slice(0, -1)}X`)),
    framed(changed(6, (record) => record.writeFloatLE(Number.NaN, floatsOf(record, OPENNESS) + 4 * 7))),
    framed(withBytesList(plain, 'episode_metadata/file_path', () => [Buffer.from('somewhere/else.h5')])),
  ];
  const sound = Array.from({ length: 3 }, (_, n) => framed(retimed(plain, 30 + n)));
  const twice = framed(retimed(plain, 40));
  const imposter = framed(changed(40, (r) => r.writeFloatLE(0.5, floatsOf(r, OPENNESS))));
  const cut = framed(retimed(plain, 41));
  const shards = [
    [...damaged, ...sound],
    [twice, twice, imposter],
    [framed(retimed(plain, 42)), cut.subarray(0, cut.length - 100)],
  ];
  const release = writeRelease(shards);
  store = join(freshFolder(), 'store');
  const { code, value } = await prepJson<IngestSummary>(...wordsFor(release, store, '--max-quarantine', '1'));
  expect(code, JSON.stringify(value)).toBe(0);
  summary = value;
  found = await stored(store);
});

describe('a damaged record', () => {
  const entryOf = (shard: number, record: number) =>
    [...found.ledger.values()].find(
      ({ entry }) => entry.record.shard.includes(`-0000${shard}-of`) && entry.record.record === record,
    )!.entry;

  it.each([
    ['one bit of its data flipped', 0, 0, 'quarantined', 'bad-data-checksum', /checksum/],
    ['a picture overwritten', 0, 1, 'quarantined', 'bad-image', /camera wrist_image_left, step 3/],
    ['one picture too few', 0, 2, 'quarantined', 'field-shape', /wrist_image_left.*16.*15/],
    ['a picture of no bytes', 0, 3, 'quarantined', 'bad-image', /camera wrist_image_left, step 9/],
    ['a field gone', 0, 4, 'quarantined', 'missing-field', /wrist_image_left/],
    ['NaN in the gripper', 0, 5, 'quarantined', 'not-finite', /step 7.*openness.*NaN/],
    ['a path that names no episode', 0, 6, 'quarantined', 'bad-id', /file_path.*somewhere\/else/],
    ['the same bytes twice', 1, 1, 'rejected', 'duplicate', /00_00_40/],
    ['the same id with other bytes', 1, 2, 'quarantined', 'duplicate-id', /00_00_40/],
    ['cut short', 2, 1, 'quarantined', 'truncated-record', /cut short/],
  ] as const)('%s', (_, shard, record, state, reason, detail) => {
    const entry = entryOf(shard, record);
    expect([entry.state, entry.reason]).toEqual([state, reason]);
    expect(entry.detail).toMatch(detail);
  });

  it('costs no other episode, and leaves no row behind', async () => {
    expect([...found.rows.keys()].sort()).toEqual(['30', '31', '32', '40', '42'].map(idAt));
    expect([...found.rows.values()].every(({ steps }) => steps === 16)).toBe(true);
    expect(summary.rows).toBe(80);
    expect(summary.seen).toMatchObject({ kept: 5, rejected: 1 });
    const raw = await audit(store, 'droid');
    expect([raw.voidSteps, raw.voidTracks, raw.wrong, raw.twice]).toEqual([0, 0, [], 0]);
  });

  it('is listed by prep status with a command to try again', async () => {
    const { code, stdout } = await prep('status', store, '--by', 'lab');
    expect(code).toBe(0);
    expect(stdout).toMatch(/CLVR: duplicate +rejected +1/);
    expect(stdout).toMatch(/to try these again: prep ingest droid .*--retry /);
    expect(existsSync(store)).toBe(true);
  });
});
