/** A process that exits with code 7 while its two pixel workers are in native code, argv[2] ms after they began. */
import { readFileSync } from 'node:fs';
import { openPixelPool, type PixelTask } from '../../pipelines/pixel-pool.ts';

const frame = readFileSync(new URL('../../fixtures/pixels/droid_420_q90.jpg', import.meta.url));
const task = (steps: number): PixelTask => {
  const { buffer } = new Uint8Array(frame);
  const spans = Array.from({ length: steps }, () => ({ offset: 0, length: frame.length }));
  const batch = { kind: 'pictures', buffer, spans } as const;
  return { buffer, parts: [{ role: 'third', batch, appearance: {}, width: 0, height: 0 }] };
};
const pool = openPixelPool({ workers: 2, fit: { mode: 'letterbox', size: 256 }, quality: 95, subsampling: '4:4:4' });
const code = (steps: number): Promise<unknown> => Promise.all([pool.run(task(steps)), pool.run(task(steps))]);
await code(2); // both threads have started
setTimeout(() => process.exit(7), Number(process.argv[2]));
await code(20_000);
