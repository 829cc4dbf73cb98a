/** What a store holds, read from ledgers and part logs; the steps are never opened. */
import type { EpisodeState } from '../schemas/episode.ts';
import { listDatasets, openDataset, readParts } from '../sinks/read.ts';

export interface DatasetStatus {
  readonly dataset: string;
  readonly states: Readonly<Record<EpisodeState, number>>;
  readonly rows: number;
  /** Kept episodes without step rows, and with rows of drawn steps only. */
  readonly indexOnly: number;
  readonly partial: number;
  readonly hours: number;
  readonly reference: string;
  readonly tool: string;
  readonly roles: readonly string[];
  readonly chunk: { readonly steps: number; readonly dt: number };
  /** `camera: source (quality)` → kept episodes */
  readonly calibration: Readonly<Record<string, number>>;
  readonly parts: readonly { part: number; of: number; status: string; host: string; pid: number }[];
}

export async function storeStatus(store: string, only?: string): Promise<DatasetStatus[]> {
  const names = only === undefined ? await listDatasets(store) : [only];
  const all: DatasetStatus[] = [];
  for (const name of names) all.push(await datasetStatus(store, name));
  return all;
}

async function datasetStatus(store: string, dataset: string): Promise<DatasetStatus> {
  const reader = await openDataset(store, dataset);
  try {
    const states = { kept: 0, rejected: 0, quarantined: 0 };
    const calibration: Record<string, number> = {};
    let [rows, hours, indexOnly, partial] = [0, 0, 0, 0];
    for (const row of await reader.ledger()) {
      const { state, hz } = row.entry;
      states[state]++;
      rows += row.rows;
      hours += row.rows / hz / 3600;
      if (state !== 'kept') continue;
      if (row.rows === 0) indexOnly++;
      else if (row.rows < row.entry.length) partial++;
      for (const [camera, { source, quality }] of Object.entries(row.entry.calibration)) {
        const key = `${camera}: ${source} (${quality})`;
        calibration[key] = (calibration[key] ?? 0) + 1;
      }
    }
    const { reference, tool, chunk, roles } = reader.metadata;
    const parts = (await readParts(store, dataset)).map(({ part, of, status, owner }) => ({
      part,
      of,
      status,
      host: owner.host,
      pid: owner.pid,
    }));
    return {
      dataset,
      states,
      rows,
      indexOnly,
      partial,
      hours,
      reference,
      tool,
      roles: Object.keys(roles),
      chunk,
      calibration,
      parts,
    };
  } finally {
    reader.close();
  }
}

export interface LossGroup {
  readonly dataset: string;
  readonly group: string;
  readonly state: EpisodeState;
  readonly reason: string;
  readonly episodes: number;
  /** One episode of the group, and what its ledger row says. */
  readonly example: string;
  readonly detail: string;
}

/** Episodes that were set aside, grouped by reason, by lab (first part of the id) or by task (first instruction), most first. */
export async function losses(
  store: string,
  datasets: readonly string[],
  by: 'reason' | 'lab' | 'task',
): Promise<LossGroup[]> {
  const groups = new Map<string, LossGroup>();
  for (const dataset of datasets) {
    const reader = await openDataset(store, dataset);
    try {
      for (const { entry } of await reader.ledger()) {
        if (entry.state === 'kept') continue;
        const what =
          by === 'reason'
            ? ''
            : `${by === 'lab' ? entry.episode.split('/')[0] : (entry.instructions[0] ?? '(no instruction)')}: `;
        const group = `${what}${entry.reason}`;
        const key = `${dataset}\0${group}\0${entry.state}`;
        const before = groups.get(key);
        groups.set(key, {
          ...(before ?? {
            dataset,
            group,
            state: entry.state,
            reason: entry.reason,
            example: entry.episode,
            detail: `${entry.episode}: ${entry.reason}: ${entry.detail}`,
          }),
          episodes: (before?.episodes ?? 0) + 1,
        });
      }
    } finally {
      reader.close();
    }
  }
  return [...groups.values()].sort((a, b) => b.episodes - a.episodes || (a.group < b.group ? -1 : 1));
}
