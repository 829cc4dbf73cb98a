/** `prep demo`: the bundled episodes, ingested, read back and compared with numbers that scipy made. */
import {
  compareWithTruth,
  type DemoOrder,
  type DemoReport,
  orderAndRead,
  refuseOtherEpisodes,
} from '../pipelines/demo.ts';
import { openIngest } from '../pipelines/ingest-plan.ts';
import { EXIT } from '../schemas/errors.ts';
import { storeToMake } from '../sinks/store.ts';
import { execute, requestOf } from './ingest.ts';
import { packageFile } from './package-root.ts';
import { openOutput, summaryText } from './print.ts';

export async function demo(words: { store: string; json?: boolean }): Promise<number> {
  const out = openOutput(words.json ?? false);
  const data = packageFile('fixtures/droid_demo');
  const store = storeToMake(words.store);
  await refuseOtherEpisodes(store, `${data}/expected.json`);
  out.line(`Four bundled episodes in DROID's published layout (${data}): two sound, one without exterior`);
  out.line(`extrinsics in the release, one with a NaN. Ingesting them into ${store}\n`);
  const root = `${data}/droid_101/1.0.1`;
  const open = await openIngest(
    requestOf('droid', { root, store, calibration: `${data}/karlp`, third2: 'other', replace: true }),
  );
  const summary = await execute(open, out);
  await open.container.close();
  open.table.sideFiles?.close();
  out.line(summaryText(summary));
  const report = await compareWithTruth(store, `${data}/expected.json`);
  const order = await orderAndRead(store);
  const problems = [...report.problems, ...order.problems];
  out.result({ summary, report, order }, reportText({ ...report, problems }, order, store));
  return problems.length === 0 ? EXIT.done : EXIT.failed;
}

function reportText(
  { rows, worst, toolInPicture, overlay, problems }: DemoReport,
  order: DemoOrder,
  store: string,
): string {
  return [
    '',
    `Read back ${rows} rows and compared them with truth computed by scipy:`,
    `  largest difference of actions, history and proprioception: ${worst.toExponential(1)} (1e-5 allowed)`,
    `  the tool point, projected with the stored numbers, lies in the stored picture in ${toolInPicture} of ${rows} rows`,
    `Drew ${order.rows} steps as plan ${order.plan}, wrote ${order.shards} training shard, and read ${order.batches} batches both ways${order.same ? ': the same bytes' : ''}`,
    ...problems.map((problem) => `  PROBLEM ${problem}`),
    '',
    `Made: ${store} (Lance tables droid_steps, droid_episodes, droid_tracks)`,
    `      shards_${order.plan}_00000_*, which any Lance reader scans in training order`,
    `      ${overlay} (a stored picture with the tool point drawn in)`,
    `Next: prep read ${store} --plan ${order.plan} --batch 32 --report, prep relabel --dt 2/15, or your own data: prep ingest`,
  ].join('\n');
}
