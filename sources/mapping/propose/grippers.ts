/** Which columns may hold the opening of a gripper, and which of their values is open. */
import type { Sample } from '../../describe/description.ts';
import type { MappedOpenness } from '../schema.ts';
import { type Guesses, moves, type Part, part, rangesOf, refOf } from './evidence.ts';
import { COMMAND, type PoseFound, type Side, sideOf } from './poses.ts';

export interface GripperFound {
  readonly openness: MappedOpenness;
  readonly guesses: Guesses;
  readonly side: Side;
  readonly command: boolean;
  readonly score: number;
}

const GRIPPER = /grip|openness|finger|jaw|claw/i;
const NO_GRIPPER = /vel|pose|force|torque|effort|image|camera|delta/i;

/** All candidates, best first. @param poses vectors behind whose pose one more column is most often a gripper */
export function grippersIn(samples: readonly Sample[], poses: readonly PoseFound[]): GripperFound[] {
  const steps = samples.filter(({ perStep }) => perStep);
  const found = steps.flatMap((sample) => columnsOf(sample).map((column) => gripperAt(column, 3)));
  for (const { sample, end } of poses)
    if (sample.width === end + 1 && sample.names.length !== sample.width)
      found.push(
        gripperAt(
          { of: part(sample, end, 1), name: sample.path },
          1,
          'the last column behind a pose is a gripper most often',
        ),
      );
  // Commands of one arm are six numbers of a motion or seven joints, and the gripper.
  const measured = found.filter(({ command }) => !command).sort((a, b) => b.score - a.score)[0];
  if (poses.length > 0)
    for (const sample of steps)
      if (
        COMMAND.test(sample.path) &&
        !/joint|qpos|delta|vel/i.test(sample.path) &&
        (sample.width === 7 || sample.width === 8) &&
        sample.names.length !== sample.width
      )
        found.push(alike(commandBehind(sample), measured));
  return found.sort((a, b) => b.score - a.score);
}

const commandBehind = (sample: Sample): GripperFound =>
  gripperAt(
    { of: part(sample, sample.width - 1, 1), name: sample.path },
    1,
    'the last column of commands is the gripper most often',
  );

/** A command with the ends of the measurement is written as the measurement is. */
function alike(command: GripperFound, measured: GripperFound | undefined): GripperFound {
  if (!measured) return command;
  const { open, closed } = measured.openness;
  const ends = [command.openness.open, command.openness.closed];
  if (Math.min(...ends) !== Math.min(open, closed) || Math.max(...ends) !== Math.max(open, closed)) return command;
  return {
    ...command,
    openness: { ...command.openness, open, closed },
    guesses: command.guesses.map((one) =>
      one.key === 'open'
        ? { ...one, value: open, why: 'written like the measurement' }
        : one.key === 'closed'
          ? { ...one, value: closed }
          : one,
    ),
  };
}

interface Column {
  readonly of: Part;
  readonly name: string;
}

function columnsOf(sample: Sample): Column[] {
  const { path, width, names } = sample;
  if (NO_GRIPPER.test(path.split(/[./]/).at(-1) ?? '')) return [];
  if (GRIPPER.test(path) && width <= 2) return [{ of: part(sample, 0, 1), name: path }];
  if (names.length !== width) return [];
  return names.flatMap((name, i) => (GRIPPER.test(name) ? [{ of: part(sample, i, 1), name: `${path} ${name}` }] : []));
}

function gripperAt({ of, name }: Column, score: number, why?: string): GripperFound {
  const { open, closed, guesses } = endsOf(of, name);
  const where: Guesses = why
    ? [{ key: 'field', value: refOf(of), why, check: 'see that it is constant while nothing is grasped or released' }]
    : [];
  return {
    openness: { field: refOf(of), open, closed },
    guesses: [...where, ...guesses],
    side: sideOf(name),
    command: COMMAND.test(of.sample.path),
    // An opening says more of itself than a position.
    score: score + (/open/i.test(name) ? 0.5 : 0) + (moves(of) ? 1 : 0),
  };
}

/** Values at fully open and fully closed. */
function endsOf(of: Part, name: string): { open: number; closed: number; guesses: Guesses } {
  const { min, max } = rangesOf(of)[0]!;
  const [low, high, certain] = bounds(min, max);
  const seen = `${round(min)} … ${round(max)} over the episodes that were read`;
  const guesses: Guesses = [];
  const shut = /clos/i.test(name);
  const told = shut || /open/i.test(name) || /width/i.test(name);
  const [open, closed] = shut ? [low, high] : [high, low];
  if (!told)
    guesses.push({
      key: 'open',
      value: open,
      why: `${seen}; which end is open no number tells`,
      check: 'look at the pictures of a step at each end, and exchange open and closed where it is the other way',
    });
  if (!certain)
    guesses.push({
      key: 'closed',
      value: closed,
      why: `the ends are those that were seen: ${seen}`,
      check: "the gripper's own limits (an episode may never open or close it fully)",
    });
  return { open, closed, guesses };
}

/** The range as a recorder would have meant it, and whether it is one of the usual ones. */
function bounds(min: number, max: number): [number, number, boolean] {
  if (min >= -0.05 && max <= 1.05 && max > 0.2) return [0, 1, max > 0.9];
  if (min >= -1.05 && max <= 1.05 && min < -0.2) return [-1, 1, max > 0.9 && min < -0.9];
  const low = Math.abs(min) < 0.25 * Math.abs(max) ? 0 : round(min);
  const high = round(max);
  return low === high ? [low, low + 1, false] : [low, high, false];
}

const round = (x: number): number => Number(x.toPrecision(4));
