/** A pool of worker threads that turn an episode's encoded frames into its JPEG columns. */
import { Worker } from 'node:worker_threads';
import type { JpegColumn, Role } from '../schemas/episode.ts';
import { PrepError } from '../schemas/errors.ts';
import type { Appearance, FrameBatch } from '../schemas/frames.ts';
import type { FrameCoderOptions } from '../transforms/frames.ts';
import type { PixelAnswer } from './pixel-worker.ts';

/** Frames of one episode, all of them or the next few. */
export interface PixelTask {
  /** Transferred when a worker takes the task: the caller's views are empty from then on. */
  readonly buffer: ArrayBuffer;
  /** Every batch lies in `buffer`. */
  readonly parts: readonly PixelPart[];
}

export interface PixelPart {
  readonly role: Role;
  readonly batch: FrameBatch;
  readonly appearance: Appearance;
  /** Size that the source declares; 0 if it was compared before. */
  readonly width: number;
  readonly height: number;
}

export interface PixelResult {
  readonly images: Partial<Record<Role, JpegColumn>>;
  /** xxh3-64 of each JPEG, the unsigned value reinterpreted as int64. */
  readonly hashes: Partial<Record<Role, BigInt64Array>>;
  /** The fitted frames before JPEG, RGB one after another, where the pool was opened for them. */
  readonly canvases?: Partial<Record<Role, Uint8Array>>;
}

export interface PixelPool {
  /**
   * Tasks start first come, first served, one at a time per worker; waiting ones hold their buffers, so callers bound them.
   * @throws PrepError `bad-image`, `bad-video` or `image-size` at {camera: role, step of the batch}; `interrupted` after `close`; a plain Error when a
   * worker dies (its task only: the next task gets a new worker).
   */
  run(task: PixelTask): Promise<PixelResult>;
  /** Running and waiting tasks reject with `interrupted`; resolves when the threads have ended, each after its current frame. */
  close(): Promise<void>;
  readonly workers: number;
}

interface Waiting {
  readonly task: PixelTask;
  readonly resolve: (result: PixelResult) => void;
  readonly reject: (error: unknown) => void;
}

/** What a worker starts with. `state`: see `STOP` and `BUSY`. */
export interface WorkerStart {
  readonly coder: FrameCoderOptions;
  readonly canvases: boolean;
  readonly state: Int32Array<SharedArrayBuffer>;
}
/** Index into `state`: 1 when the current task is to be dropped at its next frame. */
export const STOP = 0;
/** Index into `state`: how many workers are in native code (start, task). */
export const BUSY = 1;
/** Asks an idle worker to end itself. */
export const END = 'end';

interface Slot {
  worker: Worker | null;
  current: Waiting | null;
}

interface Pool {
  readonly start: WorkerStart;
  readonly next: () => void;
}

/** A process that exits waits no longer than this for the frames in work (ms); a 4K frame takes 60. */
const EXIT_WAIT = 2000;

/** Works from source (type stripping) and from the built package. */
const WORKER = new URL(import.meta.url.endsWith('.ts') ? './pixel-worker.ts' : './pixel-worker.js', import.meta.url);

/** Threads start with their first task; `workers` is the number of tasks coded at the same time. */
export function openPixelPool(
  options: FrameCoderOptions & { readonly workers: number; readonly canvases?: boolean },
): PixelPool {
  const { workers, canvases = false, ...coder } = options;
  if (!Number.isInteger(workers) || workers < 1)
    throw new PrepError({
      code: 'bad-option',
      at: { field: 'workers' },
      expected: 'a whole number from 1',
      found: `${workers}`,
    });
  const slots: Slot[] = Array.from({ length: workers }, () => ({ worker: null, current: null }));
  const queue: Waiting[] = [];
  const state = new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT));
  const start = { coder, canvases, state };
  let closed = false;
  const next = (): void => {
    for (const slot of slots) {
      if (closed || queue.length === 0) return;
      if (slot.current === null) give(slot, queue.shift()!, { start, next });
    }
  };
  // Hazard: a thread that is terminated inside node-av or jpeg-turbo, by `terminate` or by the process's exit, throws a C++
  // exception that nobody catches: the whole process aborts (SIGABRT, every time). So threads are asked, and waited for.
  const onExit = (): void => stopNow(state);
  process.on('exit', onExit);
  return {
    workers,
    run: (task) =>
      new Promise((resolve, reject) => {
        if (closed) return reject(stopped());
        queue.push({ task, resolve, reject });
        next();
      }),
    async close() {
      closed = true;
      Atomics.store(state, STOP, 1);
      for (const { reject } of queue.splice(0)) reject(stopped());
      await Promise.all(slots.map(endWorker));
      process.off('exit', onExit);
    },
  };
}

function give(slot: Slot, waiting: Waiting, pool: Pool): void {
  const worker = slot.worker ?? startWorker(slot, pool);
  slot.current = waiting;
  worker.ref();
  try {
    worker.postMessage(waiting.task, [waiting.task.buffer]);
  } catch (error) {
    // A buffer that was already transferred cannot be cloned: the task's fault, not the worker's.
    settle(slot, (task) => task.reject(error));
    queueMicrotask(pool.next);
  }
}

function startWorker(slot: Slot, { start, next }: Pool): Worker {
  Atomics.add(start.state, BUSY, 1); // taken back by the worker when it is ready
  const worker = new Worker(WORKER, { workerData: start });
  slot.worker = worker;
  worker.on('message', (answer: PixelAnswer) => {
    settle(slot, ({ resolve, reject }) => ('result' in answer ? resolve(answer.result) : reject(errorOf(answer))));
    next();
  });
  let cause: unknown;
  worker.on('error', (error) => {
    cause = error;
  });
  worker.on('exit', (code) => {
    // The slot stays usable: a task that kills its worker costs that task only.
    slot.worker = null;
    const reason = cause instanceof Error ? cause.message : `exit code ${code}`;
    settle(slot, ({ reject }) => reject(new Error(`a pixel worker died (${reason}) and lost its episode`, { cause })));
    next();
  });
  return worker;
}

async function endWorker(slot: Slot): Promise<void> {
  const { worker, current } = slot;
  slot.current = null;
  current?.reject(stopped());
  if (!worker) return;
  // The answer to a dropped task is nobody's; its listener would let the process end before the thread has.
  worker.removeAllListeners('message');
  worker.ref();
  await new Promise((resolve) => {
    worker.once('exit', resolve);
    worker.postMessage(END);
  });
}

/** Synchronous, for the last moments of a process: no worker is in native code when this returns. */
function stopNow(state: WorkerStart['state']): void {
  Atomics.store(state, STOP, 1);
  const deadline = performance.now() + EXIT_WAIT;
  for (;;) {
    const busy = Atomics.load(state, BUSY);
    const left = deadline - performance.now();
    if (busy <= 0 || left <= 0) return;
    Atomics.wait(state, BUSY, busy, left);
  }
}

/** Ends the slot's task, if it has one; an idle worker does not keep the process alive. */
function settle(slot: Slot, how: (task: Waiting) => void): void {
  const task = slot.current;
  slot.current = null;
  slot.worker?.unref();
  if (task) how(task);
}

function errorOf(answer: Exclude<PixelAnswer, { result: PixelResult }>): Error {
  return 'fault' in answer ? new PrepError(answer.fault) : new Error(`a pixel worker failed: ${answer.crash}`);
}

const stopped = (): PrepError =>
  new PrepError({ code: 'interrupted', found: 'the pixel pool was closed', remedy: 'run the command again' });
