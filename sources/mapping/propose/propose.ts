/** A first mapping from what an inspection saw. What no number proves is a guess, and listed as one. */
import type { Described, Description, Sample } from '../../describe/description.ts';
import type { WrittenMapping } from '../schema.ts';
import { type CameraFound, camerasIn } from './cameras.ts';
import type { Guesses } from './evidence.ts';
import { type GripperFound, grippersIn } from './grippers.ts';
import { COMMAND, type PoseFound, posesIn, type Side } from './poses.ts';

export interface Proposal {
  /** Null where nothing can be proposed: no pictures, say. */
  readonly mapping: WrittenMapping | null;
  /** What whoever reads it should know, in plain words. */
  readonly words: readonly string[];
}

export function propose({ description, samples }: Described): Proposal {
  const words: string[] = [];
  const guesses: Guesses = [];
  const arms = armsOf(samples, { words, guesses });
  const cameras = camerasIn(description.cameras, samples, {
    arms: arms.length,
    order: arms.some(({ written }) => written.pose?.rotationKind === 'wxyz') ? 'wxyz' : 'xyzw',
  });
  if (cameras.length === 0)
    return { mapping: null, words: ['No pictures were found: a mapping needs at least one camera.'] };
  for (const [i, camera] of cameras.entries()) guesses.push(...below(`cameras.${i}`, camera.guesses));
  words.push(...cameraWords(cameras));
  const { format } = description;
  const mapping: WrittenMapping = {
    format,
    name: tableName(description.name),
    ...(format === 'hdf5' ? hdf5Layout(description) : {}),
    ...(format === 'rlds' ? { containers: [description.name] } : {}),
    ...clockOf(description, samples, guesses),
    ...(description.robot ? { robot: { name: description.robot } } : {}),
    arms: arms.map(({ written }) => written),
    cameras: cameras.map(({ camera }) => camera),
    ...instructionOf(description, { words, guesses }),
  };
  if (guesses.length > 0) mapping.guesses = guesses;
  return { mapping, words };
}

interface Notes {
  readonly words: string[];
  readonly guesses: Guesses;
}

const below = (key: string, guesses: Guesses): Guesses => guesses.map((one) => ({ ...one, key: `${key}.${one.key}` }));

interface ArmFound {
  readonly written: WrittenMapping['arms'][number];
}

function armsOf(samples: readonly Sample[], { words, guesses }: Notes): ArmFound[] {
  const poses = posesIn(samples);
  const grippers = grippersIn(samples, poses);
  const both = (['right', 'left'] as const).map((side) => best(poses, side));
  const sides: Side[] = both.every((one) => one !== undefined && one.score >= 3) ? ['right', 'left'] : ['only'];
  if (poses.length === 0)
    words.push(
      'No end-effector pose was found: joints alone do not say where the hand is. Without one every episode is recorded as',
      'rejected (no-pose). Compute the poses with the model of the arm and add them as columns, or name the field yourself.',
    );
  return sides.map((side, slot) => {
    const pose = side === 'only' ? poses[0] : best(poses, side);
    const mine = grippers.filter((one) => one.side === side || one.side === 'only' || side === 'only');
    const measured = mine.find(({ command }) => !command) ?? mine[0];
    const command = mine.find((one) => one.command && one !== measured);
    if (pose) guesses.push(...below(`arms.${slot}.pose`, poseGuesses(pose, poses)));
    if (measured) guesses.push(...below(`arms.${slot}.openness`, [...measured.guesses, ...onlyCommand(measured)]));
    if (command) guesses.push(...below(`arms.${slot}.command`, command.guesses));
    if (!measured)
      words.push(
        'No gripper was found: without its opening every episode is recorded as rejected (no-openness). Name its field in arms.',
      );
    return { written: armWritten(pose, measured, command) };
  });
}

const onlyCommand = ({ command, openness }: GripperFound): Guesses =>
  command
    ? [
        {
          key: 'field',
          value: openness.field,
          why: 'no measured opening was found, only what sounds like a command',
          check: 'a measured opening makes better proprioception: look for one',
        },
      ]
    : [];

const best = (poses: readonly PoseFound[], side: Side): PoseFound | undefined => poses.find((one) => one.side === side);

function armWritten(
  pose: PoseFound | undefined,
  measured: GripperFound | undefined,
  command: GripperFound | undefined,
): WrittenMapping['arms'][number] {
  return {
    ...(pose ? { pose: pose.pose } : {}),
    ...(measured ? { openness: measured.openness } : {}),
    ...(command ? { command: command.openness } : {}),
  };
}

function poseGuesses(pose: PoseFound, all: readonly PoseFound[]): Guesses {
  const others = all
    .filter((one) => one.sample !== pose.sample && one.side === pose.side)
    .map(({ sample }) => sample.path);
  const { path } = pose.sample;
  const command: Guesses = COMMAND.test(path)
    ? [
        {
          key: 'position',
          value: path,
          why: 'no measured pose was found, only what sounds like a command',
          check: 'a measured pose makes better labels: look for one',
        },
      ]
    : [];
  const several: Guesses =
    others.length > 0 && pose.score < 6
      ? [
          {
            key: 'position',
            value: path,
            why: `${[...new Set(others)].slice(0, 3).join(', ')} could be the pose too`,
            check: 'take the measured pose of the hand in the base of the robot',
          },
        ]
      : [];
  return [...pose.guesses, ...command, ...several];
}

function cameraWords(cameras: readonly CameraFound[]): string[] {
  if (cameras.some(({ calibrated }) => calibrated)) return [];
  return [
    'No camera pose was found: only base-frame actions (--reference base). Poses measured once go into a file beside the mapping ("calibration").',
  ];
}

function hdf5Layout({ files, groups }: Description): Partial<WrittenMapping> {
  const suffixes = new Set(files?.first.map((path) => path.slice(path.lastIndexOf('.') + 1)));
  const pattern = suffixes.size === 1 ? `**/*.${[...suffixes][0]}` : '**/*.{hdf5,h5}';
  return { files: pattern, ...(groups === undefined ? {} : { episodes: groups }) };
}

const RATE = /^(fps|hz|rate|frequency|freq|control_(freq|rate|frequency)|(sample|sampling)_(rate|freq))$/i;
const STAMPS = /(^|[._/])(time|timestamps?|stamps?|t)([._/]|$)|_time$|timestamp/i;

/** Steps per second, or time stamps where the steps are uneven. A LeRobot dataset says its own. */
function clockOf(
  { format, attributes = {} }: Description,
  samples: readonly Sample[],
  guesses: Guesses,
): Partial<WrittenMapping> {
  if (format === 'lerobot') return {};
  const rate = Object.entries(attributes).find(([name, value]) => RATE.test(name) && typeof value === 'number');
  if (rate) return { hz: { attribute: rate[0] } };
  const stamps = samples.find(({ path, width, perStep }) => perStep && width === 1 && STAMPS.test(path));
  const seen = stamps ? evenness(stamps.values) : null;
  if (stamps && seen) {
    const { secondsPerUnit, median, even } = seen;
    const hz = Number((1 / (median * secondsPerUnit)).toPrecision(3));
    const check = `steps are ${median} apart; ${secondsPerUnit} seconds per unit make ${hz} steps per second`;
    const why = 'the unit of time stamps no number tells';
    if (even) {
      guesses.push({ key: 'hz', value: hz, why: `${stamps.path} is even; ${why}`, check });
      return { hz };
    }
    guesses.push({ key: 'time.secondsPerUnit', value: secondsPerUnit, why, check });
    guesses.push({ key: 'hz', value: hz, why: 'the usual distance of the time stamps', check });
    return { hz, time: { field: stamps.path, secondsPerUnit } };
  }
  guesses.push({
    key: 'hz',
    value: 30,
    why: 'nothing says how many steps a second has',
    check: 'ask whoever recorded it',
  });
  return { hz: 30 };
}

/** Units in which a step lasts between 2 ms and 2 s. Null for what does not ascend. */
function evenness(values: Float64Array): { secondsPerUnit: number; median: number; even: boolean } | null {
  // Where an episode ends and the next begins, time falls back.
  const steps = Array.from({ length: values.length - 1 }, (_, i) => values[i + 1]! - values[i]!).filter((dt) => dt > 0);
  if (steps.length < 0.8 * (values.length - 1) || steps.length === 0) return null;
  steps.sort((a, b) => a - b);
  const median = steps[steps.length >> 1]!;
  const secondsPerUnit = [1, 1e-3, 1e-6, 1e-9].find((unit) => median * unit >= 0.002 && median * unit <= 2);
  if (secondsPerUnit === undefined) return null;
  const even = steps.filter((dt) => Math.abs(dt / median - 1) > 0.1).length <= 0.02 * steps.length;
  return { secondsPerUnit, median, even };
}

const SURELY = /lang|instruction/i;
const TEXT = /lang|instruction|task|prompt|goal|command/i;

function instructionOf(
  { format, attributes = {}, fields }: Description,
  { words, guesses }: Notes,
): Partial<WrittenMapping> {
  if (format === 'lerobot') return {};
  const attribute = Object.entries(attributes).find(
    ([name, value]) => TEXT.test(name) && typeof value === 'string' && value.length < 1000,
  );
  const texts = fields.filter((one) => one.texts !== undefined && TEXT.test(one.path));
  const field = texts.find(({ path }) => SURELY.test(path)) ?? texts[0];
  if (field) {
    if (!SURELY.test(field.path))
      guesses.push({
        key: 'instruction.field',
        value: field.path,
        why: 'the name sounds like an instruction',
        check: `its first text is ${JSON.stringify(field.texts!.first.slice(0, 80))}`,
      });
    return { instruction: { field: field.path } };
  }
  if (attribute) return { instruction: { attribute: attribute[0] } };
  words.push(
    'No instruction was found: rows get the flag no_instruction. Give one text for all with "instruction": { "text": "…" }.',
  );
  return {};
}

/** A name that tables can have. */
function tableName(name: string): string {
  const plain = name
    .replace(/\.(hdf5|h5)$/i, '')
    .replaceAll(/[^a-z0-9_]+/gi, '_')
    .replace(/^[^a-z]+/i, '')
    .slice(0, 60);
  return plain === '' ? 'my_dataset' : plain;
}
