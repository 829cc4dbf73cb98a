/** Names of tables that several processes may write at once: each attempt has its own, and only a published one counts. */

/** 12 characters: 8 of the time, which let `prep gc` see how old an orphan is, and 4 at random. */
export const attemptName = (): string =>
  `${Date.now().toString(36)}${Math.floor(Math.random() * 36 ** 4)
    .toString(36)
    .padStart(4, '0')}`;

/** Milliseconds since the epoch at which an attempt began. */
export const attemptTime = (name: string): number => Number.parseInt(name.slice(0, 8), 36);
