/** Reads a demo store back and holds it against the truth beside the bundled episodes. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import jpegTurbo from '@julusian/jpeg-turbo';
import type { StepColumns } from '../schemas/episode.ts';
import { PrepError } from '../schemas/errors.ts';
import { IMAGE_SIZE } from '../schemas/options.ts';
import type { PrepMetadata } from '../schemas/row.ts';
import { listDatasets, openDataset, readLedger } from '../sinks/read.ts';
import { finishSwap } from '../sinks/swap.ts';
import { drawCross, toolPixel } from '../transforms/overlay.ts';

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
