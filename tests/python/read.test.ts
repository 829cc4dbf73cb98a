/** What Python reads of a store is what TypeScript reads of it, column by column. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import type { JpegColumn, StepColumns } from '../../schemas/episode.ts';
import { freshFolder, ingestDemo, stored } from '../e2e/demo-set.ts';
import { ABSENT, pythonWith } from './python.ts';

const python = pythonWith('lance', 'lancedb', 'numpy', 'PIL');

const perStep = (values: Float32Array | BigInt64Array, steps: number): unknown[][] =>
  Array.from({ length: steps }, (_, step) => {
    const width = values.length / steps;
    // NaN becomes null in JSON; a float32 widened to a double is written so that it reads back the same.
    return [...values.subarray(step * width, (step + 1) * width)].map((x) => (typeof x === 'bigint' ? `${x}` : x));
  });

const digests = ({ data, offsets }: JpegColumn, steps: number): string[] =>
  Array.from({ length: steps }, (_, step) =>
    createHash('sha256')
      .update(data.subarray(offsets[step]!, offsets[step + 1]!))
      .digest('hex'),
  );

const dumped = (rows: StepColumns): object => ({
  steps: rows.steps,
  robot: rows.robot,
  third: rows.third,
  instruction: rows.instruction,
  time: [...rows.time],
  action_valid: [...rows.actionValid],
  present: [...rows.present],
  flags: [...rows.flags],
  action: perStep(rows.action, rows.steps),
  history: perStep(rows.history, rows.steps),
  proprio: perStep(rows.proprio, rows.steps),
  camera: perStep(rows.camera, rows.steps),
  image_hash: perStep(rows.imageHash, rows.steps),
  images: Object.fromEntries(Object.entries(rows.images).map(([role, one]) => [role, digests(one, rows.steps)])),
});

it.skipIf(!python)(`pylance and lancedb${python ? '' : ` (skipped: ${ABSENT})`}`, { timeout: 300_000 }, async () => {
  const store = freshFolder();
  await ingestDemo(store, '--third2', 'other');
  const { ledger, rows } = await stored(store);
  const dump = Object.fromEntries(
    [...rows].map(([id, columns]) => {
      const { entry, group } = ledger.get(id)!;
      return [id, { ...dumped(columns), episode_key: `${entry.episodeKey}`, group: `${group}` }];
    }),
  );
  const file = join(freshFolder(), 'dump.json');
  writeFileSync(file, JSON.stringify(dump));
  const script = fileURLToPath(new URL('test_read.py', import.meta.url));
  const run = promisify(execFile)(python!, [script, store, file]).catch((error) => error);
  expect((await run).stdout).toBe('0 problems, 64 rows by pylance and lancedb\n');
});
