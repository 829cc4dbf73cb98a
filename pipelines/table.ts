/** One dataset under one set of options: its roles, its schema metadata, its fingerprints. */
import { ARM_SLOTS, ROLES, type Role, type SideFiles } from '../schemas/episode.ts';
import { PrepError } from '../schemas/errors.ts';
import {
  checkOptions,
  IMAGE_SIZE,
  type LabelOptions,
  type PixelOptions,
  tableFingerprints,
} from '../schemas/options.ts';
import { FLAGS, type PrepMetadata, presentNames, ROW_VERSION, type TableShape } from '../schemas/row.ts';
import type { AnySpec } from '../schemas/spec.ts';
import type { Fit } from '../transforms/letterbox.ts';
import { tableRoles } from '../transforms/roles.ts';

/** What is the same for every episode of a run. */
export interface Table {
  /** Name of the tables: the dataset's, or `--as NAME`. */
  readonly name: string;
  readonly spec: Pick<AnySpec, 'name' | 'version' | 'format' | 'robots' | 'cameras' | 'gripper' | 'clock'>;
  readonly pixels: PixelOptions;
  readonly labels: LabelOptions;
  readonly fit: Fit;
  /** Role → source cameras that may fill it. */
  readonly roles: Readonly<Partial<Record<Role, readonly string[]>>>;
  readonly shape: TableShape;
  readonly sideFiles: SideFiles | null;
}

export const RELEASE_POLICY = 'release';

/** @throws PrepError `bad-option` for options that the dataset cannot satisfy. */
export function tableOf(
  spec: Table['spec'],
  options: { name: string; pixels: PixelOptions; labels: LabelOptions; sideFiles: SideFiles | null },
): Table {
  const { name, pixels, sideFiles } = options;
  const labels = { ...options.labels, calibration: sideFiles?.policy ?? options.labels.calibration };
  checkOptions(pixels, labels);
  const toolless = Object.entries(spec.robots).find(([, robot]) => robot.eeFromTool === null);
  if (labels.tool === 'canonical' && toolless)
    throw new PrepError({
      code: 'bad-option',
      at: { dataset: spec.name, field: '--tool' },
      expected: 'native, because no eeFromTool is known for this robot',
      found: `canonical for ${toolless[0]}`,
    });
  const roles = tableRoles(spec.cameras, pixels);
  if (labels.reference !== 'base' && !roles[labels.reference])
    throw new PrepError({
      code: 'bad-option',
      at: { dataset: spec.name, field: '--reference' },
      expected: `a role that the dataset has (${Object.keys(roles).join(', ')}) or base`,
      found: labels.reference,
    });
  const order = ROLES.filter((role) => roles[role]);
  const arms = Math.max(...Object.values(spec.robots).map((robot) => robot.arms));
  const metadata = metadataOf(spec, { name, pixels, labels, roles, order, arms });
  const shape = { dataset: name, arms, roles: order, chunkSteps: labels.steps, metadata };
  return { name, spec, pixels, labels, fit: { mode: pixels.fit, size: IMAGE_SIZE }, roles, shape, sideFiles };
}

/** The dataset of a table from the table alone: enough to make its labels again from tracks. Mounts are not stored and not needed. */
export function storedSpec({ spec, spec_version, format, robots, roles, gripper }: PrepMetadata): Table['spec'] {
  const listed = Object.entries(roles) as [Role, readonly string[]][];
  const names = [...new Set(listed.flatMap(([, cameras]) => cameras))];
  return {
    name: spec,
    version: spec_version,
    format,
    clock: Object.values(robots)[0]!.clock,
    gripper: { action: gripper.action, proprio: gripper.proprio },
    robots: Object.fromEntries(
      Object.entries(robots).map(([name, { arms, hz, ee_origin: eeOrigin, eeFromTool }]) => [
        name,
        { arms, hz, eeOrigin, eeFromTool },
      ]),
    ),
    cameras: names.map((name) => {
      const fills = listed.filter(([, cameras]) => cameras.includes(name)).map(([role]) => role);
      const exterior = fills.includes('third') || fills.includes('third2');
      const roles: Role[] = exterior ? ['third', 'third2'] : fills;
      return { name, mount: 'fixed', roles, principalPoint: 'centre' };
    }),
  };
}

function metadataOf(
  spec: Table['spec'],
  table: Pick<Table, 'name' | 'pixels' | 'labels' | 'roles'> & { order: readonly Role[]; arms: number },
): PrepMetadata {
  const { pixels, labels, order } = table;
  return {
    dataset: table.name,
    spec: spec.name,
    format: spec.format,
    spec_version: spec.version,
    robots: Object.fromEntries(
      Object.entries(spec.robots).map(([name, robot]) => [
        name,
        {
          arms: robot.arms,
          roles: order,
          hz: robot.hz,
          clock: spec.clock,
          ee_origin: robot.eeOrigin,
          eeFromTool: robot.eeFromTool,
        },
      ]),
    ),
    arms: table.arms === 1 ? ['arm'] : ARM_SLOTS.slice(0, table.arms),
    roles: table.roles,
    chunk: { steps: labels.steps, dt: labels.dt },
    reference: labels.reference,
    tool: labels.tool,
    rot6d: labels.rot6d,
    gripper: {
      encoding: '2*openness-1: -1 closed, +1 open',
      ...spec.gripper,
      interpolation: labels.interpolation,
      command_offset: 0,
    },
    image: {
      width: IMAGE_SIZE,
      height: IMAGE_SIZE,
      fit: pixels.fit,
      resample: 'bicubic, anti-aliased, on RGB',
      codec: 'jpeg',
      quality: pixels.quality,
      subsampling: pixels.subsampling,
    },
    calibration: labels.calibration,
    flags: Object.fromEntries(FLAGS.map((flag, bit) => [flag, bit])),
    present: presentNames(),
    row_version: ROW_VERSION,
    options: { pixels, labels },
    fingerprint: tableFingerprints(spec, pixels, labels),
  };
}
