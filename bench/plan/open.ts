/** Opens a plan as a reader does and places one batch; argv: store, plan, draw; prints seconds after imports. */
import { openPlanRows } from '../../pipelines/mixed/plan-rows.ts';
import { connectStore } from '../../sinks/store.ts';

const [uri, plan, draw] = process.argv.slice(2) as [string, string, string];
const started = performance.now();
const store = await connectStore(uri);
const rows = await openPlanRows(store, plan);
const opened = performance.now();
const placed = Array.from({ length: 256 }, (_, i) => rows.place(Number(draw) + i));
const done = performance.now();
process.stdout.write(
  JSON.stringify({
    openSeconds: (opened - started) / 1000,
    batchSeconds: (done - opened) / 1000,
    firstStep: placed[0]!.step,
  }),
);
