/** The sets of these tests, stores of them made in one pass and in two, and what a plan's shards hold. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import type { PlannedReading } from '../../pipelines/plan/planned-reading.ts';
import { arrow } from '../../schemas/arrow.ts';
import { readShards, type ShardEntry, scanShard } from '../../sinks/shards.ts';
import { connectStore } from '../../sinks/store.ts';
import { prep, prepJson } from '../cli/run.ts';
import { KARLP, RELEASE } from '../e2e/demo-set.ts';
import { mixtureFile, type PlanValue } from '../plan/plan-store.ts';

export interface TestSet {
  readonly dataset: string;
  readonly root: string;
  readonly words: readonly string[];
  /** Draws that leave some steps without a row; a multiple of 16. */
  readonly draws: number;
}

const FOLDER = fileURLToPath(new URL('../../fixtures/datasets/', import.meta.url));
const fixture = (dataset: string, draws: number): TestSet => ({
  ...{ dataset, draws, root: join(FOLDER, dataset), words: [] },
});

/** Records in one piece with pictures inside: DROID. */
export const DROID: TestSet = {
  dataset: 'droid',
  root: RELEASE,
  words: ['--calibration', KARLP, '--third2', 'other'],
  draws: 16,
};
/** A LeRobot set with a video per camera. */
export const M1 = fixture('interndata_m1', 16);
/** HDF5 with videos and JSON beside it. */
export const AGIBOT = fixture('agibot', 16);
/** HDF5 that holds the pictures, in two layouts. */
export const ROBOTWIN = { ...fixture('robotwin', 16), words: ['--max-quarantine', '1'] };
/** One HDF5 file with several episodes, uncompressed frames. */
export const ROBOMIMIC = fixture('robomimic', 16);

export const ingestWords = ({ dataset, root, words }: TestSet, store: string, ...more: string[]): string[] => [
  ...['ingest', dataset, '--root', root, '--store', store, '--workers', '1'],
  ...words,
  ...more,
];

export async function ingest(set: TestSet, store: string, ...more: string[]): Promise<void> {
  const { code, stderr } = await prep(...ingestWords(set, store, ...more));
  expect([code, stderr]).toEqual([0, '']);
}

export type Planned = PlanValue & { readonly reading: readonly PlannedReading[] };

export async function planOver(sets: readonly TestSet[], store: string, ...words: string[]): Promise<Planned> {
  const entries = sets.map(({ dataset }) => ({ dataset, weight: 1, filter: { success: 'any' } }));
  const file = mixtureFile({ allow: ['unlike-ee'], entries });
  const draws = `${sets.reduce((sum, one) => sum + one.draws, 0)}`;
  const given = words.includes('--draws') ? words : ['--draws', draws, ...words];
  const { code, value } = await prepJson<Planned>('plan', store, '--mixture', file, '--seed', '5', ...given);
  expect(code, JSON.stringify(value)).toBe(0);
  return value;
}

export interface Shards {
  readonly entries: readonly Pick<ShardEntry, 'start' | 'draws' | 'orderHash' | 'fingerprint'>[];
  readonly metadata: unknown;
  /** Every row of every column as bytes; `group` is left out: it says in which run of the store a row was made. */
  readonly rows: readonly Readonly<Record<string, string>>[];
}

export async function shardsOf(store: string, plan: string): Promise<Shards> {
  const made = await prep('shard', store, '--plan', plan, '--size', '16');
  expect(made.code, made.stderr).toBe(0);
  const open = await connectStore(store);
  try {
    const shards = await readShards(open, plan);
    const rows: Record<string, string>[] = [];
    let metadata: unknown;
    for (const shard of shards)
      for await (const batch of scanShard(open, shard)) {
        metadata = JSON.parse(batch.schema.metadata.get('prep') ?? 'null');
        for (let at = 0; at < batch.numRows; at++)
          rows.push(
            Object.fromEntries(
              batch.schema.fields
                .filter(({ name }) => name !== 'group')
                .map(({ name }) => [name, bytesOf(batch.getChild(name)!.get(at))]),
            ),
          );
      }
    const entries = shards.map(({ start, draws, orderHash, fingerprint }) => ({
      start,
      draws,
      orderHash,
      fingerprint,
    }));
    return { entries, metadata, rows };
  } finally {
    open.connection.close();
  }
}

function bytesOf(value: unknown): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (value instanceof arrow.Vector && value.type instanceof arrow.Utf8) return [...value].join('\0');
  if (!(value instanceof arrow.Vector)) return String(value);
  const numbers = value.toArray() as Float32Array;
  return Buffer.from(numbers.buffer, numbers.byteOffset, numbers.byteLength).toString('hex');
}
