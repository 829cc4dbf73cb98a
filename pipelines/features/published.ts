/** What a set holds already: its published tables, and where each frame lies in them. */
import { scanFrames } from '../../sinks/feature-rows.ts';
import { type FeaturePart, type FeatureTable, readParts } from '../../sinks/features.ts';
import { type Store, tableNames } from '../../sinks/store.ts';
import { type FrameIndex, frameIndex } from '../../transforms/features/frame-index.ts';

export interface PublishedParts {
  /** Of all plans and revisions. */
  readonly all: readonly FeaturePart[];
  /** Those whose tables are all there: a part that lost one, to a hand or to gc, is as one that was never made. */
  readonly parts: readonly FeaturePart[];
}

export async function publishedParts(store: Store, set: string): Promise<PublishedParts> {
  const names = new Set(await tableNames(store));
  const all = await readParts(store, set);
  const isWhole = ({ keys, tables }: FeaturePart): boolean =>
    [keys, ...tables.map(({ table }) => table)].every((one) => names.has(one));
  return { all, parts: all.filter(isWhole) };
}

export interface Published extends PublishedParts {
  readonly tables: readonly FeatureTable[];
  /** Of a frame that lies in two tables the first that was read counts. */
  readonly index: FrameIndex;
}

export interface PublishedFrames {
  /** What counts now; tables that were read before are not read again, unless one of them is gone. */
  refresh(): Promise<Published>;
}

export function publishedFrames(store: Store, set: string): PublishedFrames {
  let [index, tables, known] = [frameIndex(), [] as FeatureTable[], new Set<string>()];
  return {
    async refresh() {
      const { all, parts } = await publishedParts(store, set);
      const there = parts.flatMap((part) => part.tables);
      const named = new Set(there.map(({ table }) => table));
      if ([...known].some((one) => !named.has(one))) [index, tables, known] = [frameIndex(), [], new Set()];
      for (const table of there) {
        if (known.has(table.table)) continue;
        for await (const { first, frames } of scanFrames(store, table.table))
          for (let i = 0; i < frames.length; i++) index.put(frames[i]!, tables.length, first + i);
        known.add(table.table);
        tables.push(table);
      }
      return { all, parts, tables, index };
    },
  };
}
