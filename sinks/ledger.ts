/** The ledger: what is committed. Loading its keys, and inserting rows into it so that doing it twice changes nothing. */
import type { Table } from '../schemas/arrow.ts';
import type { EpisodeState } from '../schemas/episode.ts';
import { type LedgerView, ledgerView, type RecordedEpisode } from './sink.ts';
import { insertAbsent, type LanceTable, newest, quoted } from './store.ts';

const VIEW_COLUMNS = [
  'episode',
  'episode_key',
  'source_id',
  'state',
  'reason',
  'attempt',
  'length',
  'rows',
  'shard',
  'record',
  'source_digest',
  'fingerprint',
];

export interface LoadedLedger {
  readonly view: LedgerView;
  /** episode_key → episode id, of every attempt. */
  readonly keys: Map<bigint, string>;
}

/** Loads the latest attempt of every episode; one batch of rows at a time, never a step. */
export async function loadLedger(ledger: LanceTable): Promise<LoadedLedger> {
  const latest = new Map<string, RecordedEpisode>();
  const keys = new Map<bigint, string>();
  for await (const batch of (await newest(ledger)).query().select(VIEW_COLUMNS))
    for (const proxy of batch) {
      const row = recordedOf(proxy.toJSON());
      keys.set(proxy.episode_key, row.episode);
      const before = latest.get(row.episode);
      if (!before || before.attempt < row.attempt) latest.set(row.episode, row);
    }
  return { view: ledgerView(latest.values()), keys };
}

function recordedOf(row: Record<string, unknown>): RecordedEpisode {
  return {
    episode: row.episode as string,
    sourceId: row.source_id as string,
    place: { ...JSON.parse(row.record as string), shard: row.shard },
    state: row.state as EpisodeState,
    reason: row.reason as RecordedEpisode['reason'],
    attempt: row.attempt as number,
    digest: row.source_digest as string,
    fingerprint: row.fingerprint as string,
    length: row.length as number,
    rows: row.rows as number,
  };
}

/**
 * Inserts the ledger rows of one group, which may be there already from an interrupted or a concurrent try. Returns the keys
 * of episodes whose (episode, attempt) another group has: their rows of this group are void.
 */
export async function insertLedger(ledger: LanceTable, rows: Table, group: bigint): Promise<bigint[]> {
  if ((await insertAbsent(ledger, 'commit_key', rows)) === rows.numRows) return [];
  const episodes: string[] = [...(rows.getChild('episode') ?? [])];
  const mine = new Map<string, bigint>(episodes.map((id, row) => [id, rows.getChild('episode_key')!.get(row)]));
  const attempts = new Map<string, number>(episodes.map((id, row) => [id, rows.getChild('attempt')!.get(row)]));
  const filter = `episode IN (${episodes.map(quoted).join(', ')})`;
  const there = (await newest(ledger)).query().where(filter).select(['episode', 'attempt', 'group']);
  const taken = (await there.toArray()).filter((row) => row.attempt === attempts.get(row.episode));
  return taken.filter((row) => BigInt(row.group) !== group).map((row) => mine.get(row.episode)!);
}
