/** Where a fault was met. Every field is optional; what is known is printed in this order. */
export interface Place {
  readonly dataset?: string;
  readonly store?: string;
  readonly file?: string;
  readonly shard?: string;
  readonly record?: number;
  readonly offset?: number;
  readonly episode?: string;
  readonly camera?: string;
  readonly step?: number;
  readonly field?: string;
  readonly serial?: string;
}

/**
 * The closed list of what can go wrong. A code is also the `reason` of a rejected or quarantined episode
 * and the `reason` of a camera that is not used, so codes are part of the table's vocabulary: never rename one.
 */
export const CODES = [
  // usage and options
  'usage',
  'bad-option',
  'unknown-dataset',
  // source as a whole
  'source-missing',
  'bad-dataset-info',
  'missing-shard',
  'empty-shard',
  'count-mismatch',
  'compressed-shard',
  'bad-length-checksum',
  'impossible-length',
  'bad-metadata',
  'bad-remote',
  'source-changed',
  // one record or episode
  'truncated-record',
  'bad-data-checksum',
  'not-an-example',
  'missing-field',
  'field-shape',
  'not-finite',
  'zero-steps',
  'bad-image',
  'image-size',
  'bad-value',
  'bad-id',
  'duplicate',
  'duplicate-id',
  'excluded',
  'no-openness',
  'no-pose',
  'frozen-pose',
  'bad-time',
  'bad-parquet',
  'bad-hdf5',
  'bad-video',
  'bad-pickle',
  // geometry and calibration
  'not-rigid',
  'no-extrinsics',
  'zero-extrinsics',
  'bad-translation',
  'bad-angle',
  'ee-behind-camera',
  'ee-outside-view',
  'hand-camera-off-mount',
  'camera-on-hand',
  'bad-intrinsics',
  'missing-calibration',
  // store
  'store',
  'fingerprint',
  'part-owned',
  'part-count',
  'key-collision',
  'needs-pixels',
  'failure-budget',
  'interrupted',
  'nothing-kept',
  // plans and training shards
  'bad-mixture',
  'unlike-datasets',
  'nothing-eligible',
  'unknown-plan',
  'stale-shard',
  // features
  'bad-model',
  'bad-codec',
  'provider',
  'feature-budget',
  'unknown-features',
  'stale-features',
] as const;
export type Code = (typeof CODES)[number];

/** Exit codes of the command line. */
export const EXIT = { done: 0, failed: 1, usage: 2, budget: 3, interrupted: 130 } as const;

export interface Fault {
  readonly code: Code;
  readonly at?: Place;
  /** What was expected, what was found, what the user can do: printed in this order. */
  readonly expected?: string;
  readonly found: string;
  readonly remedy?: string;
  readonly cause?: unknown;
}

const PLACE_ORDER = [
  'dataset',
  'store',
  'file',
  'shard',
  'record',
  'offset',
  'episode',
  'camera',
  'serial',
  'step',
  'field',
] as const satisfies readonly (keyof Place)[];

/** `shard x-00001-of-00002, record 1, step 5`: the words an error message starts with. */
export function placeText(at: Place): string {
  return PLACE_ORDER.filter((key) => at[key] !== undefined)
    .map((key) => `${key} ${at[key]}`)
    .join(', ');
}

/** The one error of this package: a code of a closed list, a place, and *expected, found, what to do*. */
export class PrepError extends Error {
  readonly code: Code;
  readonly at: Place;
  readonly fault: Fault;

  constructor(fault: Fault) {
    const at = fault.at ?? {};
    const where = placeText(at);
    const parts = [
      `${fault.code}${where ? ` (${where})` : ''}:`,
      fault.expected ? `expected ${fault.expected}, found ${fault.found}` : fault.found,
    ];
    super(parts.join(' ') + (fault.remedy ? `; ${fault.remedy}` : ''), { cause: fault.cause });
    this.name = 'PrepError';
    this.code = fault.code;
    this.at = at;
    this.fault = fault;
  }

  /** The same fault with more of the place known; what is already known stays. */
  within(at: Place): PrepError {
    return new PrepError({ ...this.fault, at: { ...at, ...this.at } });
  }
}
