/** What a run says of itself: the plan before, the progress during, the summary after. All JSON. */
import type { Code } from './errors.ts';

export interface IngestPlan {
  readonly command: 'ingest';
  readonly dataset: string;
  readonly tables: string;
  readonly root: string;
  readonly store: string;
  readonly container: { readonly name: string; readonly version: string };
  readonly part: { readonly index: number; readonly of: number };
  readonly shards: readonly {
    readonly split: string;
    readonly file: string;
    readonly episodes: number | null;
    readonly bytes: number;
  }[];
  readonly missingShards: readonly string[];
  readonly episodes: number | null;
  readonly bytes: number;
  readonly roles: Readonly<Record<string, readonly string[]>>;
  readonly options: Readonly<Record<string, unknown>>;
  readonly calibration: {
    readonly policy: string;
    readonly sideFiles: Readonly<Record<string, number>>;
    readonly release: string;
  };
  readonly fingerprint: { readonly pixels: string; readonly labels: string };
  readonly workers: number;
  /** Terms of the memory sum, MB; `total` is their sum. */
  readonly memoryMb: Readonly<Record<string, number>>;
}

export interface Progress {
  readonly episodes: number;
  readonly total: number | null;
  readonly frames: number;
  readonly kept: number;
  readonly bytesIn: number;
  readonly seconds: number;
}

/** Counts of one run; `seen` includes what earlier runs of the same part recorded. */
export interface IngestSummary {
  readonly command: 'ingest' | 'relabel';
  readonly dataset: string;
  readonly store: string;
  readonly state: 'done' | 'interrupted' | 'failed' | 'over-budget' | 'nothing-to-do';
  readonly episodes: {
    readonly kept: number;
    readonly rejected: number;
    readonly quarantined: number;
    readonly skipped: number;
  };
  readonly seen: { readonly kept: number; readonly rejected: number; readonly quarantined: number };
  /** Reason → count, episodes of this run that were set aside. */
  readonly reasons: Readonly<Partial<Record<Code, number>>>;
  /** `camera: source (quality)` → episodes kept in this run. */
  readonly calibration: Readonly<Record<string, number>>;
  readonly rows: number;
  readonly frames: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly seconds: number;
  readonly framesPerSecond: number;
  readonly missingShards: number;
  /** Faults of whole shards; what could be read of them was. */
  readonly damagedShards: readonly string[];
}
