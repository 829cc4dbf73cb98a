import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { PrepError } from '../../schemas/errors.ts';
import { openRoot } from '../../sources/bytes.ts';
import { rldsRecord } from '../../sources/formats/rlds.ts';
import type { TfdsShard } from '../../sources/formats/shards.ts';
import { openTfds, type TfdsDirectory } from '../../sources/formats/tfds.ts';
import { readRecords } from '../../sources/formats/tfrecord.ts';
import { describeShared, sharedPath } from './shared-data.ts';

interface Case {
  path: string;
  kind: string;
  must: 'read' | 'reject' | 'quarantine';
  keep?: string[];
  quarantine?: string[];
  expect?: { steps: number[] };
}

interface Outcome {
  kept: string[];
  steps: number[];
  /** Faults of single records, then what ended the shard or the folder. */
  faults: PrepError[];
  rejected: PrepError | null;
}

/** Everything that a pipeline asks of a record of these sets, pixels apart. */
async function ingest(path: string): Promise<Outcome> {
  const out: Outcome = { kept: [], steps: [], faults: [], rejected: null };
  try {
    const found = await openTfds(await openRoot(path), { partial: false });
    for (const shard of found.splits.flatMap((split) => split.shards)) await ingestShard(found, shard, out);
  } catch (error) {
    if (!(error instanceof PrepError)) throw error;
    out.rejected = error;
  }
  return out;
}

async function ingestShard({ root, features }: TfdsDirectory, shard: TfdsShard, out: Outcome): Promise<void> {
  const file = await root.open(shard.file);
  try {
    for await (const read of readRecords(file, { expected: shard.expected }))
      try {
        if (read.kind === 'damaged') throw read.error;
        const record = rldsRecord(read.data, features);
        record.numbers('steps/observation/state', 8);
        record.numbers('steps/action', 7);
        record.images('steps/observation/image');
        out.kept.push(record.text('episode_metadata/episode_id'));
        out.steps.push(record.steps);
      } catch (error) {
        if (!(error instanceof PrepError)) throw error;
        out.faults.push(error.within({ shard: shard.file, record: read.record }));
      }
  } finally {
    await file.close();
  }
}

/** What the message must name, and the code. */
const FAULTS: Record<string, [code: string, words: RegExp]> = {
  truncated_tail: ['truncated-record', /00000-of-00001.*record 2.*cut short/],
  data_bit: ['bad-data-checksum', /00000-of-00001.*record 1.*checksum/],
  length_bit: ['bad-length-checksum', /00000-of-00001.*record 1.*offset \d+.*length checksum/],
  length_huge: ['impossible-length', /00000-of-00001.*record 1.*4611686018427387904/],
  empty_shard: ['empty-shard', /00000-of-00001.*empty/],
  missing_shard: ['missing-shard', /made_rlds-train\.tfrecord-00001-of-00002.*--partial/],
  gzip: ['compressed-shard', /gzip/],
  ragged_images: ['field-shape', /record 1.*steps\/observation\/image.*8.*7/],
  ragged_state: ['field-shape', /record 1.*steps\/observation\/state.*64.*61/],
  zero_steps: ['zero-steps', /record 1.*zero steps/],
  missing_feature: ['missing-field', /record 1.*steps\/action/],
  not_an_example: ['not-an-example', /record 1.*tf\.train\.Example/],
  count_mismatch: ['count-mismatch', /00000-of-00001.*3 .*2/],
};
/** Only a decoder can see what is wrong with these: the bytes are delivered as they are. */
const PIXELS = ['not_jpeg', 'jpeg_half', 'jpeg_bomb', 'png_in_jpeg'];

describeShared('hostile/tfrecord', () => {
  const manifest = sharedPath('hostile/manifest.json');
  const listed: Case[] = existsSync(manifest) ? JSON.parse(readFileSync(manifest, 'utf8')) : [];
  const cases = new Map(
    listed.filter(({ kind }) => kind === 'tfrecord').map((one) => [one.path.split('/').at(-1)!, one]),
  );
  const names = ['good', ...PIXELS, ...Object.keys(FAULTS)];

  it('knows every case of the manifest', () => expect([...cases.keys()].sort()).toEqual(names.toSorted()));

  for (const name of names)
    it(name, async () => {
      const one = cases.get(name)!;
      const { kept, steps, faults, rejected } = await ingest(sharedPath(`hostile/${one.path}`));
      const expected = PIXELS.includes(name) ? ['episode-0', 'episode-1', 'episode-2'] : (one.keep ?? []);
      expect(kept).toEqual(expected);
      if (one.expect) expect(steps).toEqual(one.expect.steps);
      const fault = FAULTS[name];
      expect(faults.length).toBe(fault && one.must === 'quarantine' ? one.quarantine!.length : 0);
      expect(rejected?.code ?? null).toBe(one.must === 'reject' ? fault![0] : null);
      if (!fault) return;
      const error = rejected ?? faults[0]!;
      expect(error.code).toBe(fault[0]);
      expect(error.message).toMatch(fault[1]);
    });
});
