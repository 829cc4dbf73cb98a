/** A labelled episode's frames as tasks for the pixel workers, and their results as columns of its rows. */
import type { JpegColumn, Role, StepColumns } from '../schemas/episode.ts';
import { type Place, PrepError } from '../schemas/errors.ts';
import { type EncodedFrame, type FrameStream, frameCount, type Span } from '../schemas/frames.ts';
import { pickFrames } from '../schemas/pick-frames.ts';
import type { TableShape } from '../schemas/row.ts';
import type { SourceCamera } from '../schemas/source.ts';
import { selectSteps } from '../transforms/select-steps.ts';
import type { Labelled } from './episode.ts';
import type { PixelPart, PixelPool, PixelResult, PixelTask } from './pixel-pool.ts';

/** Batches of one episode that are read or coded at the same time: bounds its memory. */
const OUTSTANDING = 2;

/**
 * Every frame of every role, coded; with `steps` only these (ascending). Frames in memory go to one worker as they lie; streams are read batch by batch, and
 * each batch may go to another worker.
 * @throws PrepError of a frame that cannot be read or decoded; the place names source camera and step
 */
export async function codeEpisode(
  labelled: Labelled,
  { shape, steps }: { readonly shape: TableShape; readonly steps: Int32Array | undefined },
  pool: PixelPool,
): Promise<PixelResult> {
  try {
    return await codeCast(castOf(labelled, shape, steps), pool);
  } catch (error) {
    if (!steps || !(error instanceof PrepError) || error.at.step === undefined) throw error;
    throw new PrepError({ ...error.fault, at: { ...error.at, step: steps[error.at.step] ?? error.at.step } });
  }
}

function castOf(labelled: Labelled, shape: TableShape, steps: Int32Array | undefined): Cast[] {
  return shape.roles.flatMap((role): Cast[] => {
    const camera = labelled.episode.cameras.find(({ name }) => name === labelled.cast.roles[role]?.name);
    if (!camera) return [];
    return [{ role, camera: steps ? { ...camera, frames: pickFrames(camera.frames, steps) } : camera }];
  });
}

async function codeCast(cast: readonly Cast[], pool: PixelPool): Promise<PixelResult> {
  const stored = cast.filter(({ camera }) => camera.frames.kind === 'memory');
  const result: { -readonly [key in keyof PixelResult]: PixelResult[key] } =
    stored.length > 0 ? await named(stored, 0, pool.run(memoryTask(stored))) : { images: {}, hashes: {} };
  for (const { role, camera } of cast) {
    if (camera.frames.kind !== 'stream') continue;
    const parts = await codeStream({ role, camera }, camera.frames, pool);
    result.images[role] = joined(parts.map(({ images }) => images[role]!));
    result.hashes[role] = joinedArrays<BigInt64Array>(
      parts.map(({ hashes }) => hashes[role]!),
      BigInt64Array,
    );
    const canvases = parts.flatMap((part) => part.canvases?.[role] ?? []);
    if (canvases.length > 0)
      result.canvases = { ...result.canvases, [role]: joinedArrays<Uint8Array>(canvases, Uint8Array) };
  }
  return result;
}

interface Cast {
  readonly role: Role;
  readonly camera: SourceCamera;
}

async function codeStream(cast: Cast, frames: FrameStream, pool: PixelPool): Promise<PixelResult[]> {
  const { role, camera } = cast;
  const { appearance = {}, width, height } = camera;
  const done: PixelResult[] = [];
  const running: Promise<PixelResult>[] = [];
  let count = 0;
  try {
    for await (const batch of placed(frames.batches(), () => ({ camera: camera.name, step: count }))) {
      const job = named(
        [cast],
        count,
        pool.run({ buffer: batch.buffer, parts: [{ role, batch, appearance, width, height }] }),
      );
      // A rejection is delivered in order below; without this Node would call it unhandled while it waits its turn.
      job.catch(() => undefined);
      running.push(job);
      count += frameCount(batch);
      if (running.length >= OUTSTANDING) done.push(await running.shift()!);
    }
    for (const job of running.splice(0)) done.push(await job);
  } catch (error) {
    await Promise.allSettled(running);
    throw error;
  }
  if (count === frames.count) return done;
  throw new PrepError({
    code: 'field-shape',
    at: { camera: camera.name },
    expected: `${frames.count} frames`,
    found: `${count}`,
  });
}

/** Batches as they come; a fault in reading one is at the step that it would begin with. */
async function* placed<Batch>(batches: AsyncIterable<Batch>, here: () => Place): AsyncGenerator<Batch> {
  try {
    yield* batches;
  } catch (error) {
    throw error instanceof PrepError ? error.within(here()) : error;
  }
}

/** The workers know roles and steps of their batch; messages name source cameras and steps of the episode. */
async function named(cast: readonly Cast[], first: number, result: Promise<PixelResult>): Promise<PixelResult> {
  try {
    return await result;
  } catch (error) {
    if (!(error instanceof PrepError)) throw error;
    const { camera: role, step, ...at } = error.at;
    const camera = cast.find((one) => one.role === role)?.camera;
    const field = at.field ?? camera?.field;
    throw new PrepError({
      ...error.fault,
      at: {
        ...at,
        ...(camera ? { camera: camera.name } : {}),
        ...(step === undefined ? {} : { step: first + step }),
        ...(field === undefined ? {} : { field }),
      },
    });
  }
}

/** Hands the record's own buffer over where all frames lie in it, so that nothing is copied; after that it is gone here. */
function memoryTask(cast: readonly Cast[]): PixelTask {
  const roles = cast.map(({ role, camera }) => ({ role, camera, frames: inMemory(camera) }));
  const shared = roles[0]?.frames[0]?.buffer;
  const part = ({ role, camera }: Cast, buffer: ArrayBuffer, spans: Span[]): PixelPart => {
    const batch = { kind: 'pictures', buffer, spans } as const;
    // Their headers were compared with the declared size before.
    return { role, batch, appearance: camera.appearance ?? {}, width: 0, height: 0 };
  };
  if (shared instanceof ArrayBuffer && roles.every(({ frames }) => frames.every((frame) => frame.buffer === shared)))
    return { buffer: shared, parts: roles.map((one) => part(one, shared, one.frames.map(span))) };
  const { buffer, spans } = packed(roles.map(({ frames }) => frames));
  return { buffer, parts: roles.map((one, i) => part(one, buffer, spans[i]!)) };
}

const inMemory = ({ frames }: SourceCamera): readonly EncodedFrame[] => (frames.kind === 'memory' ? frames.frames : []);
const span = (frame: EncodedFrame): Span => ({ offset: frame.byteOffset, length: frame.byteLength });

function packed(roles: readonly (readonly EncodedFrame[])[]): { buffer: ArrayBuffer; spans: Span[][] } {
  const total = roles.flat().reduce((sum, frame) => sum + frame.byteLength, 0);
  const out = new Uint8Array(total);
  let offset = 0;
  const put = (frame: EncodedFrame): Span => {
    out.set(frame, offset);
    offset += frame.byteLength;
    return { offset: offset - frame.byteLength, length: frame.byteLength };
  };
  return { buffer: out.buffer, spans: roles.map((frames) => frames.map(put)) };
}

function joined(columns: readonly JpegColumn[]): JpegColumn {
  if (columns.length === 1) return columns[0]!;
  const frames = columns.reduce((sum, { offsets }) => sum + offsets.length - 1, 0);
  const data = new Uint8Array(columns.reduce((sum, column) => sum + column.data.length, 0));
  const offsets = new Int32Array(frames + 1);
  let [frame, start] = [0, 0];
  for (const column of columns) {
    data.set(column.data, start);
    for (const end of column.offsets.subarray(1)) offsets[++frame] = start + end;
    start += column.data.length;
  }
  return { data, offsets };
}

function joinedArrays<T extends Uint8Array | BigInt64Array>(parts: readonly T[], kind: new (length: number) => T): T {
  const out = new kind(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    (out as Uint8Array).set(part as Uint8Array, at);
    at += part.length;
  }
  return out;
}

/**
 * The step rows: labels that were made before, pictures that the workers made. A role the episode lacks is zero bytes.
 * @param drawn steps that become rows (ascending), of which alone there are pictures; undefined: all
 */
export function stepColumns(
  labelled: Labelled,
  pixels: PixelResult,
  { shape, steps: drawn }: { readonly shape: TableShape; readonly steps?: Int32Array | undefined },
): StepColumns {
  const { episode, cast, track } = labelled;
  const step = drawn && drawn.length < episode.steps ? drawn : undefined;
  const steps = step?.length ?? episode.steps;
  const labels = { instruction: instructionPerStep(episode), time: track.time, ...labelled.columns };
  const hash = new BigInt64Array(steps * shape.roles.length);
  const images: Partial<Record<(typeof shape.roles)[number], JpegColumn>> = {};
  for (const [slot, role] of shape.roles.entries()) {
    images[role] = pixels.images[role] ?? { data: new Uint8Array(0), offsets: new Int32Array(steps + 1) };
    const hashes = pixels.hashes[role];
    if (hashes) for (let step = 0; step < steps; step++) hash[step * shape.roles.length + slot] = hashes[step]!;
  }
  return {
    steps,
    robot: episode.robot,
    third: cast.roles.third?.name ?? '',
    images,
    imageHash: hash,
    ...(step ? { step, ...selectSteps(labels, step, episode.steps) } : labels),
  };
}

/** The text of the segment that holds the step where the source has segments, else the first instruction, else ''. */
function instructionPerStep({ steps, segments, instructions }: Labelled['episode']): string[] {
  return Array.from({ length: steps }, (_, step) => {
    if (segments.length === 0) return instructions[0] ?? '';
    return segments.find(({ start, end }) => step >= start && step < end)?.text ?? instructions[0] ?? '';
  });
}
