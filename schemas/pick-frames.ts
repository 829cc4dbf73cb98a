/** Some frames of a camera: of a stream by what it can leave unread, else by dropping what was read. */
import { type FrameBatch, type FrameStream, type Frames, frameCount } from './frames.ts';

/** Frames by index, ascending and each once; in the order given. */
export function pickFrames(frames: Frames, wanted: ArrayLike<number>): Frames {
  const list = Array.from(wanted);
  if (frames.kind === 'memory') return { kind: 'memory', frames: list.map((index) => frames.frames[index]!) };
  if (list.length === frames.count) return frames;
  return frames.pick?.(list) ?? { kind: 'stream', count: list.length, batches: () => picked(frames, list) };
}

async function* picked(frames: FrameStream, wanted: readonly number[]): AsyncGenerator<FrameBatch> {
  let [from, next] = [0, 0];
  for await (const batch of frames.batches()) {
    const to = from + frameCount(batch);
    const first = next;
    while (next < wanted.length && wanted[next]! < to) next++;
    const keep = wanted.slice(first, next).map((index) => index - from);
    if (keep.length > 0) yield pickOfBatch(batch, keep);
    if (next === wanted.length) return;
    from = to;
  }
}

/** @param keep indices within the batch, ascending */
export function pickOfBatch(batch: FrameBatch, keep: readonly number[]): FrameBatch {
  if (keep.length === frameCount(batch)) return batch;
  if (batch.kind === 'pictures') return { ...batch, spans: keep.map((index) => batch.spans[index]!) };
  if (batch.kind === 'video') return { ...batch, wanted: keep.map((index) => batch.wanted[index]!) };
  const size = batch.width * batch.height * batch.channels;
  const out = new Uint8Array(keep.length * size);
  for (const [i, index] of keep.entries())
    out.set(new Uint8Array(batch.buffer, batch.offset + index * size, size), i * size);
  return { ...batch, buffer: out.buffer, offset: 0, count: keep.length };
}
