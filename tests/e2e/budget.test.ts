/** The failure budget: when damage is the source's and not an episode's, the run stops, and what is committed stays. */
import { expect, it } from 'vitest';
import type { IngestSummary } from '../../schemas/report.ts';
import { prep, prepJson } from '../cli/run.ts';
import { freshFolder, stored } from './demo-set.ts';
import { demoRecords, framed, retimed, writeRelease } from './release.ts';
import { wordsFor } from './six-shards.ts';

const [, plain, , nan] = demoRecords();
let n = 0;
const sound = (count: number): Buffer[] => Array.from({ length: count }, () => framed(retimed(plain, ++n)));
const damaged = (count: number): Buffer[] => Array.from({ length: count }, () => framed(retimed(nan, ++n)));

it('above the share, from 20 episodes on: exit 3, the run stops, what is committed stays', async () => {
  const release = writeRelease([
    [...sound(4), ...damaged(16)],
    [...damaged(8), ...sound(2)],
  ]);
  const store = freshFolder();
  const { code, stdout, stderr } = await prep(...wordsFor(release, store));
  expect(stderr).toMatch(
    /^prep: failure-budget: 16 of 20 episodes are damaged, more than --max-quarantine 0\.05; what is committed stays/,
  );
  expect(stderr).toMatch(/prep status .* --by reason.*--retry REASON, or raise the share/);
  expect(stdout).toMatch(/^droid: over-budget, 4 kept, 0 rejected, 16 quarantined/);
  expect(code).toBe(3);
  const { ledger, rows } = await stored(store);
  expect([ledger.size, rows.size]).toEqual([20, 4]);
  // What earlier runs saw counts: the next run may not begin anew with a clean record.
  const again = await prepJson<IngestSummary>(...wordsFor(release, store));
  expect([again.code, again.value.state]).toEqual([3, 'over-budget']);
  const raised = await prepJson<IngestSummary>(...wordsFor(release, store, '--max-quarantine', '90%'));
  expect([raised.code, raised.value.seen]).toEqual([0, { kept: 6, rejected: 0, quarantined: 24 }]);
});

it('a set too small for a share: two damaged episodes are borne, three are not', async () => {
  const two = await prepJson<IngestSummary>(...wordsFor(writeRelease([[...sound(1), ...damaged(2)]]), freshFolder()));
  expect([two.code, two.value.state]).toEqual([0, 'done']);
  const three = await prepJson<IngestSummary>(...wordsFor(writeRelease([[...sound(1), ...damaged(3)]]), freshFolder()));
  expect([three.code, three.value.state, three.value.seen.kept]).toEqual([3, 'over-budget', 1]);
});

it('--max-quarantine 0 bears none, however small the set', async () => {
  const release = writeRelease([[...sound(1), ...damaged(1)]]);
  const { code, stderr } = await prep(...wordsFor(release, freshFolder(), '--max-quarantine', '0'));
  expect(stderr).toMatch(/failure-budget: 1 of 2 episodes are damaged, more than --max-quarantine 0/);
  expect(code).toBe(3);
});
