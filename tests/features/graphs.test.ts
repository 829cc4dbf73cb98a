/** The exported graphs in ONNX Runtime, as the pipeline runs them, against hidden states that transformers gave. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type Graphs, openGraphs } from '../../pipelines/features/graphs.ts';
import { readModel } from '../../pipelines/features/model.ts';
import type { Role } from '../../schemas/episode.ts';
import type { FeatureCodec } from '../../schemas/features.ts';
import { codecOf } from '../../transforms/features/codec.ts';
import { freshFolder } from '../e2e/demo-set.ts';
import { CPU, MODEL, MODEL_BLOCK_INPUT, maxRel, reference, referenceArray } from './tiny.ts';

const FRAMES = 3;
const VALUES = 10 * 64 * 32;
const PICTURE = 256 * 256 * 3;
const open: Graphs[] = [];
afterAll(async () => void (await Promise.all(open.map((graphs) => graphs.close()))));

function graphsOf(folder: string): Graphs {
  const graphs = openGraphs(readModel(folder), CPU);
  open.push(graphs);
  return graphs;
}

const images = (): Uint8Array<ArrayBuffer> => referenceArray<Uint8Array<ArrayBuffer>>('images').data;

/** One view of the reference: [frame][tap][token][channel]. */
function view(name: string, slot: number, views: number): Float32Array {
  const { data } = referenceArray<Float32Array>(name);
  const out = new Float32Array(FRAMES * VALUES);
  for (let i = 0; i < FRAMES; i++)
    out.set(data.subarray((i * views + slot) * VALUES, (i * views + slot + 1) * VALUES), i * VALUES);
  return out;
}

function tapOf(values: Float32Array, tap: number): Float32Array {
  const size = VALUES / 10;
  return Float32Array.from(
    { length: FRAMES * size },
    (_, i) => values[Math.floor(i / size) * VALUES + tap * size + (i % size)]!,
  );
}

describe.each([
  ['hf_hidden_states', MODEL],
  ['block_input', MODEL_BLOCK_INPUT],
])('tap point %s', (point, folder) => {
  it('gives transformers’ hidden states to 1e-4 at every tap of both views', async () => {
    const { raw } = await graphsOf(folder).run({
      views: ['third', 'wrist'],
      images: images(),
      frames: FRAMES,
      codec: null,
    });
    for (const [slot, role] of reference.views.entries())
      for (const [i, tap] of reference.taps.entries()) {
        const wanted = tapOf(view(`third+wrist/${point}`, slot, 2), i);
        expect(maxRel(tapOf(raw[role]!, i), wanted), `${role}, tap ${tap}`).toBeLessThan(1e-4);
      }
  });
});

describe('the graphs', () => {
  const graphs = graphsOf(MODEL);
  const both: Role[] = ['third', 'wrist'];

  it('of one view are those of a prompt without the other', async () => {
    const all = images();
    const third = new Uint8Array(FRAMES * PICTURE);
    for (let i = 0; i < FRAMES; i++) third.set(all.subarray(2 * i * PICTURE, (2 * i + 1) * PICTURE), i * PICTURE);
    const { raw } = await graphs.run({ views: ['third'], images: third, frames: FRAMES, codec: null });
    expect(maxRel(raw.third!, view('third/hf_hidden_states', 0, 1))).toBeLessThan(1e-4);
  });

  it('do not depend on the batch', async () => {
    const { raw } = await graphs.run({ views: both, images: images(), frames: FRAMES, codec: null });
    const alone = await graphs.run({ views: both, images: images().slice(0, 2 * PICTURE), frames: 1, codec: null });
    expect(maxRel(alone.raw.wrist!, raw.wrist!.subarray(0, VALUES))).toBeLessThan(1e-5);
  });

  it('tell the views apart', async () => {
    const swapped = images();
    for (let i = 0; i < FRAMES; i++) {
      const [a, b] = [
        swapped.slice(2 * i * PICTURE, (2 * i + 1) * PICTURE),
        swapped.slice((2 * i + 1) * PICTURE, (2 * i + 2) * PICTURE),
      ];
      swapped.set(b, 2 * i * PICTURE);
      swapped.set(a, (2 * i + 1) * PICTURE);
    }
    const { raw } = await graphs.run({ views: both, images: swapped, frames: FRAMES, codec: null });
    expect(maxRel(raw.third!, view('third+wrist/hf_hidden_states', 0, 2))).toBeGreaterThan(0.1);
  });

  it('code int8 as numpy does: steps off by one in at most a thousandth of the values', async () => {
    const { block, signs } = readModel(MODEL).codec;
    const channels = Array.from(referenceArray<BigInt64Array>('codec/outliers').data, Number);
    const outliers = Array.from({ length: 10 }, (_, tap) => channels.slice(4 * tap, 4 * tap + 4));
    const codec: FeatureCodec = { name: 'int8', block, signs, outliers };
    const { views } = await graphs.run({ views: both, images: images(), frames: FRAMES, codec });
    const wanted = referenceArray<Int8Array>('codec/q').data;
    let [off, most] = [0, 0];
    for (const [slot, role] of both.entries())
      for (let i = 0; i < VALUES; i++) {
        const difference = Math.abs(views[role]!.values[i]! - wanted[slot * VALUES + i]!);
        most = Math.max(most, difference);
        if (difference > 0) off++;
      }
    expect(most).toBeLessThanOrEqual(1);
    expect(off / (2 * VALUES)).toBeLessThan(1e-3);
    const decoded = codecOf(codec, { taps: 10, tokens: 64, hidden: 32 }).decode(views.third!);
    expect(
      maxRel(decoded.subarray(0, VALUES), referenceArray<Float32Array>('codec/decoded').data.subarray(0, VALUES)),
    ).toBeLessThan(1e-2);
  });

  it('round to float16 in the graph as the codec does, and to bfloat16 after it', async () => {
    const { raw } = await graphs.run({ views: both, images: images(), frames: FRAMES, codec: null });
    for (const name of ['f16', 'bf16'] as const) {
      const codec = codecOf({ name }, { taps: 10, tokens: 64, hidden: 32 });
      const { views } = await graphs.run({ views: both, images: images(), frames: FRAMES, codec: { name } });
      // Another graph may differ in the last bits of float32, and so in a step of the shorter format.
      expect(maxRel(codec.decode(views.wrist!), codec.decode(codec.encode(raw.wrist!)))).toBeLessThan(2 ** -8);
      expect(maxRel(codec.decode(views.wrist!), raw.wrist!)).toBeLessThan(name === 'f16' ? 2 ** -11 : 2 ** -8);
    }
  });

  it('are refused where a number is none, with the frame', async () => {
    const folder = freshFolder();
    cpSync(MODEL, folder, { recursive: true });
    // bf16 and float32 alike: all bits set are NaN.
    const weights = readFileSync(join(folder, 'weights.bin'));
    writeFileSync(join(folder, 'weights.bin'), weights.fill(0xff, 0, 4096));
    const broken = graphsOf(folder);
    const job = { views: both, images: images(), frames: FRAMES, codec: null };
    await expect(broken.run(job)).rejects.toMatchObject({ code: 'not-finite', at: { record: 0, camera: 'third' } });
  });

  it('say which file they could not open', async () => {
    const broken = openGraphs({ ...readModel(MODEL), folder: '/nowhere' }, CPU);
    open.push(broken);
    const job = { views: both, images: images(), frames: FRAMES, codec: null };
    await expect(broken.run(job)).rejects.toMatchObject({ code: 'provider', at: { file: 'third+wrist.f32.onnx' } });
  });
});
