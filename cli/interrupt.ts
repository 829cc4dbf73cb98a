/** Ctrl-C and SIGTERM: the first asks the run to finish its group and stop, the second ends at once. */
import { EXIT } from '../schemas/errors.ts';

export interface Interrupt {
  readonly signal: AbortSignal;
  release(): void;
}

export function onInterrupt(say: (text: string) => void): Interrupt {
  const controller = new AbortController();
  const stop = (): void => {
    // Committed groups stay; what is in work is done again by the next run.
    if (controller.signal.aborted) process.exit(EXIT.interrupted);
    say('stopping: finishing and committing what is in work (once more to stop at once)');
    controller.abort();
  };
  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const name of signals) process.on(name, stop);
  return {
    signal: controller.signal,
    release: () => {
      for (const name of signals) process.off(name, stop);
    },
  };
}
