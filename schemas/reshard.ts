/** The shape of the config file of `prep reshard`: where new data lands, what is drawn of it, what is kept. */
import { z } from 'zod';
import { CODECS } from './features.ts';
import { mixtureSchema } from './mixture.ts';
import { SHARD_DRAWS } from './plan.ts';

const sourceSchema = z.strictObject({
  /** A name of `prep datasets`, a dataset file or a mapping. */
  dataset: z.string().min(1),
  root: z.string().min(1),
  /** Name of the tables, if not the dataset's. */
  as: z.string().optional(),
  mapping: z.string().optional(),
  calibration: z.string().optional(),
  exclude: z.string().optional(),
  /** Options of `prep ingest` by their names, such as `{ "reference": "third", "dt": "1/15", "third2": "other" }`. */
  options: z.record(z.string(), z.string()).default({}),
  max_quarantine: z.number().min(0).max(1).default(0.05),
});

/** Name under which a source's files are listed. */
export const sourceName = ({ as, dataset }: { readonly as?: string | undefined; readonly dataset: string }): string =>
  as ?? dataset.replace(/^.*\/|\.[^.]*$/g, '');

export const reshardSchema = z
  .strictObject({
    $schema: z.string().optional(),
    sources: z
      .array(sourceSchema)
      .min(1)
      .refine((sources) => new Set(sources.map(sourceName)).size === sources.length, {
        error: 'two sources of one name: say `"as"` of one of them',
      }),
    mixture: mixtureSchema,
    seed: z.int().min(0).default(0),
    /** Draws of a segment: whole training shards. */
    segment_draws: z.int().min(1),
    /** Draws of a training shard. */
    shard_draws: z.int().min(16).multipleOf(16).default(SHARD_DRAWS),
    /** False: rows are read at random from the plan, no training shards are made. */
    shards: z.boolean().default(true),
    stats: z.boolean().default(true),
    compact: z.boolean().default(true),
    /** Files that were ingested and are gone: `keep` what was made of them, or `exclude` it from later segments. */
    vanished: z.enum(['keep', 'exclude']).default('keep'),
    /** Features of a frozen model for what the plan draws, as `prep features run` makes them. */
    features: z
      .strictObject({
        model: z.string().min(1),
        name: z.string().min(1).optional(),
        codec: z.enum(CODECS).default('int8'),
        provider: z.string().min(1).default('cpu'),
        device: z.int().min(0).default(0),
        streams: z.int().min(1).optional(),
        batch: z.int().min(1).optional(),
        part_draws: z.int().min(1).optional(),
        /** Bytes that a night may write. */
        accept_bytes: z.int().min(0).optional(),
      })
      .optional(),
    retention: z
      .strictObject({
        /** Published generations that stay readable. */
        generations: z.int().min(1).default(3),
        /** Newest segments whose training shards stay; earlier draws are then read from the rows. Absent: all. */
        shard_segments: z.int().min(1).optional(),
      })
      .prefault({}),
    workers: z.int().min(1).optional(),
  })
  .refine(({ segment_draws, shard_draws }) => segment_draws % shard_draws === 0, {
    path: ['segment_draws'],
    error: `not a multiple of shard_draws (default ${SHARD_DRAWS})`,
  });

export type ReshardConfig = z.infer<typeof reshardSchema>;
export type ReshardSource = z.infer<typeof sourceSchema>;
