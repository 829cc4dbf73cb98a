import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { openPixelPool, type PixelPool, type PixelTask } from '../../pipelines/pixel-pool.ts';
import type { Role } from '../../schemas/episode.ts';
import { PrepError } from '../../schemas/errors.ts';
import { type FrameCoderOptions, openFrameCoder } from '../../transforms/frames.ts';
import { openImageHash } from '../../transforms/image-hash.ts';

const fixture = (name: string): Uint8Array => readFileSync(new URL(`../../fixtures/pixels/${name}`, import.meta.url));
const OPTIONS: FrameCoderOptions = { fit: { mode: 'letterbox', size: 256 }, quality: 95, subsampling: '4:4:4' };
const FRAMES = ['droid_420_q90.jpg', 'grey.jpg', 'odd.jpg', 'rgb.png'].map(fixture);

const pools: PixelPool[] = [];
const pool = (workers: number, options = OPTIONS): PixelPool => {
  const opened = openPixelPool({ workers, ...options });
  pools.push(opened);
  return opened;
};
afterEach(async () => {
  vi.restoreAllMocks();
  await Promise.all(pools.splice(0).map((one) => one.close()));
});

function taskOf(roles: Partial<Record<Role, readonly Uint8Array[]>>): PixelTask {
  const all = Object.values(roles).flat();
  const out = new Uint8Array(all.reduce((sum, frame) => sum + frame.length, 13));
  let offset = 13; // frames do not start at the buffer's beginning
  const place = (frame: Uint8Array): { offset: number; length: number } => {
    out.set(frame, offset);
    offset += frame.length;
    return { offset: offset - frame.length, length: frame.length };
  };
  return {
    buffer: out.buffer,
    parts: Object.entries(roles).map(([role, frames]) => ({
      role: role as Role,
      batch: { kind: 'pictures', buffer: out.buffer, spans: frames.map(place) },
      ...{ appearance: {}, width: 0, height: 0 },
    })),
  };
}

function alone(frames: readonly Uint8Array[]): Buffer[] {
  const coder = openFrameCoder(OPTIONS);
  const jpegs = frames.map((frame) => Buffer.from(coder.encode(frame)));
  coder.close();
  return jpegs;
}

const failure = async (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => expect.unreachable('must reject'),
    (error: unknown) => error,
  );

describe('results', () => {
  it('are the frames of each role in order, tight, with their hashes', async () => {
    const hash = await openImageHash();
    const task = taskOf({ third: FRAMES, wrist: [...FRAMES].reverse(), third2: [] });
    const { images, hashes } = await pool(1).run(task);
    expect(task.buffer.byteLength).toBe(0); // transferred
    const expected = alone(FRAMES);
    for (const [role, jpegs] of [
      ['third', expected],
      ['wrist', [...expected].reverse()],
      ['third2', []],
    ] as const) {
      const { data, offsets } = images[role]!;
      expect(data.buffer.byteLength).toBe(jpegs.reduce((sum, jpeg) => sum + jpeg.length, 0));
      expect(Buffer.from(data)).toEqual(Buffer.concat(jpegs));
      expect([...offsets]).toEqual([0, ...jpegs.map((_, i) => Buffer.concat(jpegs.slice(0, i + 1)).length)]);
      expect([...hashes[role]!]).toEqual(jpegs.map(hash));
    }
  });

  it('do not depend on worker or history', async () => {
    const three = pool(3);
    const orders = [0, 1, 2, 3, 4, 5].map((turn) => [...FRAMES.slice(turn % 4), ...FRAMES.slice(0, turn % 4)]);
    const results = await Promise.all(orders.map((frames) => three.run(taskOf({ third: frames }))));
    const expected = new Map(FRAMES.map((frame, i) => [frame, alone(FRAMES)[i]!]));
    for (const [turn, { images }] of results.entries()) {
      const { data, offsets } = images.third!;
      for (const [i, frame] of orders[turn]!.entries())
        expect(Buffer.from(data.subarray(offsets[i]!, offsets[i + 1]!))).toEqual(expected.get(frame));
    }
  });

  it('follow the options', async () => {
    const { images } = await pool(1, { ...OPTIONS, quality: 40, subsampling: '4:2:0' }).run(
      taskOf({ third: [FRAMES[0]!] }),
    );
    const small = images.third!.data;
    expect(small.length).toBeLessThan(alone([FRAMES[0]!])[0]!.length / 3);
    // SOF0, luma component: sampling factors 2×2.
    const sof = Buffer.from(small).indexOf(Buffer.from([0xff, 0xc0]));
    expect(small[sof + 11]).toBe(0x22);
  });

  it('come when frames are larger than the first guess of their size', async () => {
    const noisy = fixture('same.png');
    const { images } = await pool(1, { ...OPTIONS, quality: 100 }).run(taskOf({ third: [noisy, noisy, noisy] }));
    const { data, offsets } = images.third!;
    expect(offsets[1]!).toBeGreaterThan(32 * 1024);
    expect(Buffer.from(data.subarray(offsets[2]!, offsets[3]!))).toEqual(Buffer.from(data.subarray(0, offsets[1]!)));
  });
});

describe('faults', () => {
  it('of a frame say where, and leave the worker usable', async () => {
    const one = pool(1);
    const cut = Buffer.concat([FRAMES[0]!.subarray(0, -40), FRAMES[0]!.subarray(-2)]);
    const bad = await failure(one.run(taskOf({ third: FRAMES, wrist: [FRAMES[0]!, cut] })));
    expect(bad).toBeInstanceOf(PrepError);
    expect(bad).toMatchObject({ code: 'bad-image', at: { camera: 'wrist', step: 1 } });
    expect((bad as PrepError).message).toMatch(/^bad-image \(camera wrist, step 1\): expected .*, found /);
    await expect(one.run(taskOf({ third: FRAMES }))).resolves.toBeDefined();
  });

  it('of a task outside its buffer are no fault of a picture', async () => {
    const one = pool(1);
    const task = taskOf({ third: [FRAMES[0]!] });
    const [part] = task.parts;
    const batch = { kind: 'pictures' as const, buffer: task.buffer, spans: [{ offset: 1e6, length: 5 }] };
    const beyond = { ...task, parts: [{ ...part!, batch }] };
    expect(await failure(one.run(beyond))).not.toBeInstanceOf(PrepError);
    expect(await failure(one.run(task))).toMatchObject({ name: 'DataCloneError' }); // its buffer is gone
    await expect(one.run(taskOf({ third: FRAMES }))).resolves.toBeDefined();
  });

  it('of the options are refused at once', () => {
    expect(() => openPixelPool({ workers: 0, ...OPTIONS })).toThrow(/bad-option \(field workers\)/);
  });

  it('that kill a worker cost its task only', async () => {
    const started: Worker[] = [];
    const post = Worker.prototype.postMessage;
    let swallow = false;
    vi.spyOn(Worker.prototype, 'postMessage').mockImplementation(function (this: Worker, ...args) {
      started.push(this);
      if (!swallow) post.apply(this, args);
      swallow = false;
    });
    const one = pool(1);
    await one.run(taskOf({ third: FRAMES }));
    // The worker dies while it holds the task but does nothing: dying in native code would take the test with it.
    swallow = true;
    const lost = one.run(taskOf({ third: FRAMES }));
    const waiting = one.run(taskOf({ third: FRAMES }));
    await started[0]!.terminate();
    expect(String(await failure(lost))).toMatch(/worker died \(exit code 1\)/);
    await expect(waiting).resolves.toBeDefined();
    expect(new Set(started).size).toBe(2);
  });
});

describe('close', () => {
  it('ends running and waiting tasks promptly', async () => {
    // Several rounds: a thread terminated inside native code aborts the process in about a third of the cases.
    for (let round = 0; round < 4; round++) {
      const two = pool(2);
      await Promise.all([two.run(taskOf({ third: FRAMES })), two.run(taskOf({ third: FRAMES }))]);
      const lengths = [2000, 2000, 1];
      const tasks = lengths.map((n) => two.run(taskOf({ third: Array.from({ length: n }, () => FRAMES[0]!) })));
      const failures = tasks.map(failure);
      await new Promise((resolve) => setTimeout(resolve, 20 + 7 * round));
      const start = performance.now();
      await two.close();
      for (const error of await Promise.all(failures)) expect(error).toMatchObject({ code: 'interrupted' });
      expect(performance.now() - start).toBeLessThan(1000);
      expect(await failure(two.run(taskOf({ third: FRAMES })))).toMatchObject({ code: 'interrupted' });
      await two.close();
    }
  });

  it('while the threads are starting is no different', async () => {
    for (const wait of [0, 30, 100]) {
      const two = pool(2);
      const tasks = [1, 2, 3].map(() => failure(two.run(taskOf({ third: FRAMES }))));
      await new Promise((resolve) => setTimeout(resolve, wait));
      await two.close();
      for (const task of tasks) expect(await task).toMatchObject({ code: 'interrupted' });
    }
  });
});

it('a process may end at any moment with its own exit code: no thread aborts it', async () => {
  const program = fileURLToPath(new URL('./busy-exit.ts', import.meta.url));
  // One after the other and several times: each alone would abort in about four of ten cases.
  for (const ms of [0, 5, 17, 29, 43]) {
    const ended = await new Promise((resolve) => {
      execFile(process.execPath, [program, `${ms}`], (error) => resolve([error?.code, error?.signal]));
    });
    expect(ended).toEqual([7, null]);
  }
});
