/** Arrow schemas of the tables of plans and training shards. */
import { arrow, type Field, type Schema } from './arrow.ts';
import { primaryKey } from './ledger-row.ts';

const required = (name: string, type: InstanceType<typeof arrow.DataType>): Field => new arrow.Field(name, type, false);

/** `plans`: one row per segment, inserted once; a plan is its segments. `segment_json` is the `Segment` of `schemas/plan.ts`. */
export function planSchema(): Schema {
  const { Float64, Int32, Int64, Utf8 } = arrow;
  const text = new Utf8();
  return new arrow.Schema([
    primaryKey('key'),
    required('plan', text),
    required('segment', new Int32()),
    required('version', new Int32()),
    required('start', new Int64()),
    required('draws', new Int64()),
    /** Names the rows of `plan_<id>_domain` that count: a killed attempt leaves rows that no segment names. */
    required('domain_attempt', new Int64()),
    required('segment_json', text),
    required('mixture_json', text),
    required('harmony_json', text),
    required('report_json', text),
    required('created_ms', new Float64()),
  ]);
}

/**
 * `plan_<id>_domain`: eligible steps `start` … `end − 1` of an episode, in the order that ordinals count them: by domain,
 * then `episode_key`, then `start`.
 */
export function domainSchema(): Schema {
  const { Int32, Int64 } = arrow;
  return new arrow.Schema([
    required('attempt', new Int64()),
    required('domain', new Int32()),
    required('episode_key', new Int64()),
    required('start', new Int32()),
    required('end', new Int32()),
  ]);
}

export const domainTable = (plan: string): string => `plan_${plan}_domain`;
