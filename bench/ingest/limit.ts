/**
 * The physical limit of ingest: decode → scale → encode in a bare loop on one thread; no rows, no hashes, no reading.
 *   node bench/ingest/limit.ts FOLDER [--frames 5000] [--fit letterbox] [--quality 95] [--subsampling 4:4:4]
 * FOLDER holds .jpg and .png files, or TFRecord shards of tf.Example. Up to 2000 of their frames are kept in memory and
 * repeated until `--frames` are done. Prints one JSON line; CPU seconds are of the whole process (user + system).
 */
import { parseArgs } from 'node:util';
import { type ByteFile, type ByteRoot, openRoot } from '../../sources/bytes.ts';
import { parseExample } from '../../sources/formats/tf-example.ts';
import { readRecords } from '../../sources/formats/tfrecord.ts';
import { type FrameCoderOptions, openFrameCoder } from '../../transforms/frames.ts';
import { sniffImage } from '../../transforms/jpeg-header.ts';
import type { Fit } from '../../transforms/letterbox.ts';

/** Enough to leave the caches as an episode does, about 40 MB of 320×180 JPEGs. */
const KEPT = 2000;
/** The compiler of the runtime settles within this many frames. */
const WARM_UP = 300;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    frames: { type: 'string', default: '5000' },
    fit: { type: 'string', default: 'letterbox' },
    quality: { type: 'string', default: '95' },
    subsampling: { type: 'string', default: '4:4:4' },
  },
});

async function* filesOf(root: ByteRoot): AsyncGenerator<Uint8Array> {
  for (const { name, size } of await root.list()) {
    if (!/\.(jpe?g|png)$/i.test(name) && !name.includes('.tfrecord')) continue;
    const file = await root.open(name);
    try {
      if (name.includes('.tfrecord')) yield* picturesOf(file);
      else yield await file.read(0, size);
    } finally {
      await file.close();
    }
  }
}

async function* picturesOf(file: ByteFile): AsyncGenerator<Uint8Array> {
  for await (const read of readRecords(file)) {
    if (read.kind === 'damaged') throw read.error;
    for (const feature of parseExample(read.data).values()) if (feature.kind === 'bytes') yield* feature.values;
  }
}

async function framesOf(path: string): Promise<Uint8Array[]> {
  const frames: Uint8Array[] = [];
  for await (const bytes of filesOf(await openRoot(path))) {
    if (sniffImage(bytes)) frames.push(bytes);
    if (frames.length === KEPT) break;
  }
  if (frames.length === 0) throw new Error(`${path} holds no JPEG, PNG or TFRecord with pictures`);
  return frames;
}

/** CPU seconds per 1000 frames. */
function cost(frames: readonly Uint8Array[], count: number, code: (frame: Uint8Array) => unknown): number {
  for (let i = 0; i < WARM_UP; i++) code(frames[i % frames.length]!);
  const start = process.cpuUsage();
  for (let i = 0; i < count; i++) code(frames[i % frames.length]!);
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1e3 / count;
}

const [folder] = positionals;
if (folder === undefined) throw new Error('usage: node bench/ingest/limit.ts FOLDER [--frames N]');
const frames = await framesOf(folder);
const count = Number(values.frames);
const options: FrameCoderOptions = {
  fit: { mode: values.fit as Fit['mode'], size: 256 },
  quality: Number(values.quality),
  subsampling: values.subsampling as FrameCoderOptions['subsampling'],
};
const coder = openFrameCoder(options);
const round = (seconds: number): number => Math.round(seconds * 1000) / 1000;
const bytes = (of: readonly Uint8Array[]): number =>
  Math.round(of.reduce((sum, { length }) => sum + length, 0) / of.length);
const sizes = frames
  .map((frame) => sniffImage(frame)!)
  .map(({ codec, width, height }) => `${codec} ${width}x${height}`);
const report = {
  frames: count,
  distinct: frames.length,
  sources: [...new Set(sizes)],
  source_bytes: bytes(frames),
  jpeg_bytes: bytes(frames.slice(0, WARM_UP).map((frame) => coder.encode(frame).slice())),
  decode_scale_cpu_s_per_1000: round(cost(frames, count, coder.rgb)),
  cpu_s_per_1000: round(cost(frames, count, coder.encode)),
  rss_mb: Math.round(process.memoryUsage.rss() / 1e6),
  ...options,
};
coder.close();
process.stdout.write(`${JSON.stringify(report)}\n`);
