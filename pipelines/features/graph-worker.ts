/** The thread that runs the graphs: ONNX Runtime's binding computes synchronously, so a thread of its own leaves the others free. */
import { join } from 'node:path';
import { workerData } from 'node:worker_threads';
import type { InferenceSession, Tensor } from 'onnxruntime-node';
import type { Role } from '../../schemas/episode.ts';
import { PrepError } from '../../schemas/errors.ts';
import { type CodecName, FEATURE_TOKENS, type FeatureCodec, type StoredView } from '../../schemas/features.ts';
import { codecOf } from '../../transforms/features/codec.ts';
import { HALF_MAX } from '../../transforms/features/half.ts';
import { rowChecksum } from '../../transforms/features/row-checksum.ts';
import { openImageHash } from '../../transforms/image-hash.ts';
import type { GraphJob, GraphResult, GraphStart } from './graph-job.ts';
import { type GraphOutput, graphFile } from './model.ts';
import { serve } from './thread.ts';

type Found = Awaited<ReturnType<InferenceSession['run']>>;

/** Weights above this (bytes) are not packed again for faster products on the CPU: two copies would not fit everywhere. */
const PACKED_MOST = 2e9;

const start = workerData as GraphStart;
const shape = { taps: start.taps, tokens: FEATURE_TOKENS, hidden: start.hidden };
const ort = await import('onnxruntime-node');
const hash = await openImageHash();
const sessions = new Map<string, Promise<InferenceSession>>();

serve<GraphJob, GraphResult>(
  async (job) => {
    const output = outputFor(job.codec?.name ?? null);
    const session = await sessionOf(job.views, output);
    const found = await session.run(feedsOf(job, output));
    checkHealth(job, found.health!.data as Float32Array);
    const result: { -readonly [key in keyof GraphResult]: GraphResult[key] } = {
      views: {},
      raw: {},
      checksum: new BigInt64Array(0),
    };
    for (const role of job.views) {
      if (job.codec) result.views[role] = storedView(job.codec, output, { found, role });
      else result.raw[role] = (found[role]!.data as Float32Array).slice();
    }
    if (job.codec) result.checksum = checksums(job, result.views);
    for (const tensor of Object.values(found)) tensor.dispose();
    const arrays = [...Object.values(result.raw), ...Object.values(result.views).flatMap((one) => Object.values(one))];
    return { result, transfer: arrays.map(({ buffer }) => buffer as ArrayBuffer) };
  },
  async () => {
    for (const session of sessions.values()) await (await session).release();
  },
);

/** The graph that leaves least to do; without it the float32 one, whose numbers are then coded here. */
function outputFor(codec: CodecName | null): GraphOutput {
  return (codec === 'int8' || codec === 'f16') && start.outputs.includes(codec) ? codec : 'f32';
}

function sessionOf(views: readonly Role[], output: GraphOutput): Promise<InferenceSession> {
  const file = graphFile(views, output);
  let session = sessions.get(file);
  if (!session) {
    const extra = start.weights > PACKED_MOST ? { extra: { session: { disable_prepacking: '1' } } } : {};
    session = ort.InferenceSession.create(join(start.folder, file), {
      executionProviders: [
        start.provider === 'cpu' ? 'cpu' : ({ name: start.provider, deviceId: start.device } as never),
      ],
      graphOptimizationLevel: 'all',
      logSeverityLevel: 3,
      ...extra,
    }).catch((cause: unknown) => {
      throw noSession(file, cause);
    });
    sessions.set(file, session);
  }
  return session;
}

const noSession = (file: string, cause: unknown): PrepError =>
  new PrepError({
    code: 'provider',
    at: { file },
    expected: `a session of ONNX Runtime with the provider ${start.provider}`,
    found: String(cause instanceof Error ? cause.message : cause).slice(0, 500),
    cause,
  });

function feedsOf({ images, frames, views, codec }: GraphJob, output: GraphOutput): Record<string, Tensor> {
  const feeds: Record<string, Tensor> = {
    images: new ort.Tensor('uint8', images, [frames, views.length, 256, 256, 3]),
  };
  if (output === 'int8' && codec?.name === 'int8') {
    const channels = BigInt64Array.from(codec.outliers.flat(), BigInt);
    feeds.outliers = new ort.Tensor('int64', channels, [start.taps, channels.length / start.taps]);
  }
  return feeds;
}

function storedView(
  codec: FeatureCodec,
  output: GraphOutput,
  { found, role }: { readonly found: Found; readonly role: Role },
): StoredView {
  // Copies: the memory of a result is ONNX Runtime's and cannot be moved to another thread.
  const bits = (name: string): Uint16Array => {
    const { buffer, byteOffset, byteLength } = found[name]!.data as Uint16Array;
    return new Uint16Array(buffer, byteOffset, byteLength / 2).slice();
  };
  if (output === 'int8') {
    const values = (found[role]!.data as Int8Array).slice();
    return { values, scale: bits(`${role}_scale`), side: bits(`${role}_side`) };
  }
  if (output === 'f16') return { values: bits(role) };
  const { unfit, ...stored } = codecOf(codec, shape).encode(found[role]!.data as Float32Array);
  if (unfit > 0) throw new Error(`${unfit} numbers do not fit ${codec.name}, though their magnitudes do`);
  return stored;
}

/** @throws PrepError `not-finite`, `bad-codec`; `record` is the frame's number in the job */
function checkHealth({ frames, views, codec }: GraphJob, health: Float32Array): void {
  const perFrame = views.length * start.taps;
  if (health.length !== 2 * frames * perFrame) throw new Error(`health has ${health.length} numbers`);
  for (let i = 0; i < frames * perFrame; i++) {
    const [largest, nothing] = [health[2 * i]!, health[2 * i + 1]!];
    const place = () => ({
      record: Math.floor(i / perFrame),
      camera: views[Math.floor(i / start.taps) % views.length]!,
      field: `tap number ${i % start.taps}`,
    });
    if (nothing !== 0 || !Number.isFinite(largest))
      throw new PrepError({ code: 'not-finite', at: place(), expected: 'finite features', found: 'NaN or infinity' });
    if ((codec?.name === 'f16' || codec?.name === 'int8') && largest > HALF_MAX)
      throw new PrepError({
        code: 'bad-codec',
        at: place(),
        expected: `magnitudes up to ${HALF_MAX}, which float16 holds`,
        found: String(largest),
        remedy: '--codec bf16 holds them',
      });
  }
}

function checksums({ frames, views }: GraphJob, stored: Partial<Record<Role, StoredView>>): BigInt64Array {
  const parts = views.map((role) => stored[role]!);
  return BigInt64Array.from({ length: frames }, (_, row) => rowChecksum(parts, { row, rows: frames, hash }));
}
