/** What a set holds already: its published tables, and where each frame lies in them. */

import { scanFrames } from '../../sinks/feature-rows.ts';
import { type FeaturePart, type FeatureTable, readParts } from '../../sinks/features.ts';
import type { Store } from '../../sinks/store.ts';
import { type FrameIndex, frameIndex } from '../../transforms/features/frame-index.ts';

export interface Published {
  readonly parts: readonly FeaturePart[];
  readonly tables: readonly FeatureTable[];
  /** Of a frame that lies in two tables the first counts, in the order of the parts. */
  readonly index: FrameIndex;
}

export interface PublishedFrames {
  /** What counts now; tables that were read before are not read again. */
  refresh(): Promise<Published>;
}

export function publishedFrames(store: Store, set: string): PublishedFrames {
  const index = frameIndex();
  const tables: FeatureTable[] = [];
  const known = new Set<string>();
  return {
    async refresh() {
      const parts = await readParts(store, set);
      for (const table of parts.flatMap((part) => part.tables)) {
        if (known.has(table.table)) continue;
        for await (const { first, frames } of scanFrames(store, table.table))
          for (let i = 0; i < frames.length; i++) index.put(frames[i]!, tables.length, first + i);
        known.add(table.table);
        tables.push(table);
      }
      return { parts, tables, index };
    },
  };
}
