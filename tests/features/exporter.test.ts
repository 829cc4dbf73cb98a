/** The exporter's own tests, and the whole way: checkpoint → graphs → `prep features run` → what transformers says of the same pixels. */
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { storedPictures } from '../../pipelines/features/pictures.ts';
import { openPlanRows } from '../../pipelines/mixed/plan-rows.ts';
import { openPlanReader } from '../../pipelines/mixed/reader.ts';
import { connectStore } from '../../sinks/store.ts';
import { freshFolder } from '../e2e/demo-set.ts';
import { exportPython, NO_EXPORTER } from '../python/python.ts';
import { demoStore, MODEL, MODEL_BLOCK_INPUT, maxRel, planOf, reference, runFeatures } from './tiny.ts';

const python = exportPython();
const skipped = python ? '' : ` (skipped: ${NO_EXPORTER})`;
const TOOLS = fileURLToPath(new URL('../../tools', import.meta.url));
const CHECKPOINT = fileURLToPath(new URL('../../fixtures/qwen3vl_tiny/checkpoint', import.meta.url));
const run = promisify(execFile);

it.skipIf(!python)(`the exporter${skipped}`, { timeout: 900_000 }, async () => {
  const words = ['-m', 'unittest', 'discover', '-s', join(TOOLS, 'qwen3vl/tests'), '-t', TOOLS];
  const { stderr } = await run(python!, words, { cwd: TOOLS, maxBuffer: 64 << 20 }).catch(
    (error: { stderr: string }) => error,
  );
  expect(stderr).toMatch(/Ran [3-9]\d+ tests[\s\S]*\nOK/);
});

/** Pictures in a file → hidden states of transformers in a file, [frame][view][tap][token][channel], both tap points. */
const TRUTH = `
import sys
import numpy as np
sys.path.insert(0, sys.argv[1])
from qwen3vl.reference import Reference

frames = np.fromfile(sys.argv[3], np.uint8).reshape(-1, 2, 256, 256, 3)
taps = [int(t) for t in sys.argv[5].split(",")]
model = Reference(sys.argv[2])
for point in ("hf_hidden_states", "block_input"):
    model.answers(frames, [int(i) for i in sys.argv[6].split(",")], [(point, t) for t in taps]).tofile(f"{sys.argv[4]}.{point}")
`;

it.skipIf(!python)(
  `features of a store equal transformers’ on the same pixels${skipped}`,
  { timeout: 600_000 },
  async () => {
    const store = await demoStore();
    const plan = await planOf(store, 16);
    const [pixels, truth] = [join(freshFolder(), 'pixels'), join(freshFolder(), 'truth')];
    const opened = await connectStore(store);
    const rows = await openPlanRows(opened, plan);
    const source = storedPictures(rows, 1);
    const draws = Array.from({ length: 16 }, (_, draw) => draw);
    writeFileSync(pixels, (await source.read(draws, ['third', 'wrist'])).images);
    await source.close();
    rows.close();
    opened.connection.close();
    const { taps, prefixIds } = reference;
    await run(python!, ['-c', TRUTH, TOOLS, CHECKPOINT, pixels, truth, taps.join(), prefixIds.join()]);
    for (const [point, model] of [
      ['hf_hidden_states', MODEL],
      ['block_input', MODEL_BLOCK_INPUT],
    ] as const) {
      await runFeatures(store, plan, { model, name: point });
      const reader = await openPlanReader({ store, plan, batch: 16, images: false, features: { set: point } });
      const { value } = await reader.batches().next();
      reader.close();
      const { buffer } = readFileSync(`${truth}.${point}`);
      const wanted = new Float32Array(buffer);
      // The largest value is an outlier's: every tap, token and view by itself.
      for (let i = 0; i < wanted.length; i += 64 * 32)
        expect(
          maxRel(value!.features!.values.subarray(i, i + 64 * 32), wanted.subarray(i, i + 64 * 32)),
          `${point} ${i}`,
        ).toBeLessThan(1e-4);
    }
  },
);
