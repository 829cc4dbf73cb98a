/** An ingest without a store and without a process: what becomes of each episode of a source, and what is said of shards. */
import { runIngest } from '../../pipelines/ingest.ts';
import { openIngest } from '../../pipelines/ingest-plan.ts';
import type { EpisodeOutcome } from '../../schemas/episode.ts';
import { PrepError } from '../../schemas/errors.ts';
import { DEFAULT_LABELS, DEFAULT_PIXELS, type LabelOptions } from '../../schemas/options.ts';
import { openMemorySink } from '../../sinks/memory.ts';

export interface InProcess {
  /** Why the source as a whole was refused. */
  readonly refused: PrepError | null;
  readonly damagedShards: readonly string[];
  readonly outcomes: readonly EpisodeOutcome[];
}

interface Wanted {
  readonly reference?: LabelOptions['reference'];
  readonly calibration?: string;
}

/** Every episode is delivered, however many are damaged. Errors other than `PrepError` are thrown on. */
export async function ingestInProcess(dataset: string, root: string, wanted: Wanted = {}): Promise<InProcess> {
  try {
    const open = await openIngest({
      dataset,
      store: 'nowhere',
      source: { root, partial: false, calibration: wanted.calibration },
      table: { pixels: DEFAULT_PIXELS, labels: { ...DEFAULT_LABELS, reference: wanted.reference ?? 'third' } },
      run: {
        part: { index: 0, of: 1 },
        workers: 1,
        maxQuarantine: 1,
        retry: [],
        replace: false,
        takeOver: false,
      },
    });
    try {
      const sink = openMemorySink();
      const control = { signal: new AbortController().signal, progress: () => undefined };
      const { damagedShards } = await runIngest(open, sink, control);
      return { refused: null, damagedShards, outcomes: sink.outcomes };
    } finally {
      await open.container.close();
      open.table.sideFiles?.close();
    }
  } catch (error) {
    if (error instanceof PrepError) return { refused: error, damagedShards: [], outcomes: [] };
    throw error;
  }
}
