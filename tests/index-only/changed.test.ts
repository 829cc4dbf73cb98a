/** A source that is not what it was when the index was made: said, never used. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { IngestSummary } from '../../schemas/report.ts';
import { readRecordAt, readRecords } from '../../sources/formats/tfrecord.ts';
import { prep, prepJson } from '../cli/run.ts';
import { freshFolder, RELEASE } from '../e2e/demo-set.ts';
import { memoryFile } from '../formats/memory-file.ts';
import { DROID, ingest, ingestWords, M1, planOver, type TestSet } from './sets.ts';

const SHARD = 'droid_101-train.tfrecord-00000-of-00002';

/** An index of a copy of the set, and a plan over it. */
async function indexed(set: TestSet) {
  const root = join(freshFolder(), 'copy');
  cpSync(set.root, root, { recursive: true });
  const [copy, store] = [{ ...set, root }, freshFolder()];
  await ingest(copy, store, '--index-only');
  return { copy, store, plan: (await planOver([copy], store)).plan };
}

it('one record by its place: exactly its bytes, checked', async () => {
  const bytes = new Uint8Array(readFileSync(join(RELEASE, SHARD)));
  const file = memoryFile(SHARD, bytes);
  for await (const one of readRecords(file)) {
    if (one.kind !== 'record') continue;
    expect(await readRecordAt(file, one)).toEqual(one);
    const longer = await readRecordAt(file, { ...one, length: one.length + 1 });
    expect(longer).toMatchObject({ kind: 'damaged', error: { code: 'source-changed' } });
    const damaged = Uint8Array.from(bytes);
    damaged[one.offset + 100]! ^= 1;
    const bad = await readRecordAt(memoryFile(SHARD, damaged), one);
    expect(bad).toMatchObject({ kind: 'damaged', error: { code: 'bad-data-checksum' } });
    const cut = await readRecordAt(memoryFile(SHARD, bytes.subarray(0, one.offset + 4)), one);
    expect(cut).toMatchObject({ kind: 'damaged', error: { code: 'truncated-record' } });
  }
});

it('another record in the place of one', { timeout: 300_000 }, async () => {
  const { copy, store, plan } = await indexed(DROID);
  // The shard of other episodes under this name: sound records, but not those of the index.
  for (const [from, to] of [
    ['00001', '00000'],
    ['00000', '00001'],
  ] as const) {
    const name = (index: string) => `droid_101-train.tfrecord-${index}-of-00002`;
    cpSync(join(RELEASE, name(from)), join(copy.root, name(to)));
  }
  const { code, value } = await prepJson<IngestSummary>(...ingestWords(copy, store, '--plan', plan));
  expect(code).toBe(1);
  expect(value).toMatchObject({ state: 'failed', rows: 0 });
  expect(value.damagedShards.length).toBeGreaterThan(0);
  for (const fault of value.damagedShards) expect(fault).toMatch(/source-changed|checksum|impossible-length/);
});

it('a file of another size', { timeout: 300_000 }, async () => {
  const { copy, store, plan } = await indexed(M1);
  const video = join(copy.root, 'videos/chunk-000/video.base_view/episode_000000.mp4');
  writeFileSync(video, Buffer.concat([readFileSync(video), Buffer.from([0, 0, 0, 8, ...Buffer.from('free')])]));
  const { code, value } = await prepJson<IngestSummary>(...ingestWords(copy, store, '--plan', plan));
  expect(code).toBe(1);
  expect(value.damagedShards).toEqual([expect.stringMatching(/source-changed .*as when it was ingested.*--replace/)]);
  // What was brought back is read.
  cpSync(M1.root, copy.root, { recursive: true });
  await ingest(copy, store, '--plan', plan);
});

it('a drawn frame that cannot be decoded sets its episode aside', { timeout: 300_000 }, async () => {
  const { copy, store, plan } = await indexed(M1);
  for (const camera of ['base_view', 'base_view_2']) {
    const video = join(copy.root, `videos/chunk-000/video.${camera}/episode_000000.mp4`);
    const bytes = readFileSync(video);
    const box = bytes.indexOf('mdat') - 4;
    bytes.fill(0xff, box + 8, box + bytes.readUInt32BE(box));
    writeFileSync(video, bytes);
  }
  const words = ingestWords(copy, store, '--plan', plan, '--max-quarantine', '1');
  const { code, stderr } = await prep(...words);
  expect(code).toBe(1);
  expect(stderr).toMatch(/1 episodes that plan .* draws from were set aside.*make a new plan/);
  expect((await prep('shard', store, '--plan', plan)).stderr).toMatch(/needs-pixels .*set the episode aside/);
});
