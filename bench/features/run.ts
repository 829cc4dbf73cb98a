/**
 * What `prep features run` costs beside the model: pictures read and decoded, features taken over, checked, written and read back.
 * A model of the 2B model's shapes that computes nothing stands in; the limits are the bare decoder, and writing the same bytes to a file.
 *
 *   node bench/features/run.ts --store <of bench/read/make_store.py> --model <of null_model.py> [--frames 1024] [--codec int8]
 */
import { execFileSync } from 'node:child_process';
import { closeSync, fsyncSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { fingerprintOf } from '../../pipelines/features/model.ts';
import { openPlanRows } from '../../pipelines/mixed/plan-rows.ts';
import { connectStore } from '../../sinks/store.ts';
import { openFrameCoder } from '../../transforms/frames.ts';

const PLAN = 'be9c00000001';
const { values } = parseArgs({
  options: {
    store: { type: 'string' },
    model: { type: 'string' },
    frames: { type: 'string', default: '1024' },
    codec: { type: 'string', default: 'int8' },
    plan: { type: 'string', default: PLAN },
  },
});
const [store, model, frames] = [values.store!, values.model!, Number(values.frames)];

function complete(): void {
  const file = join(model, 'model.json');
  const document = JSON.parse(readFileSync(file, 'utf8'));
  writeFileSync(file, JSON.stringify({ ...document, fingerprint: fingerprintOf(document) }));
}

interface Measured {
  readonly seconds: number;
  readonly cpu: number;
}

async function measured(work: () => Promise<void> | void): Promise<Measured> {
  const [started, cpu] = [performance.now(), process.cpuUsage()];
  await work();
  const used = process.cpuUsage(cpu);
  return { seconds: (performance.now() - started) / 1000, cpu: (used.user + used.system) / 1e6 };
}

/** The same pictures by the bare decoder, one thread. */
async function decodeAlone(): Promise<Measured> {
  const opened = await connectStore(store);
  const rows = await openPlanRows(opened, values.plan!);
  const { images } = await rows.pictures(
    Array.from({ length: frames }, (_, i) => i),
    { images: true },
  );
  const coder = openFrameCoder({ fit: { mode: 'letterbox', size: 256 }, quality: 95, subsampling: '4:4:4' });
  const jpegs = [...(images.third ?? []), ...(images.wrist ?? [])];
  const result = await measured(() => {
    for (const jpeg of jpegs) coder.rgb(jpeg);
  });
  coder.close();
  rows.close();
  opened.connection.close();
  return result;
}

/** As many bytes, written and synced to one file beside the store. */
function writeAlone(bytes: number): Promise<Measured> {
  const file = join(store, 'bench.tmp');
  const chunk = Buffer.alloc(2 ** 24, 7);
  return measured(() => {
    const handle = openSync(file, 'w');
    for (let done = 0; done < bytes; done += chunk.length) writeSync(handle, chunk);
    fsyncSync(handle);
    closeSync(handle);
  }).finally(() => rmSync(file));
}

/** The command itself, in a process of its own: CPU of all its threads. */
function pipeline() {
  const words = [
    'features',
    'run',
    store,
    '--plan',
    values.plan!,
    '--model',
    model,
    '--codec',
    values.codec!,
    '--name',
    `bench-${values.codec}`,
  ];
  const more = [
    '--part-draws',
    String(frames),
    '--range',
    `0:${frames}`,
    '--batch',
    '64',
    '--sample',
    '8',
    '--accept-bytes',
    '1TB',
    '--json',
  ];
  const timed = ['-f', '%U %S %M', '-o', join(store, 'time.txt'), process.execPath, 'bin/prep.js'];
  const report = JSON.parse(
    execFileSync('/usr/bin/time', [...timed, ...words, ...more], { encoding: 'utf8', maxBuffer: 1 << 24 }),
  );
  const [user, system, kilobytes] = readFileSync(join(store, 'time.txt'), 'utf8').trim().split(' ').map(Number) as [
    number,
    number,
    number,
  ];
  return {
    seconds: report.seconds as number,
    cpu: user + system,
    bytes: report.bytes as number,
    peakMB: kilobytes / 1000,
    computed: report.computed as number,
  };
}

complete();
const whole = pipeline();
const [decode, write] = [await decodeAlone(), await writeAlone(whole.bytes)];
const per1000 = (one: number): number => Math.round((1e6 * one) / whole.computed) / 1000;
process.stdout.write(
  `${JSON.stringify(
    {
      codec: values.codec,
      frames: whole.computed,
      megabytesPerFrame: whole.bytes / whole.computed / 1e6,
      peakMB: whole.peakMB,
      secondsPer1000: {
        pipeline: per1000(whole.seconds),
        decode: per1000(decode.seconds),
        write: per1000(write.seconds),
      },
      cpuPer1000: { pipeline: per1000(whole.cpu), decode: per1000(decode.cpu), write: per1000(write.cpu) },
      framesPerSecond: whole.computed / whole.seconds,
    },
    null,
    1,
  )}\n`,
);
