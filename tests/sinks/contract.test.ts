/** What every sink promises a pipeline, asked of each of them. */
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { EpisodeOutcome } from '../../schemas/episode.ts';
import { openMemorySink, recordedOutcome } from '../../sinks/memory.ts';
import { openDataset } from '../../sinks/read.ts';
import { placeKey, type Sink } from '../../sinks/sink.ts';
import { openToy, temporaryStore } from './open.ts';
import { episodeName, syntheticEpisode, syntheticShape } from './synthetic.ts';

/** As `toEqual`, which takes a minute for a million numbers. */
function sameRows(found: EpisodeOutcome['rows'], made: EpisodeOutcome['rows']): boolean {
  return isDeepStrictEqual(found, made);
}

interface Bench {
  /** Opens the next sink on the same store. */
  open(): Promise<Sink>;
  /** What is durable, by episode id. */
  committed(): Promise<Map<string, EpisodeOutcome>>;
}

const shape = syntheticShape();
const size = { steps: 9, imageBytes: 300 };
const outcome = (index: number, revision = 0) => syntheticEpisode(index, { ...size, revision }, shape);
const end = { state: 'done', summary: { episodes: 3 } } as const;

function lanceBench(): Bench {
  const store = temporaryStore();
  const committed = async () => {
    const reader = await openDataset(store, 'toy');
    const rows = await reader.ledger();
    const tracks = new Map<string, EpisodeOutcome['track']>();
    for await (const { row, track } of reader.tracks(rows)) tracks.set(row.entry.episode, track);
    const all = new Map<string, EpisodeOutcome>();
    for (const row of rows) {
      const track = tracks.get(row.entry.episode);
      const kept = row.rows > 0 && track ? { track, rows: await reader.episodeRows(row) } : {};
      all.set(row.entry.episode, { ledger: row.entry, ...kept });
    }
    reader.close();
    return all;
  };
  return { open: () => openToy(store), committed };
}

function memoryBench(): Bench {
  const done = new Map<string, EpisodeOutcome>();
  const attempts = new Map<string, number>();
  return {
    async open() {
      const sink = openMemorySink({
        recorded: [...done].map(([id, one]) => recordedOutcome(one, attempts.get(id) ?? 1)),
      });
      return {
        ...sink,
        get stats() {
          return sink.stats;
        },
        async close(how) {
          await sink.close(how);
          for (const one of sink.outcomes) {
            done.set(one.ledger.episode, one);
            attempts.set(one.ledger.episode, (attempts.get(one.ledger.episode) ?? 0) + 1);
          }
        },
      };
    },
    committed: async () => done,
  };
}

describe.each([
  ['memory', memoryBench],
  ['lance', lanceBench],
])('testSink(%s)', (_name, bench) => {
  it('gives back every outcome as it was given, pictures to the byte', async () => {
    const { open, committed } = bench();
    const sink = await open();
    const given = Array.from({ length: 12 }, (_, index) => outcome(index));
    for (const one of given) await sink.add(one);
    await sink.close(end);
    const found = await committed();
    expect(found.size).toBe(12);
    for (const one of given) expect(found.get(one.ledger.episode)).toEqual(one);
    expect(sink.stats).toMatchObject({ groups: 1, rows: 10 * 9 });
  });

  it('keeps unknown calibration as NaN, in groups larger than a batch of Lance', async () => {
    const { open, committed } = bench();
    const sink = await open();
    const given = Array.from({ length: 30 }, (_, index) =>
      syntheticEpisode(index, { steps: 1100, imageBytes: 4, unknown: index !== 3 }, shape),
    );
    for (const one of given) await sink.add(one);
    await sink.close(end);
    const found = await committed();
    for (const one of given) expect(sameRows(found.get(one.ledger.episode)?.rows, one.rows)).toBe(true);
  });

  it('shows the next sink what was recorded, by place and by id', async () => {
    const { open } = bench();
    const sink = await open();
    expect(sink.recorded.size).toBe(0);
    for (const index of [0, 6, 10]) await sink.add(outcome(index));
    await sink.close(end);
    const { recorded } = await open();
    const { split, shard, offset } = outcome(6).ledger.record;
    expect(recorded.size).toBe(3);
    expect(recorded.at(placeKey(split, shard, offset))).toMatchObject({
      episode: episodeName(6),
      state: 'rejected',
      reason: 'no-extrinsics',
      attempt: 1,
      digest: outcome(6).ledger.sourceDigest,
    });
    expect(recorded.byEpisode(episodeName(10))?.state).toBe('quarantined');
  });

  it('takes a revision as the next attempt, which is the one that counts', async () => {
    const { open, committed } = bench();
    const first = await open();
    for (const index of [0, 1]) await first.add(outcome(index));
    await first.close(end);
    const second = await open();
    await second.add(outcome(1, 2));
    await second.close(end);
    const found = await committed();
    expect(found.get(episodeName(1))).toEqual(outcome(1, 2));
    expect(found.get(episodeName(0))).toEqual(outcome(0));
    expect((await open()).recorded.byEpisode(episodeName(1))?.attempt).toBe(2);
  });

  it('refuses an episode that was added before, and another with its key', async () => {
    const { open } = bench();
    const sink = await open();
    await sink.add(outcome(0));
    await expect(sink.add(outcome(0))).rejects.toMatchObject({ code: 'duplicate-id' });
    const { episodeKey } = outcome(0).ledger;
    const twin = { ...outcome(1), ledger: { ...outcome(1).ledger, episodeKey } };
    await expect(sink.add(twin)).rejects.toMatchObject({ code: 'key-collision' });
    await sink.add(outcome(1));
    await sink.close(end);
    expect(sink.stats.rows).toBe(18);
  });
});
