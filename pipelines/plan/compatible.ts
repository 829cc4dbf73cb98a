/** Which datasets may stand in one mixture: what is refused, what is made alike, what is warned of. */
import { ROLES } from '../../schemas/episode.ts';
import { PrepError } from '../../schemas/errors.ts';
import type { Mixture } from '../../schemas/mixture.ts';
import type { PrepMetadata } from '../../schemas/row.ts';
import type { Harmony } from '../../transforms/harmonise.ts';

export interface Compatibility {
  readonly harmony: Harmony;
  /** What is changed in rows of which dataset, in words. */
  readonly changes: readonly string[];
  readonly warnings: readonly string[];
}

type Known = readonly (readonly [dataset: string, metadata: PrepMetadata])[];

/** @throws PrepError `unlike-datasets` naming both and what to do */
export function compatible(known: Known, mixture: Mixture): Compatibility {
  const [first, ...others] = known;
  for (const other of others) refuseUnlike(first!, other);
  const allowed = new Set(mixture.allow);
  const references = new Map(known.map(([name, { reference }]) => [reference, name]));
  const reference = mixture.reference ?? first![1].reference;
  if (references.has('base') && (references.size > 1 || reference !== 'base'))
    throw refusal(
      ['axes of actions', references.get('base')!, 'base frame'],
      [[...references].find(([one]) => one !== 'base')?.[1] ?? 'the mixture', 'camera frame'],
      'prep relabel one of them with the --reference of the other, or leave it out',
    );
  if (reference === 'base' && !references.has('base'))
    throw refusal(
      ['axes of actions', first![0], 'camera frame'],
      ['the mixture', 'base frame'],
      'prep relabel --reference base',
    );
  if (
    references.has('third') &&
    references.has('wrist') &&
    mixture.reference === undefined &&
    !allowed.has('wrist-reference')
  )
    throw refusal(
      ['reference', references.get('third')!, 'third'],
      [references.get('wrist')!, 'wrist'],
      'say `"reference"` in the mixture file, or allow "wrist-reference" (its proprioception is constant)',
    );
  const blind = known.find(([, one]) => reference !== 'base' && one.roles[reference] === undefined);
  if (blind !== undefined)
    throw refusal(
      ['reference', blind[0], `no ${reference} camera`],
      ['the mixture', reference],
      'no row of it could be re-targeted and all its actions would be masked: leave it out, or say another `"reference"`',
    );
  const tool = mixture.tool ?? first![1].tool;
  checkTools(known, tool, allowed.has('unlike-ee'));
  const rot6d = mixture.rot6d ?? first![1].rot6d;
  const roles = ROLES.filter(
    (role) => !mixture.withoutRoles.includes(role) && known.some(([, metadata]) => metadata.roles[role] !== undefined),
  );
  const harmony: Harmony = {
    arms: Math.max(...known.map(([, { arms }]) => arms.length)),
    roles,
    ...first![1].chunk,
    reference,
    tool,
    rot6d,
  };
  return { harmony, changes: changesFor(known, harmony), warnings: warningsFor(known, harmony) };
}

/** Everything that rows cannot be made alike in. */
function refuseUnlike([a, one]: Known[number], [b, two]: Known[number]): void {
  const compare = (what: string, x: unknown, y: unknown, remedy: string): void => {
    if (JSON.stringify(x) !== JSON.stringify(y))
      throw refusal([what, a, JSON.stringify(x)], [b, JSON.stringify(y)], remedy);
  };
  compare('row version', one.row_version, two.row_version, 'ingest the older one again');
  compare('chunk', one.chunk, two.chunk, 'prep relabel --dt --steps (no frame is opened)');
  const size = ({ image: { width, height } }: PrepMetadata) => [width, height];
  compare('image size', size(one), size(two), 'ingest one of them again');
  compare('gripper encoding', one.gripper.encoding, two.gripper.encoding, 'ingest one of them again');
  compare('gripper command offset', one.gripper.command_offset, two.gripper.command_offset, 'ingest one of them again');
}

function checkTools(known: Known, tool: Harmony['tool'], allowed: boolean): void {
  const robots = known.flatMap(([name, metadata]) =>
    Object.entries(metadata.robots).map(([robot, one]) => ({
      name: `${name} (${robot})`,
      tool: metadata.tool,
      ...one,
    })),
  );
  if (tool === 'canonical') {
    const lacking = robots.find((one) => one.tool === 'native' && one.eeFromTool === null);
    if (lacking === undefined || allowed) return;
    throw refusal(
      ['tool frame', lacking.name, 'no eeFromTool'],
      ['the mixture', 'canonical'],
      'leave that robot out, say `"tool": "native"`, or allow "unlike-ee"',
    );
  }
  const [first, ...others] = robots;
  const unlike = others.find((one) => one.ee_origin !== first!.ee_origin || one.tool !== first!.tool);
  if (unlike === undefined || allowed) return;
  throw refusal(
    ['origin of the end effector', first!.name, first!.ee_origin],
    [unlike.name, unlike.ee_origin],
    'say `"tool": "canonical"` in the mixture file, or allow "unlike-ee"',
  );
}

function refusal(
  [what, a, x]: readonly [string, string, string],
  [b, y]: readonly [string, string],
  remedy: string,
): PrepError {
  return new PrepError({
    code: 'unlike-datasets',
    at: { field: what },
    expected: `datasets that are alike in it`,
    found: `${a}: ${x}; ${b}: ${y}`,
    remedy,
  });
}

function changesFor(known: Known, to: Harmony): string[] {
  return known.flatMap(([name, one]) => {
    const changed = (['reference', 'tool', 'rot6d'] as const).filter((what) => one[what] !== to[what]);
    return changed.map((what) => `${name}: ${what} ${one[what]} becomes ${to[what]}`);
  });
}

function warningsFor(known: Known, { dt, roles }: Harmony): string[] {
  const fits = new Set(known.map(([, { image }]) => image.fit));
  return [
    ...known.flatMap(([name, { robots }]) =>
      Object.entries(robots)
        .filter(([, { hz }]) => 1 / hz > dt * 1.001)
        .map(
          ([robot, { hz }]) =>
            `${name} (${robot}): recorded every ${(1 / hz).toFixed(3)} s, chunk steps every ${dt.toFixed(3)} s lie between`,
        ),
    ),
    ...(fits.size > 1 ? [`pictures are fitted differently: ${[...fits].join(', ')}`] : []),
    ...known.filter(([, one]) => roles.includes('wrist') && !one.roles.wrist).map(([name]) => `${name}: no wrist view`),
  ];
}
