/** What `writer.ts` is told. */
export interface WriterOptions {
  readonly store: string;
  readonly index: number;
  readonly of: number;
  readonly episodes: number;
  readonly groupBytes: number;
  readonly imageBytes?: number;
  readonly takeOver?: boolean;
  /** Where to halt, and how: at the n-th time the point is reached. */
  readonly halt?: { readonly point: HaltPoint; readonly nth: number; readonly signal: 'SIGKILL' | 'SIGSTOP' };
}

/** Between the writes of a group: before the steps, after them, before the commit event, before the ledger rows. */
export type HaltPoint = 'before-steps' | 'after-steps' | 'before-commit' | 'before-ledger';

export const writerSize = (imageBytes = 400) => ({ steps: 11, imageBytes });
