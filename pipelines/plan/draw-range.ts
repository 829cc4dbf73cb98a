/** A stretch of a plan's draws that a command was asked for. */
import { PrepError } from '../../schemas/errors.ts';

/** `[from, to)`; the whole plan where none was given. @throws PrepError `bad-option` */
export function drawRange(asked: readonly [number, number] | null, draws: number): readonly [number, number] {
  const [from, to] = asked ?? [0, draws];
  if (from >= 0 && to <= draws && from < to) return [from, to];
  throw new PrepError({
    code: 'bad-option',
    at: { field: '--range' },
    expected: `draws within 0:${draws}`,
    found: `${from}:${to}`,
  });
}
