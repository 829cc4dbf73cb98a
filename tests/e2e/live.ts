/** Catching a run while it owns its part. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readParts } from '../../sinks/read.ts';
import { type Ended, type Prep, startPrep } from '../cli/run.ts';

/** Starts `prep` and stops the process (SIGSTOP) as soon as a part of the store is live; fails if it ends before. */
export async function stoppedWhileLive(store: string, words: readonly string[]): Promise<Prep> {
  const run = startPrep(words);
  let gone: Ended | undefined;
  void run.ended.then((ended) => {
    gone = ended;
  });
  while (gone === undefined) {
    const parts = existsSync(join(store, 'parts.lance')) ? await readParts(store) : [];
    if (parts.some(({ status, owner }) => status === 'live' && owner.pid === run.process.pid)) {
      run.process.kill('SIGSTOP');
      return run;
    }
    await sleep(5);
  }
  throw new Error(`it ended before it was live: ${JSON.stringify(gone)}`);
}

/** Lets a stopped run go on to its end. */
export function resumed(run: Prep): Promise<Ended> {
  run.process.kill('SIGCONT');
  return run.ended;
}
