/** The shape of a mixture file: which datasets, how much of each, which of their steps. Checked key by key. */
import { z } from 'zod';
import { ROLES } from './episode.ts';
import { FLAGS } from './row.ts';

const names = z.union([z.string(), z.array(z.string()).min(1)]).transform((one) => (Array.isArray(one) ? one : [one]));
const pattern = z.string().refine((text) => {
  try {
    new RegExp(text);
    return true;
  } catch {
    return false;
  }
}, 'not a regular expression');

/** Rules over the ledger and its flags; what is left out does not restrict. */
export const filterSchema = z.strictObject({
  robot: names.optional(),
  split: names.optional(),
  /** Regular expression that the episode's id must match. */
  episode: pattern.optional(),
  not_episode: pattern.optional(),
  /** `not-failure` (default): everything that is not known to have failed. */
  success: z.enum(['any', 'not-failure', 'success']).optional(),
  has_instruction: z.boolean().optional(),
  /** Sources of the reference camera's pose, such as `karlp-superset`. */
  calibration: names.optional(),
  quality: names.pipe(z.array(z.enum(['unchecked', 'good', 'suspect']))).optional(),
  /** Steps with one of these flags are left out. */
  without_flags: names.pipe(z.array(z.enum(FLAGS))).optional(),
  /** Chunk steps that must lie inside the episode; default 1. */
  min_valid: z.int().min(0).optional(),
  min_steps: z.int().min(1).optional(),
  /** A share of the episodes, chosen by a hash of their key: the same ones in every plan with the same salt. */
  fraction: z.strictObject({ share: z.number().gt(0).max(1), salt: z.int().min(0).default(0) }).optional(),
});

const ALLOW = ['wrist-reference', 'no-intrinsics', 'unlike-ee'] as const;

export const mixtureSchema = z.strictObject({
  $schema: z.string().optional(),
  /** `apt-stage1`: half of the episodes, language masked. `apt-stage2`: everything. Both: one tool frame for all robots. */
  preset: z.enum(['apt-stage1', 'apt-stage2']).optional(),
  entries: z
    .array(
      z.strictObject({
        /** Default: the dataset's name, numbered where it appears again. */
        name: z.string().min(1).optional(),
        dataset: z.string().min(1),
        weight: z.int().min(1),
        filter: filterSchema.optional(),
      }),
    )
    .min(1),
  /** For all entries; an entry's own rules come on top, and win where both say something. */
  filter: filterSchema.optional(),
  mask_language: z.boolean().optional(),
  /** True where the vision-language model is trained: features of its layers are then refused. */
  trains_vlm: z.boolean().optional(),
  /** True where its vision tower is trained, too; default as `trains_vlm`. */
  trains_vision: z.boolean().optional(),
  reference: z.enum(['third', 'wrist', 'base']).optional(),
  tool: z.enum(['native', 'canonical']).optional(),
  rot6d: z.enum(['rows', 'columns']).optional(),
  /** The model uses projective geometry (PRoPE): every entry needs intrinsics. */
  needs_intrinsics: z.boolean().optional(),
  allow: z.array(z.enum(ALLOW)).optional(),
  /** Roles that are not stored in shards, though datasets have them. */
  without_roles: z.array(z.enum(ROLES)).optional(),
});

export type Filter = z.infer<typeof filterSchema>;
export type MixtureFile = z.infer<typeof mixtureSchema>;
export type Allowance = (typeof ALLOW)[number];

/** A mixture with its preset applied and every entry's rules merged. */
export interface Mixture {
  readonly entries: readonly {
    readonly name: string;
    readonly dataset: string;
    readonly weight: number;
    readonly filter: Filter;
  }[];
  readonly maskLanguage: boolean;
  readonly trainsVlm: boolean;
  /** Absent: as `trainsVlm`. */
  readonly trainsVision?: boolean;
  readonly reference: 'third' | 'wrist' | 'base' | undefined;
  readonly tool: 'native' | 'canonical' | undefined;
  readonly rot6d: 'rows' | 'columns' | undefined;
  readonly needsIntrinsics: boolean;
  readonly allow: readonly Allowance[];
  readonly withoutRoles: readonly (typeof ROLES)[number][];
}

/** The method of the APT paper: stage 1 sees one half of the episodes without language, stage 2 all with it. */
const PRESETS: Readonly<Record<NonNullable<MixtureFile['preset']>, Partial<MixtureFile>>> = {
  'apt-stage1': {
    mask_language: true,
    trains_vlm: false,
    tool: 'canonical',
    filter: { fraction: { share: 0.5, salt: 0 } },
  },
  'apt-stage2': { mask_language: false, trains_vlm: true, tool: 'canonical' },
};

/** What the file says over what its preset says. */
export function mixtureOf(file: MixtureFile): Mixture {
  const preset = file.preset === undefined ? {} : PRESETS[file.preset];
  const all = { ...preset, ...file };
  const common = { ...preset.filter, ...file.filter };
  const taken = new Map<string, number>();
  return {
    entries: file.entries.map(({ name, dataset, weight, filter }) => {
      const times = (taken.get(dataset) ?? 0) + 1;
      taken.set(dataset, times);
      const called = name ?? (times === 1 ? dataset : `${dataset}-${times}`);
      return { name: called, dataset, weight, filter: { ...common, ...filter } };
    }),
    maskLanguage: all.mask_language ?? false,
    trainsVlm: all.trains_vlm ?? true,
    ...(all.trains_vision === undefined ? {} : { trainsVision: all.trains_vision }),
    reference: all.reference,
    tool: all.tool,
    rot6d: all.rot6d,
    needsIntrinsics: all.needs_intrinsics ?? false,
    allow: all.allow ?? [],
    withoutRoles: all.without_roles ?? [],
  };
}
