/** Frames that an HDF5 dataset holds: uncompressed, or one encoded picture per row in any of the ways that recorders write them. */
import { PrepError } from '../../../schemas/errors.ts';
import {
  BATCH_BYTES,
  type FrameBatch,
  type FrameStream,
  frameCount,
  type PictureBatch,
  type RawBatch,
  type SourcePictures,
} from '../../../schemas/frames.ts';
import { pickOfBatch } from '../../../schemas/pick-frames.ts';
import type { Hdf5Group } from '../../../schemas/records.ts';
import { imageFacts } from '../image-header.ts';
import { type CheckedDataset, guarded } from './group.ts';
import { OPAQUE, STRING, VLEN } from './values.ts';

type Options = NonNullable<Parameters<Hdf5Group['images']>[1]>;

/** Bytes of rows that are read together because they are stored together. */
const MAX_SLICE = 2 ** 28;
const MAX_FRAME = 2 ** 28;
const ENCODED_ROWS = 64;

export function imagesOf(checked: CheckedDataset, options: Options = {}): SourcePictures {
  const shape = checked.metadata.shape ?? [];
  const bytes = checked.metadata.type === 0 && checked.metadata.size === 1 && !checked.metadata.signed;
  if (shape.length === 4 && bytes) return rawFrames(checked, shape);
  if (shape.length === 3 && bytes) return rawFrames(checked, [...shape, 1]);
  if (shape.length === 2 && bytes) return encodedRows(checked, options);
  const { type } = checked.metadata;
  if (shape.length === 1 && (type === STRING || type === OPAQUE || type === VLEN)) return encodedRows(checked, options);
  throw fault(checked, 'uint8 frames, or one encoded picture per row', `shape [${shape.join(' × ')}]`);
}

const fault = ({ handle, path }: CheckedDataset, expected: string, found: string): PrepError =>
  new PrepError({ code: 'field-shape', at: { file: handle.file, field: path }, expected, found });

function rawFrames(checked: CheckedDataset, [count, a, b, c]: readonly number[]): SourcePictures {
  const last = c === 3 || c === 1;
  const planes = !last && (a === 3 || a === 1);
  if (!last && !planes) throw fault(checked, 'frames of 1 or 3 channels', `[${[count, a, b, c].join(' × ')}]`);
  const [height, width, channels] = (last ? [a, b, c] : [b, c, a]) as [number, number, 1 | 3];
  const frame = height * width * channels;
  if (frame > MAX_FRAME || frame === 0)
    throw fault(checked, `frames of 1 to ${MAX_FRAME} bytes`, `[${[count, a, b, c].join(' × ')}]`);
  const layout = last ? 'hwc' : 'chw';
  const batches = async function* ([from, to]: RowRange): AsyncGenerator<RawBatch> {
    const buffer = rowsOf(checked, from, to);
    // What is stored together is read together, and handed on in parts of the usual size.
    const most = Math.max(1, Math.floor(BATCH_BYTES / frame));
    for (let at = 0; at < to - from; at += most) {
      const frames = Math.min(most, to - from - at);
      const part = frames === to - from ? buffer : buffer.slice(at * frame, (at + frames) * frame);
      yield { kind: 'raw', buffer: part, offset: 0, count: frames, width, height, channels, layout };
    }
  };
  return {
    width,
    height,
    frames: rowStream(count!, () => slices(checked, count!, frame), batches),
    field: checked.path,
  };
}

type RowRange = readonly [from: number, to: number];

/** Frames of consecutive row ranges; a range without a wanted frame is not read. */
function rowStream(
  count: number,
  ranges: () => Iterable<RowRange>,
  read: (range: RowRange) => AsyncIterable<FrameBatch>,
): FrameStream {
  return {
    kind: 'stream',
    count,
    async *batches() {
      for (const range of ranges()) yield* read(range);
    },
    pick: (frames) => ({ kind: 'stream', count: frames.length, batches: () => picked(ranges(), read, frames) }),
  };
}

async function* picked(
  ranges: Iterable<RowRange>,
  read: (range: RowRange) => AsyncIterable<FrameBatch>,
  frames: readonly number[],
): AsyncGenerator<FrameBatch> {
  for (const [start, end] of ranges) {
    let from = start;
    if (frames.some((frame) => frame >= start && frame < end))
      for await (const batch of read([start, end])) {
        const to = from + frameCount(batch);
        const keep = frames.filter((frame) => frame >= from && frame < to).map((frame) => frame - from);
        if (keep.length > 0) yield pickOfBatch(batch, keep);
        from = to;
      }
  }
}

/** Row ranges that never cut a stored chunk, so that none is decompressed twice. */
function* slices(checked: CheckedDataset, count: number, rowBytes: number): Generator<[number, number]> {
  const chunk = checked.metadata.chunks?.[0] ?? 1;
  if (chunk * rowBytes > MAX_SLICE)
    throw fault(checked, `chunks of at most ${MAX_SLICE} bytes`, `${chunk} × ${rowBytes}`);
  const rows = chunk * Math.max(1, Math.floor(BATCH_BYTES / (chunk * rowBytes)));
  for (let from = 0; from < count; from += rows) yield [from, Math.min(from + rows, count)];
}

/** Bytes of the rows [from, to) as they are stored, without a look at what they mean. */
export function rowsOf({ handle, path, metadata }: CheckedDataset, from: number, to: number): ArrayBuffer {
  const { module } = handle.library;
  const shape = metadata.shape!;
  const count = shape.map((length, i) => BigInt(i === 0 ? to - from : length));
  const bytes = metadata.size * Number(count.reduce((product, length) => product * length, 1n));
  if (bytes > MAX_SLICE)
    throw new PrepError({
      code: 'field-shape',
      at: { file: handle.file, field: path },
      expected: `at most ${MAX_SLICE} bytes that are read together`,
      found: `${bytes} of shape [${shape.join(' × ')}]`,
    });
  return guarded(handle, path, () => {
    const pointer = module._malloc(bytes);
    if (pointer === 0) throw new Error(`no memory for ${bytes} bytes`);
    try {
      const offset = shape.map((_, i) => BigInt(i === 0 ? from : 0));
      const status = module.get_dataset_data(
        handle.id,
        path,
        count,
        offset,
        shape.map(() => 1n),
        BigInt(pointer),
      );
      if (status < 0) throw new Error(`reading rows ${from} to ${to} failed (${status})`);
      return module.HEAPU8.slice(Number(pointer), Number(pointer) + bytes).buffer as ArrayBuffer;
    } finally {
      module._free(pointer);
    }
  });
}

function encodedRows(checked: CheckedDataset, { raw, lengths }: Options): SourcePictures {
  const count = checked.metadata.shape![0]!;
  const size = raw ? raw.width * raw.height * 3 : 0;
  const read = (from: number, to: number): Uint8Array[] =>
    checked.metadata.type === VLEN ? listsOf(checked, from, to) : paddedOf(checked, { from, to, lengths, raw: size });
  const first = count > 0 ? read(0, 1)[0]! : new Uint8Array(0);
  const { codec, width, height } = imageFacts(first);
  if (codec === 'unknown' && raw && (first.length === size || count === 0))
    return rawRows(checked, { count, raw, read });
  if (count > 0 && (codec === 'unknown' || width === 0))
    throw new PrepError({
      code: 'bad-image',
      at: { file: checked.handle.file, step: 0, field: checked.path },
      expected: raw ? `a JPEG, a PNG or ${size} bytes of ${raw.width}x${raw.height}` : 'a JPEG or a PNG',
      found: `${first.length} other bytes`,
    });
  const batches = async function* ([from, to]: RowRange): AsyncGenerator<PictureBatch> {
    yield packed(read(from, to));
  };
  // Of lists only their places are stored together.
  const ranges = (): RowRange[] =>
    checked.metadata.type === VLEN ? everyRows(count, ENCODED_ROWS) : [...slices(checked, count, rowBytes(checked))];
  return {
    width,
    height,
    frames: rowStream(count, ranges, batches),
    field: checked.path,
  };
}

const rowBytes = ({ metadata }: CheckedDataset): number =>
  metadata.shape!.slice(1).reduce((product, length) => product * length, metadata.size);

function rawRows(
  checked: CheckedDataset,
  {
    count,
    raw,
    read,
  }: { count: number; raw: NonNullable<Options['raw']>; read(from: number, to: number): Uint8Array[] },
): SourcePictures {
  const size = raw.width * raw.height * 3;
  const most = Math.max(1, Math.floor(BATCH_BYTES / size));
  const batches = async function* ([from, to]: RowRange): AsyncGenerator<FrameBatch> {
    const rows = read(from, to);
    const odd = rows.findIndex((row) => row.length !== size);
    if (odd >= 0) throw fault(checked, `${size} bytes in every row`, `${rows[odd]!.length} in row ${from + odd}`);
    const { buffer } = packed(rows);
    yield { kind: 'raw', buffer, offset: 0, count: rows.length, ...raw, channels: 3, layout: 'hwc' };
  };
  return { ...raw, frames: rowStream(count, () => everyRows(count, most), batches), field: checked.path };
}

const everyRows = (count: number, rows: number): RowRange[] =>
  Array.from({ length: Math.ceil(count / rows) }, (_, i) => [i * rows, Math.min((i + 1) * rows, count)]);

function listsOf({ handle, path, dataset }: CheckedDataset, from: number, to: number): Uint8Array[] {
  const rows = guarded(handle, path, () => dataset.slice([[from, to]])) as unknown;
  if (Array.isArray(rows))
    return rows.map((row) => (row instanceof Uint8Array ? row : Uint8Array.from(row as ArrayLike<number>)));
  throw new PrepError({
    code: 'bad-value',
    at: { file: handle.file, field: path },
    expected: 'lists of bytes',
    found: typeof rows,
  });
}

/** Rows of one length, filled up with zeros behind the picture; an encoded picture never ends with one, a raw buffer may. */
function paddedOf(
  checked: CheckedDataset,
  { from, to, lengths, raw }: { from: number; to: number; lengths: ArrayLike<number> | undefined; raw: number },
): Uint8Array[] {
  const bytes = new Uint8Array(rowsOf(checked, from, to));
  const width = bytes.length / (to - from);
  return Array.from({ length: to - from }, (_, i) => {
    const row = bytes.subarray(i * width, (i + 1) * width);
    const told = lengths?.[from + i];
    if (told !== undefined && told > 0 && told <= width) return row.subarray(0, told);
    if (width === raw && imageFacts(row).codec === 'unknown') return row;
    let end = width;
    while (end > 0 && row[end - 1] === 0) end--;
    return row.subarray(0, end);
  });
}

function packed(rows: readonly Uint8Array[]): PictureBatch {
  const out = new Uint8Array(rows.reduce((sum, row) => sum + row.length, 0));
  let at = 0;
  const spans = rows.map((row) => {
    out.set(row, at);
    at += row.length;
    return { offset: at - row.length, length: row.length };
  });
  return { kind: 'pictures', buffer: out.buffer, spans };
}
