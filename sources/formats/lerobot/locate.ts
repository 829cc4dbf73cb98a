/**
 * Where the rows of an episode lie in fact. `merge_datasets` of lerobot 0.4 joins data files and leaves in `meta/episodes`
 * the numbers that they had before; lerobot itself reads all files and goes by the row's index in the whole dataset.
 */
import { PrepError } from '../../../schemas/errors.ts';
import type { ByteRoot } from '../../bytes.ts';
import { folderAt, walk } from '../../tree.ts';
import type { OpenFiles } from './files.ts';

export interface Located {
  readonly path: string;
  /** Row within the file. */
  readonly row: number;
}

/** Where the row with this index is; null where no file says so. */
export type Locate = (index: number) => Promise<Located | null>;

/** Nothing is read before the first question; then the first `index` and the number of rows of every data file. */
export function openLocate(root: ByteRoot, files: OpenFiles): Locate {
  let spans: Promise<Span[]> | undefined;
  return async (index) => {
    spans ??= spansOf(root, files);
    const span = (await spans).find(({ start, end }) => index >= start && index < end);
    return span ? { path: span.path, row: index - span.start } : null;
  };
}

interface Span {
  readonly path: string;
  readonly start: number;
  readonly end: number;
}

async function spansOf(root: ByteRoot, files: OpenFiles): Promise<Span[]> {
  const spans: Span[] = [];
  for await (const { path } of walk(folderAt(root, 'data'))) {
    if (!path.endsWith('.parquet')) continue;
    const span = await spanOf(`data/${path}`, files);
    if (span) spans.push(span);
  }
  return spans;
}

async function spanOf(path: string, files: OpenFiles): Promise<Span | null> {
  try {
    const { value: table, release } = await files.parquet(path);
    try {
      if (table.rows === 0 || !table.columns.includes('index')) return null;
      const start = Number((await table.read(['index'], 0, 1)).get('index')![0]);
      return { path, start, end: start + table.rows };
    } finally {
      await release();
    }
  } catch (error) {
    // A damaged file is a fault of the episodes that are named with it, and is said there.
    if (error instanceof PrepError) return null;
    throw error;
  }
}
