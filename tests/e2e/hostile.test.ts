/** Each hostile TFRecord set through the whole command: what is kept, what is said, the exit code, no partial rows. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import type { IngestSummary } from '../../schemas/report.ts';
import { prep, prepJson } from '../cli/run.ts';
import { describeShared, sharedPath } from '../formats/shared-data.ts';
import { audit } from '../sinks/open.ts';
import { freshFolder, stored } from './demo-set.ts';

interface Case {
  readonly path: string;
  readonly kind: string;
  readonly must: 'read' | 'reject' | 'quarantine';
  readonly keep?: string[];
  readonly quarantine?: string[];
}

const SPEC = fileURLToPath(new URL('made-rlds.ts', import.meta.url));
const STEPS: Readonly<Record<string, number>> = { 'episode-0': 10, 'episode-1': 8, 'episode-2': 9 };
/** What `message_names` of the manifest asks for: the ledger's reason and detail, or the message of the shard. */
const SAID: Readonly<Record<string, RegExp>> = {
  truncated_tail: /^truncated-record .*record 2.*cut short/,
  data_bit: /^bad-data-checksum .*record 1.*checksum/,
  length_bit: /bad-length-checksum .*shard made_rlds-train.*record 1, offset 12271.*length checksum/,
  length_huge: /impossible-length .*shard made_rlds-train.*record 1.*4611686018427387904/,
  empty_shard: /empty-shard .*shard made_rlds-train\.tfrecord-00000-of-00001.*empty/,
  missing_shard: /missing-shard .*made_rlds-train\.tfrecord-00001-of-00002/,
  gzip: /compressed-shard .*gzip-compressed/,
  ragged_images: /^field-shape .*steps\/observation\/image.*8.*7/,
  ragged_state: /^field-shape .*steps\/observation\/state.*64.*61/,
  not_jpeg: /^bad-image .*camera image, step 5/,
  jpeg_half: /^bad-image .*camera image, step 5/,
  jpeg_bomb: /^image-size .*camera image, step 5.*65500x65500/,
  zero_steps: /^zero-steps .*zero steps/,
  missing_feature: /^missing-field .*steps\/action/,
  not_an_example: /^not-an-example .*record 1.*tf\.train\.Example/,
  count_mismatch: /count-mismatch .*shard made_rlds-train.*3 records.*found 2/,
};
/** Records whose bytes cannot be read have no id: they are named by their place in the container. */
const UNNAMED = ['truncated_tail', 'data_bit', 'not_an_example'];

describeShared('hostile/tfrecord', () => {
  const manifest = sharedPath('hostile/manifest.json');
  const listed: Case[] = existsSync(manifest) ? JSON.parse(readFileSync(manifest, 'utf8')) : [];
  const cases = listed.filter(({ kind }) => kind === 'tfrecord');

  it('18 cases', () => expect(cases.length).toBe(18));

  it.concurrent.each(cases.map((one) => [one.path.split('/').at(-1)!, one] as const))('%s', async (name, one) => {
    const store = join(freshFolder(), 'store');
    const root = sharedPath(`hostile/${one.path}/made_rlds/1.0.0`);
    const words = ['ingest', SPEC, '--root', root, '--store', store, '--reference', 'base', '--workers', '1'];
    const { code, value } = await prepJson<IngestSummary & { message?: string }>(...words);
    expect(code, JSON.stringify(value)).toBe(one.must === 'reject' ? 1 : 0);
    if (name === 'missing_shard') {
      expect(value.message).toMatch(SAID[name]!);
      expect(existsSync(store)).toBe(false);
      return;
    }
    const { ledger, rows } = await stored(store, 'made_rlds');
    expect([...rows.keys()].sort()).toEqual(one.keep ?? []);
    for (const [id, { steps }] of rows) expect(steps).toBe(STEPS[id]);
    const aside = [...ledger.values()].filter(({ entry }) => entry.state !== 'kept').map(({ entry }) => entry);
    const record = one.quarantine?.map((id) => (UNNAMED.includes(name) ? `made_rlds/train/${id.at(-1)}` : id)) ?? [];
    expect(aside.map(({ episode }) => episode)).toEqual(record);
    expect(aside.every(({ state }) => state === 'quarantined')).toBe(true);
    const said =
      one.must === 'reject'
        ? value.damagedShards
        : aside.map(
            ({ reason, detail, shard, record: place }) => `${reason} ${shard}, record ${place.record}: ${detail}`,
          );
    expect(said.length).toBe(SAID[name] ? 1 : 0);
    if (SAID[name]) expect(said[0]).toMatch(SAID[name]);
    // No row of anything that is not kept lies in the table.
    const raw = await audit(store, 'made_rlds');
    expect([raw.voidSteps, raw.voidTracks, raw.wrong]).toEqual([0, 0, []]);
    if (one.must !== 'reject' || rows.size === 0) return;
    // What was committed is not read again, and the same fault is said again.
    const again = await prep(...words);
    expect(again.code).toBe(1);
    expect(again.stdout).toContain(`${rows.size} were recorded before`);
    expect(again.stderr).toMatch(/damaged shard\(s\), named above; fetch them again/);
  });
});
