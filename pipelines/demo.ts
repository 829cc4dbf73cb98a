/** Reads a demo store back and holds it against the truth beside the bundled episodes. */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import jpegTurbo from '@julusian/jpeg-turbo';
import type { StepColumns } from '../schemas/episode.ts';
import { PrepError } from '../schemas/errors.ts';
import { mixtureOf } from '../schemas/mixture.ts';
import { IMAGE_SIZE } from '../schemas/options.ts';
import { SHARD_DRAWS } from '../schemas/plan.ts';
import type { PrepMetadata } from '../schemas/row.ts';
import { listDatasets, openDataset, readLedger } from '../sinks/read.ts';
import { finishSwap } from '../sinks/swap.ts';
import { drawCross, toolPixel } from '../transforms/overlay.ts';
import { openPlanReader } from './mixed/reader.ts';
import { makePlan } from './plan/make.ts';
import { makeShards } from './shard/shard.ts';

export interface DemoReport {
  readonly rows: number;
  /** Largest absolute difference from the truth. */
  readonly worst: number;
  readonly toolInPicture: number;
  readonly overlay: string;
  readonly problems: readonly string[];
}

interface Labels {
  readonly action_step2: readonly (readonly number[])[];
  readonly history: readonly (readonly number[])[];
  readonly proprio: readonly (readonly number[])[];
}
interface Truth {
  readonly id: string;
  readonly steps: number;
  readonly state: string;
  readonly ext1?: Labels;
}

const DATASET = 'droid';
const TOLERANCE = 1e-5;
const CHUNK = 32;

/**
 * The demo replaces the tables `droid`, so it must not meet anybody's own episodes there.
 * @throws PrepError `store` naming one that is not of the bundled set
 */
export async function refuseOtherEpisodes(store: string, expected: string): Promise<void> {
  await finishSwap(store, DATASET);
  if (!(await listDatasets(store)).includes(DATASET)) return;
  const own = new Set((JSON.parse(readFileSync(expected, 'utf8')) as Truth[]).map(({ id }) => id));
  const other = (await readLedger(store, DATASET)).find(({ entry }) => !own.has(entry.episode));
  if (other === undefined) return;
  throw new PrepError({
    code: 'store',
    at: { store, dataset: DATASET, episode: other.entry.episode },
    expected: 'no episodes but the bundled ones, because the demo starts its tables again',
    found: 'a store of your own',
    remedy: 'give the demo another folder with --store',
  });
}

export async function compareWithTruth(store: string, expected: string): Promise<DemoReport> {
  const truth = JSON.parse(readFileSync(expected, 'utf8')) as Truth[];
  const reader = await openDataset(store, DATASET);
  const problems: string[] = [];
  let [rows, worst, toolInPicture, overlay] = [0, 0, 0, ''];
  try {
    const ledger = new Map((await reader.ledger()).map((row) => [row.entry.episode, row]));
    for (const episode of truth) {
      const row = ledger.get(episode.id);
      if (row?.entry.state !== episode.state)
        problems.push(`${episode.id} is ${row?.entry.state ?? 'absent'}, ${episode.state} expected`);
      if (row?.entry.state !== 'kept' || !episode.ext1) continue;
      const columns = await reader.episodeRows(row);
      rows += columns.steps;
      const off = difference(columns, episode.ext1);
      worst = Math.max(worst, off);
      if (!(off <= TOLERANCE)) problems.push(`${episode.id} differs from the truth by ${off}`);
      const pixels = toolPixels(columns, reader.metadata);
      toolInPicture += pixels.filter((pixel) => pixel !== null).length;
      overlay ||= writeOverlay(store, columns, pixels);
    }
  } finally {
    reader.close();
  }
  if (rows === 0 || toolInPicture < rows)
    problems.push(`the tool point is in the picture in ${toolInPicture} of ${rows} rows`);
  return { rows, worst, toolInPicture, overlay, problems };
}

export interface DemoOrder {
  readonly plan: string;
  readonly shards: number;
  readonly batches: number;
  readonly rows: number;
  /** Batches from the shards are those from the plan. */
  readonly same: boolean;
}

/** The other half of the way: a plan over the rows, one training shard, and both read in batches, which must be the same. */
export async function orderAndRead(store: string): Promise<DemoOrder & { readonly problems: readonly string[] }> {
  // A plan for a frozen model, so that features can be tried on it.
  const entries = [{ dataset: DATASET, weight: 1, filter: { success: 'any' as const } }];
  const mixture = mixtureOf({ entries, trains_vlm: false });
  const { plan } = await makePlan({ store, mixture, draws: DEMO_DRAWS, seed: 0 });
  const whole = { index: 0, of: 1 };
  const quiet = { signal: new AbortController().signal, progress: () => undefined };
  const made = await makeShards({ store, plan, size: SHARD_DRAWS, part: whole, range: null, replace: true }, quiet);
  const [fromShards, fromPlan] = [await readHashes(store, plan, 'shards'), await readHashes(store, plan, 'plan')];
  const same = fromShards.join() === fromPlan.join();
  const problems = same ? [] : ['shards and plan give different batches'];
  return { plan, shards: made.shards, batches: fromShards.length, rows: DEMO_DRAWS, same, problems };
}

const DEMO_DRAWS = 256;
const DEMO_BATCH = 32;

async function readHashes(store: string, plan: string, from: 'shards' | 'plan'): Promise<string[]> {
  const reader = await openPlanReader({ store, plan, batch: DEMO_BATCH, from });
  const hashes: string[] = [];
  for await (const { rows } of reader.batches()) {
    const hash = createHash('sha256').update(rows.episode.join());
    for (const numbers of [rows.step, rows.action, rows.proprio, rows.camera]) hash.update(numbers);
    for (const jpegs of Object.values(rows.images)) for (const jpeg of jpegs) hash.update(jpeg);
    hashes.push(hash.digest('hex'));
  }
  reader.close();
  return hashes;
}

function difference({ action, history, proprio }: StepColumns, truth: Labels): number {
  const apart = (stored: Float32Array, wanted: readonly (readonly number[])[]): number =>
    // A NaN on either side must count as a difference, and Math.max keeps it.
    Math.max(...wanted.flat().map((x, i) => Math.abs(x - stored[i]!)));
  return Math.max(
    apart(action.subarray(2 * CHUNK * 10), truth.action_step2),
    apart(history, truth.history),
    apart(proprio, truth.proprio),
  );
}

/** Where the tool point falls in each picture of the role third; null outside. */
function toolPixels(columns: StepColumns, metadata: PrepMetadata): ([number, number] | null)[] {
  const tool = metadata.robots[columns.robot]!.eeFromTool!;
  const where = { slot: 0, d: [tool[3]!, tool[7]!, tool[11]!], rot6d: metadata.rot6d };
  return Array.from({ length: columns.steps }, (_, step) => {
    const pixel = toolPixel(columns, step, where);
    return pixel?.every((x) => x >= 0 && x < IMAGE_SIZE) ? pixel : null;
  });
}

function writeOverlay(store: string, { images }: StepColumns, pixels: readonly ([number, number] | null)[]): string {
  const step = Math.floor(pixels.length / 2);
  const { data, offsets } = images.third!;
  const jpeg = Buffer.from(data.subarray(offsets[step]!, offsets[step + 1]!));
  const format = jpegTurbo.FORMAT_RGB;
  const picture = jpegTurbo.decompressSync(jpeg, { format });
  if (pixels[step]) drawCross(picture.data, picture.width, pixels[step]);
  const { data: rgb, width, height } = picture;
  const bytes = jpegTurbo.compressSync(rgb, { format, width, height, quality: 95, subsampling: jpegTurbo.SAMP_444 });
  const path = join(store, 'overlay.jpg');
  writeFileSync(path, bytes);
  return path;
}
