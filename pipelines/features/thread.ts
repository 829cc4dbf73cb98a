/** A worker thread that answers jobs one after another, and the loop that it runs. */
import { parentPort, Worker } from 'node:worker_threads';
import { type Fault, PrepError } from '../../schemas/errors.ts';

/** `fault` rebuilds a PrepError; `crash` is the stack of anything else. */
type Answer<Result> = { readonly result: Result } | { readonly fault: Fault } | { readonly crash: string };

export interface Thread<Job, Result> {
  /** Jobs are answered in the order in which they were given; `transfer` moves buffers instead of copying them. */
  run(job: Job, transfer?: ArrayBuffer[]): Promise<Result>;
  /** After the jobs that were given. */
  close(): Promise<void>;
}

const END = 'end';

interface Waiting<Result> {
  resolve(result: Result): void;
  reject(error: unknown): void;
}

/** @param name of a module beside this one, without its ending: it works from source and from the built package */
export function openThread<Job, Result>(name: string, data: unknown): Thread<Job, Result> {
  const ending = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
  const worker = new Worker(new URL(`./${name}${ending}`, import.meta.url), { workerData: data });
  const waiting: Waiting<Result>[] = [];
  let dead: Error | null = null;
  const die = (reason: string, cause?: unknown): void => {
    dead ??= new Error(`the thread ${name} died (${reason})`, { cause });
    for (const { reject } of waiting.splice(0)) reject(dead);
  };
  const ended = new Promise<void>((resolve) => {
    worker.on('exit', (code) => {
      die(`exit code ${code}`);
      resolve();
    });
  });
  worker.on('error', (error) => die(error.message, error));
  worker.on('message', (answer: Answer<Result>) => {
    const first = waiting.shift();
    // An answer that was on its way when the thread died: its job has been given up.
    if (!first) return;
    if ('result' in answer) first.resolve(answer.result);
    else first.reject('fault' in answer ? new PrepError(answer.fault) : new Error(`${name}: ${answer.crash}`));
  });
  return {
    run: (job, transfer = []) =>
      new Promise((resolve, reject) => {
        if (dead) return reject(dead);
        worker.postMessage(job, transfer);
        waiting.push({ resolve, reject });
      }),
    async close() {
      // A thread that is terminated inside native code takes the process with it: it is asked, and waited for.
      if (!dead) worker.postMessage(END);
      await ended;
    },
  };
}

/** What a worker does: `work` on each job, its result moved by the buffers that it names. `close` when the other side is done. */
export function serve<Job, Result>(
  work: (job: Job) => Promise<{ result: Result; transfer: ArrayBuffer[] }>,
  close: () => Promise<void> | void,
): void {
  let last: Promise<void> = Promise.resolve();
  parentPort!.on('message', (job: Job | typeof END) => {
    last = last.then(async () => {
      if (job === END) {
        await close();
        parentPort!.close();
        return;
      }
      try {
        const { result, transfer } = await work(job as Job);
        parentPort!.postMessage({ result } satisfies Answer<Result>, transfer);
      } catch (error) {
        parentPort!.postMessage(failure(error));
      }
    });
  });
}

function failure(error: unknown): Answer<never> {
  if (!(error instanceof PrepError)) return { crash: error instanceof Error ? `${error.stack}` : String(error) };
  const { cause, ...fault } = error.fault;
  // A cause may be an object that postMessage cannot clone.
  return { fault: { ...fault, at: error.at, ...(cause === undefined ? {} : { cause: String(cause) }) } };
}
