/**
 * Generations of a store: what readers see, published by one insert each. Before a generation is made its intent is frozen (what is
 * new, where the plan stands), so that whoever finds a killed run's intent finishes exactly that.
 */
import { gunzipSync, gzipSync } from 'node:zlib';
import { type Table as ArrowTable, arrow, type Schema } from '../schemas/arrow.ts';
import { primaryKey } from '../schemas/ledger-row.ts';
import * as column from './columns.ts';
import { isAlive, ownProcess, type ProcessMark, SILENCE_LIMIT } from './process.ts';
import {
  attempt,
  insertAbsent,
  type LanceTable,
  newest,
  openIfThere,
  openOrCreate,
  quoted,
  retryConflicts,
  type Store,
} from './store.ts';

/** A published state: whoever starts from the highest generation sees all of it or nothing. */
export interface Generation {
  readonly generation: number;
  /** dataset → kept episodes and rows */
  readonly tables: Readonly<Record<string, { readonly episodes: number; readonly rows: number }>>;
  readonly plan: string;
  /** Segments of the plan that belong to it. */
  readonly segments: number;
  /** Key of its statistics; null where none were made. */
  readonly stats: string | null;
  /** Id of its feature set; null or absent where none were made. */
  readonly features?: string | null;
  /** Digest of the config file. */
  readonly config: string;
  readonly createdMs: number;
}

/** Source → path → `size stamp`. */
export type Listing = Readonly<Record<string, Readonly<Record<string, string>>>>;

export interface Intent {
  readonly generation: number;
  readonly config: string;
  readonly listing: Listing;
  /** Segments of the plan before; the new one has this number. */
  readonly segments: number;
  readonly plan: string | null;
}

const required = (name: string, type: InstanceType<typeof arrow.DataType>) => new arrow.Field(name, type, false);
const documents = (): Schema =>
  new arrow.Schema([
    primaryKey('key'),
    required('generation', new arrow.Int32()),
    required('json', new arrow.Binary()),
    required('created_ms', new arrow.Float64()),
  ]);

const SNAPSHOTS = 'snapshots';
const INTENTS = 'intents';
const CLAIMS = 'intent_claims';

export const readGenerations = async (store: Store): Promise<Generation[]> =>
  (await readAll<Generation>(store, SNAPSHOTS)).sort((a, b) => a.generation - b.generation);

/** False where somebody else has published that generation. */
export const publishGeneration = (store: Store, generation: Generation): Promise<boolean> =>
  insert(store, SNAPSHOTS, String(generation.generation), generation.generation, generation);

export async function readIntent(store: Store, generation: number): Promise<Intent | null> {
  return (await readAll<Intent>(store, INTENTS, generation))[0] ?? null;
}

export const freezeIntent = (store: Store, intent: Intent): Promise<boolean> =>
  insert(store, INTENTS, String(intent.generation), intent.generation, intent);

/** Only for the process that has claimed it. */
export const replaceIntent = (store: Store, intent: Intent): Promise<void> =>
  replace(store, INTENTS, String(intent.generation), intent.generation, intent);

interface Claim extends ProcessMark {
  readonly number: number;
  readonly timeMs: number;
}

export interface HeldIntent {
  /** Others may claim it again. */
  release(): Promise<void>;
}

/** A claim shows that its owner lives, several times within the silence after which another host takes it for dead. */
const BEAT_MS = SILENCE_LIMIT / 5;

/** Makes this process the one that works on an intent until it releases it; null while another one that lives does. */
export async function claimIntent(store: Store, generation: number, beatMs = BEAT_MS): Promise<HeldIntent | null> {
  const claims = await readAll<Claim>(store, CLAIMS, generation);
  const last = claims.reduce<Claim | null>((a, b) => (a && a.number > b.number ? a : b), null);
  if (last && isAlive(last, Date.now() - last.timeMs)) return null;
  const claim: Claim = { ...ownProcess(), number: (last?.number ?? 0) + 1, timeMs: Date.now() };
  const key = `${generation}#${claim.number}`;
  if (!(await insert(store, CLAIMS, key, generation, claim))) return null;
  let beating: Promise<void> = Promise.resolve();
  const beat = (): void => {
    // One that fails is made good by the next.
    beating = beating.then(() =>
      replace(store, CLAIMS, key, generation, { ...claim, timeMs: Date.now() }).catch(() => {}),
    );
  };
  const timer = setInterval(beat, beatMs).unref();
  return {
    async release() {
      clearInterval(timer);
      await beating;
      const table = await openIfThere(store, CLAIMS);
      await attempt(store.uri, `write ${CLAIMS}`, async () => table?.delete(`key = ${quoted(key)}`));
      table?.close();
    },
  };
}

/** Forgets generations below `first`, and the intents that led to them. The newest listing is kept with its intent. */
export async function forgetGenerations(store: Store, first: number): Promise<void> {
  for (const [name, below] of [
    [SNAPSHOTS, first],
    [INTENTS, first],
    [CLAIMS, first],
  ] as const) {
    const table = await openIfThere(store, name);
    if (!table) continue;
    await attempt(store.uri, `prune ${name}`, () => table.delete(`generation < ${below}`));
    table.close();
  }
}

async function insert(store: Store, name: string, key: string, generation: number, json: object): Promise<boolean> {
  const table = await openOrCreate(store, name, documents());
  try {
    const row = documentOf(key, generation, json);
    return (await attempt(store.uri, `write ${name}`, () => insertAbsent(table, 'key', row))) === 1;
  } finally {
    table.close();
  }
}

/** Another document under a key that is there; nothing where it is not. */
async function replace(store: Store, name: string, key: string, generation: number, json: object): Promise<void> {
  const table = await openOrCreate(store, name, documents());
  const row = documentOf(key, generation, json);
  await attempt(store.uri, `write ${name}`, () =>
    retryConflicts(async () => (await newest(table)).mergeInsert('key').whenMatchedUpdateAll().execute(row)),
  ).finally(() => table.close());
}

function documentOf(key: string, generation: number, json: object): ArrowTable {
  const packed = gzipSync(JSON.stringify(json));
  return column.tableOf(documents(), [
    [
      column.texts([key]),
      column.int32s([generation]),
      column.binaries(new Uint8Array(packed), Int32Array.from([0, packed.length])),
      column.float64s([Date.now()]),
    ],
  ]);
}

async function readAll<T>(store: Store, name: string, generation?: number): Promise<T[]> {
  const table: LanceTable | null = await openIfThere(store, name);
  if (!table) return [];
  try {
    return await attempt(store.uri, `read ${name}`, async () => {
      await table.checkoutLatest();
      const query = generation === undefined ? table.query() : table.query().where(`generation = ${generation}`);
      const rows = await query.toArray();
      return rows.map((row) => JSON.parse(gunzipSync(row.json).toString()) as T);
    });
  } finally {
    table.close();
  }
}
