/** Requests that are asked again: what a busy or broken server answers is no answer yet. */
import { PrepError } from '../../schemas/errors.ts';

/** Attempts and waits (ms): about half a minute in all before a server counts as gone. */
const ATTEMPTS = 7;
const FIRST_WAIT = 250;
const LONGEST_WAIT = 10_000;
/** A server may ask for a longer wait than ours, up to this (ms). */
const LONGEST_ASKED = 60_000;

/** Thrown by a request that is worth another try. */
export class Transient extends Error {
  readonly after: number;
  constructor(message: string, after = 0) {
    super(message);
    this.after = after;
  }
}

/**
 * Milliseconds that a server asks for (RFC 9110 §10.2.3): a number of seconds, or a date, which is held against the
 * answer's own date, so that neither clock must be right. 0 where it asks for nothing.
 */
export function waitAsked(retryAfter: string | null | undefined, date: string | null | undefined): number {
  if (!retryAfter) return 0;
  const wait = /^\d+$/.test(retryAfter.trim())
    ? 1000 * Number(retryAfter)
    : Date.parse(retryAfter) - Date.parse(date ?? '');
  return Number.isFinite(wait) ? Math.max(wait, 0) : 0;
}

/** The storage library's errors hold the answer's headers as text. */
function askedBy(cause: unknown): number {
  if (cause instanceof Transient) return cause.after;
  const header = (name: string): string | undefined =>
    cause instanceof Error ? new RegExp(`"${name}": "([^"]*)"`, 'i').exec(cause.message)?.[1] : undefined;
  return waitAsked(header('retry-after'), header('date'));
}

const TRANSIENT =
  /\b(429|50[0234]|52\d)\b|temporary|timed? ?out|connection (closed|reset|refused)|reset by peer|broken pipe|unexpected eof|incomplete|error sending request|channel closed|SlowDown|InternalError|RateLimit|too (many|little)|body/i;

/** True for an error text of the storage library that says "not now" and not "not at all". */
export const isTransient = (error: unknown): boolean =>
  error instanceof Transient ||
  (error instanceof Error &&
    TRANSIENT.test(error.message) &&
    !/NotFound|PermissionDenied|ConditionNotMatch/.test(error.message));

/** @throws PrepError `bad-remote` naming the file, after how many attempts, and the last answer */
export async function persist<T>(file: string, work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++)
    try {
      return await work();
    } catch (cause) {
      if (cause instanceof PrepError || !isTransient(cause)) throw cause;
      if (attempt === ATTEMPTS)
        throw new PrepError({
          code: 'bad-remote',
          at: { file },
          expected: 'an answer',
          found: `none after ${ATTEMPTS} attempts; the last: ${lineOf(cause)}`,
          remedy: 'run the same command again later: what is committed stays',
          cause,
        });
      const asked = Math.min(askedBy(cause), LONGEST_ASKED);
      await new Promise((wake) =>
        setTimeout(wake, Math.max(asked, Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** (attempt - 1)))),
      );
    }
}

/** First line, without addresses: they may carry a signature. */
export const lineOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error))
    .split('\n')[0]!
    .replace(/[a-z][a-z0-9+.-]*:\/\/\S+/gi, '…')
    .slice(0, 200);
