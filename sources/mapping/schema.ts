/** The shape of a mapping file: what a user says of a plain LeRobot, HDF5 or RLDS dataset, checked key by key. */
import { z } from 'zod';
import { ROLES } from '../../schemas/episode.ts';
import { type Place, PrepError } from '../../schemas/errors.ts';

/** A field of the source, or some of its columns: `{ "field": "observation.state", "columns": [0, 3] }`, end exclusive. */
const fieldSchema = z.union([
  z.string().min(1),
  z.strictObject({
    field: z.string().min(1),
    columns: z
      .tuple([z.int().min(0), z.int().min(1)])
      .refine(([from, to]) => from < to, 'the first column is not below the end'),
  }),
]);

const ROTATIONS = [
  'wxyz',
  'xyzw',
  'rotvec',
  'matrix',
  'extrinsic-xyz',
  'intrinsic-xyz',
  'extrinsic-zyx',
  'intrinsic-zyx',
] as const;

const pose = {
  /** 4×4 or 3×4, row-major; or position and rotation apart. */
  matrix: fieldSchema.optional(),
  position: fieldSchema.optional(),
  rotation: fieldSchema.optional(),
  rotationKind: z.enum(ROTATIONS).optional(),
  angles: z.enum(['radians', 'degrees']).default('radians'),
  metresPerUnit: z.number().positive().default(1),
};
const oneWay = (p: { matrix?: unknown; position?: unknown; rotation?: unknown; rotationKind?: unknown }): boolean =>
  p.matrix !== undefined
    ? p.position === undefined && p.rotation === undefined
    : p.position !== undefined && p.rotation !== undefined && p.rotationKind !== undefined;
const ONE_WAY = 'either matrix, or position with rotation and rotationKind';

const poseSchema = z.strictObject(pose).refine(oneWay, ONE_WAY);

const directions = {
  direction: z.enum(['base-from-cam', 'cam-from-base']).default('base-from-cam'),
  axes: z.enum(['opencv', 'opengl', 'isaac']).default('opencv'),
  parent: z.enum(['base', 'ee']).default('base'),
};
const cameraPoseSchema = z.strictObject({ ...pose, ...directions }).refine(oneWay, ONE_WAY);

/** Values of the source at fully open and fully closed; everything between is linear. */
const opennessSchema = z
  .strictObject({ field: fieldSchema, open: z.number(), closed: z.number() })
  .refine(({ open, closed }) => open !== closed, 'open and closed are the same value');

const armSchema = z.strictObject({
  pose: poseSchema.optional(),
  openness: opennessSchema.optional(),
  command: opennessSchema.optional(),
});

const cameraSchema = z.strictObject({
  name: z.string().min(1),
  /** Feature, dataset or feature path that holds the frames. */
  frames: z.string().min(1),
  role: z.enum(ROLES),
  mount: z.enum(['fixed', 'hand', 'moving']).default('fixed'),
  /** An episode without these frames lacks the camera; else it is quarantined. */
  optional: z.boolean().default(false),
  bgr: z.boolean().default(false),
  rowsReversed: z.boolean().default(false),
  columnsReversed: z.boolean().default(false),
  principalPoint: z.enum(['centre', 'corner']).default('centre'),
  pose: cameraPoseSchema.optional(),
  /** 4 numbers fx fy cx cy, or 9 of a 3×3 matrix. */
  intrinsics: fieldSchema.optional(),
});

const guessSchema = z.strictObject({
  /** Where in this file, e.g. `arms.0.openness.open`. */
  key: z.string().min(1),
  /** What was put there. */
  value: z.unknown().optional(),
  why: z.string(),
  /** How to find out. */
  check: z.string(),
});

export const mappingSchema = z.strictObject({
  $schema: z.string().optional(),
  /** What `prep inspect --propose` could not know. Take an entry out when it is checked; each ingest repeats the rest. */
  guesses: z.array(guessSchema).default([]),
  /** `hdf5`: files with datasets; `lerobot`; `rlds`. */
  format: z.enum(['hdf5', 'lerobot', 'rlds']),
  /** Of the dataset and its tables; `prep ingest lerobot` and `prep ingest hdf5` use their own. */
  name: z
    .string()
    .regex(/^[a-z][a-z0-9_]{0,63}$/i, 'letters, digits and _, starting with a letter')
    .optional(),
  title: z.string().default(''),
  licence: z.string().default('not stated'),
  /** hdf5: which files, as a path pattern with `*` and `**`. */
  files: z.string().default('**/*.{hdf5,h5}'),
  /** hdf5: groups that are one episode each, such as `data/*`; absent where a file is one episode. */
  episodes: z.string().optional(),
  /** rlds: names of the container in dataset_info.json. */
  containers: z.array(z.string()).optional(),
  /** Steps per second: a number, or the name of an HDF5 attribute. A LeRobot dataset has its own. */
  hz: z.union([z.number().positive(), z.strictObject({ attribute: z.string().min(1) })]).optional(),
  /** Time stamps, where the steps are not evenly spaced. */
  time: z.strictObject({ field: fieldSchema, secondsPerUnit: z.number().positive().default(1) }).optional(),
  robot: z
    .strictObject({
      name: z.string().min(1).default('robot'),
      eeOrigin: z.string().default('as published'),
      /** Rigid 4×4, row-major, from the stored EE frame to the point between the fingertips. */
      eeFromTool: z.array(z.number()).length(16).nullable().default(null),
    })
    .prefault({}),
  /**
   * Slot order: the only or right arm, then the left. A dataset without an end-effector pose (joints only) has arms
   * without `pose`: its episodes are recorded as `rejected: no-pose`. Without `openness`: `no-openness`.
   */
  arms: z.array(armSchema).min(1).max(2),
  cameras: z.array(cameraSchema).min(1),
  /** A field or attribute with the text, or the text itself; a LeRobot dataset has its tasks. */
  instruction: z
    .union([
      z.strictObject({ field: z.string().min(1) }),
      z.strictObject({ attribute: z.string().min(1) }),
      z.strictObject({ text: z.string() }),
    ])
    .optional(),
  /** File beside the mapping with poses and intrinsics that the dataset does not hold. */
  calibration: z.string().optional(),
});
export type Mapping = z.infer<typeof mappingSchema>;
export type MappedArm = z.infer<typeof armSchema>;
export type Guess = z.infer<typeof guessSchema>;
export type FieldRef = z.infer<typeof fieldSchema>;
/** As it is written: what has a default may be left out. */
export type MappedPose = z.input<typeof poseSchema>;
export type MappedCamera = z.infer<typeof cameraSchema>;
export type WrittenMapping = z.input<typeof mappingSchema>;
export type MappedOpenness = z.infer<typeof opennessSchema>;

/** Camera name → what was measured once for all episodes; `values` row-major as `kind` says. */
export const calibrationSchema = z.strictObject({
  cameras: z.record(
    z.string(),
    z.strictObject({
      pose: z
        .strictObject({
          matrix: z.array(z.number()).refine((m) => m.length === 12 || m.length === 16, '12 or 16 numbers'),
          ...directions,
        })
        .optional(),
      intrinsics: z
        .strictObject({
          fx: z.number(),
          fy: z.number(),
          cx: z.number(),
          cy: z.number(),
          width: z.int().positive(),
          height: z.int().positive(),
        })
        .optional(),
    }),
  ),
});
export type CalibrationFile = z.infer<typeof calibrationSchema>;

/** @throws PrepError `bad-metadata` naming the file and, line by line, the key and what it should be */
export function parsedAs<T>(schema: z.ZodType<T>, text: string, at: Place): T {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new PrepError({ code: 'bad-metadata', at, expected: 'JSON', found: (cause as Error).message, cause });
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'the whole'}: ${message}`);
  throw new PrepError({
    code: 'bad-metadata',
    at,
    expected: 'a file of the documented shape',
    found: issues.slice(0, 8).join('; '),
    remedy: 'see CONTRIBUTING.md, "A mapping file"; `prep inspect PATH --propose` writes one to start from',
  });
}
