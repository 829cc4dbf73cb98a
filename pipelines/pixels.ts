/** A labelled episode's frames as one task for the pixel workers, and their result as columns of its rows. */
import type { JpegColumn, StepColumns } from '../schemas/episode.ts';
import type { EncodedFrame } from '../schemas/frames.ts';
import type { TableShape } from '../schemas/row.ts';
import type { Labelled } from './episode.ts';
import type { PixelResult, PixelTask } from './pixel-pool.ts';

/** Hands the record's own buffer over where all frames lie in it, so that nothing is copied; after that it is gone here. */
export function pixelTask({ cast, episode }: Labelled, shape: TableShape): PixelTask {
  const roles = shape.roles.flatMap((role) => {
    const camera = episode.cameras.find(({ name }) => name === cast.roles[role]?.name);
    return camera?.frames.kind === 'memory' ? [{ role, frames: camera.frames.frames }] : [];
  });
  const first = roles[0]?.frames[0];
  const shared = first?.buffer;
  if (shared instanceof ArrayBuffer && roles.every(({ frames }) => frames.every((frame) => frame.buffer === shared)))
    return { buffer: shared, roles: roles.map(({ role, frames }) => ({ role, frames: frames.map(view) })) };
  return packed(roles);
}

const view = (frame: EncodedFrame) => ({ offset: frame.byteOffset, length: frame.byteLength });

function packed(
  roles: readonly { role: PixelTask['roles'][number]['role']; frames: readonly EncodedFrame[] }[],
): PixelTask {
  const total = roles.reduce((sum, { frames }) => sum + frames.reduce((s, frame) => s + frame.byteLength, 0), 0);
  const out = new Uint8Array(total);
  let offset = 0;
  const put = (frame: EncodedFrame): { offset: number; length: number } => {
    out.set(frame, offset);
    offset += frame.byteLength;
    return { offset: offset - frame.byteLength, length: frame.byteLength };
  };
  return { buffer: out.buffer, roles: roles.map(({ role, frames }) => ({ role, frames: frames.map(put) })) };
}

/** The step rows: labels that were made before, pictures that the workers made. A role the episode lacks is zero bytes. */
export function stepColumns(labelled: Labelled, pixels: PixelResult, shape: TableShape): StepColumns {
  const { episode, cast, columns, track } = labelled;
  const { steps } = episode;
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
    instruction: instructionPerStep(episode),
    time: track.time,
    images,
    imageHash: hash,
    ...columns,
  };
}

/** The text of the segment that holds the step where the source has segments, else the first instruction, else ''. */
function instructionPerStep({ steps, segments, instructions }: Labelled['episode']): string[] {
  return Array.from({ length: steps }, (_, step) => {
    if (segments.length === 0) return instructions[0] ?? '';
    return segments.find(({ start, end }) => step >= start && step < end)?.text ?? instructions[0] ?? '';
  });
}
