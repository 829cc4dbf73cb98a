/** The worker thread of the pixel pool: one task in, one result or fault out. Heavy native modules load only here. */
import { parentPort, workerData } from 'node:worker_threads';
import type { JpegColumn, Role } from '../schemas/episode.ts';
import { type Fault, type Place, PrepError } from '../schemas/errors.ts';
import { frameCount } from '../schemas/frames.ts';
import { type CodedFrame, type FrameCoder, openFrameCoder } from '../transforms/frames.ts';
import { openImageHash } from '../transforms/image-hash.ts';
import { BUSY, END, type PixelPart, type PixelResult, type PixelTask, STOP, type WorkerStart } from './pixel-pool.ts';

/** What a worker answers. `fault` rebuilds a PrepError; `crash` is the stack of anything else. */
export type PixelAnswer = { readonly result: PixelResult } | { readonly fault: Fault } | { readonly crash: string };

interface Work {
  readonly coder: FrameCoder;
  readonly hash: (bytes: Uint8Array) => bigint;
  readonly state: WorkerStart['state'];
  readonly canvases: boolean;
  /** Where a role's pictures are gathered; kept between tasks, because each new one of its size brings V8 closer to a full collection. */
  gathered: Uint8Array<ArrayBuffer>;
}

/** First guess of an encoded 256×256 frame at quality 95 4:4:4 (bytes); the buffer doubles when it is short. */
const FRAME_BYTES = 32 * 1024;

async function start({ coder, canvases, state }: WorkerStart): Promise<void> {
  const hash = await openImageHash();
  const work: Work = { coder: openFrameCoder(coder), hash, state, canvases, gathered: new Uint8Array(0) };
  parentPort!.on('message', (task: PixelTask | typeof END) => {
    if (task === END) {
      work.coder.close();
      parentPort!.close(); // nothing is left to wait for: the thread ends by itself
      return;
    }
    Atomics.add(state, BUSY, 1);
    const answer = answerTo(task, work);
    idle(state);
    parentPort!.postMessage(answer, 'result' in answer ? buffersOf(answer.result) : []);
  });
  idle(state);
}

function idle(state: WorkerStart['state']): void {
  Atomics.sub(state, BUSY, 1);
  Atomics.notify(state, BUSY);
}

function answerTo(task: PixelTask, work: Work): PixelAnswer {
  try {
    return { result: codeTask(task, work) };
  } catch (error) {
    if (!(error instanceof PrepError)) return { crash: error instanceof Error ? `${error.stack}` : String(error) };
    const { cause, ...fault } = error.fault;
    // A cause may be an object that postMessage cannot clone.
    return { fault: { ...fault, at: error.at, ...(cause === undefined ? {} : { cause: String(cause) }) } };
  }
}

function codeTask({ parts }: PixelTask, work: Work): PixelResult {
  const images: Partial<Record<Role, JpegColumn>> = {};
  const hashes: Partial<Record<Role, BigInt64Array>> = {};
  const canvases: Partial<Record<Role, Uint8Array>> = {};
  for (const part of parts) {
    const coded = codePart(part, work);
    images[part.role] = coded.column;
    hashes[part.role] = coded.hashes;
    if (coded.canvases) canvases[part.role] = coded.canvases;
  }
  return { images, hashes, ...(work.canvases ? { canvases } : {}) };
}

function codePart({ role, batch, appearance, ...size }: PixelPart, work: Work) {
  const frames = frameCount(batch);
  const offsets = new Int32Array(frames + 1);
  const hashes = new BigInt64Array(frames);
  const guess = frames * FRAME_BYTES;
  let canvases: Uint8Array | undefined;
  let data = work.gathered.length < guess ? new Uint8Array(guess) : work.gathered;
  const jpegs = work.coder.jpegs(batch, appearance, size);
  for (let step = 0; step < frames; step++) {
    if (Atomics.load(work.state, STOP) === 1) {
      jpegs.return(undefined); // the decoder's memory is not V8's to collect
      throw new PrepError({ code: 'interrupted', found: 'the pool is closing' });
    }
    const { jpeg, canvas } = at({ camera: role, step }, () => jpegs.next()).value as CodedFrame;
    if (work.canvases) {
      canvases ??= new Uint8Array(frames * canvas.length);
      canvases.set(canvas, step * canvas.length);
    }
    const start = offsets[step]!;
    if (start + jpeg.length > data.length) data = grown(data, start, start + jpeg.length);
    data.set(jpeg, start);
    offsets[step + 1] = start + jpeg.length;
    hashes[step] = work.hash(jpeg);
  }
  jpegs.return(undefined);
  work.gathered = data;
  return { column: { data: data.slice(0, offsets[frames]!), offsets }, hashes, canvases };
}

function grown(data: Uint8Array, used: number, needed: number): Uint8Array<ArrayBuffer> {
  const wider = new Uint8Array(Math.max(2 * data.length, needed));
  wider.set(data.subarray(0, used));
  return wider;
}

function at<T>(place: Place, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw error instanceof PrepError ? error.within(place) : error;
  }
}

function buffersOf({ images, hashes, canvases = {} }: PixelResult): ArrayBuffer[] {
  const pictures = Object.values(images).flatMap(({ data, offsets }) => [data, offsets]);
  const views = [...pictures, ...Object.values(hashes), ...Object.values(canvases)];
  return views.map((view) => view.buffer as ArrayBuffer);
}

await start(workerData);
