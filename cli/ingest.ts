/** `prep ingest`: words → request, plan or run, summary, exit code. */
import { runIngest } from '../pipelines/ingest.ts';
import { type IngestRequest, type OpenIngest, openIngest } from '../pipelines/ingest-plan.ts';
import { openStoreSink, settleTwins } from '../pipelines/store-sink.ts';
import { EXIT, PrepError } from '../schemas/errors.ts';
import type { IngestPlan, IngestSummary } from '../schemas/report.ts';
import { dropDataset } from '../sinks/drop.ts';
import { storeToMake } from '../sinks/store.ts';
import { finishSwap } from '../sinks/swap.ts';
import { accessFromSurroundings } from './access.ts';
import { onInterrupt } from './interrupt.ts';
import {
  codes,
  type LabelWords,
  labelOptions,
  type PixelWords,
  part,
  pixelOptions,
  positive,
  share,
} from './options.ts';
import { bytes, type Output, openOutput, summaryText, table } from './print.ts';

export interface IngestWords extends LabelWords, PixelWords {
  readonly root: string;
  readonly store: string;
  readonly as?: string;
  readonly mapping?: string;
  readonly calibration?: string;
  readonly exclude?: string;
  readonly workers?: string;
  readonly shard?: string;
  readonly episodes?: string;
  readonly partial?: boolean;
  readonly maxQuarantine?: string;
  readonly retry?: string[];
  readonly indexOnly?: boolean;
  readonly plan?: string;
  readonly replace?: boolean;
  readonly takeOver?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

export function requestOf(dataset: string, words: IngestWords): IngestRequest {
  checkPasses(words);
  return {
    dataset,
    mapping: words.mapping,
    store: storeToMake(words.store),
    source: {
      root: words.root,
      access: accessFromSurroundings(),
      calibration: words.calibration,
      partial: words.partial ?? false,
      exclude: words.exclude,
    },
    table: { as: words.as, pixels: pixelOptions(words), labels: labelOptions(words) },
    run: {
      part: part(words.shard),
      workers: positive('--workers', words.workers),
      episodes: positive('--episodes', words.episodes),
      maxQuarantine: share('--max-quarantine', words.maxQuarantine ?? '0.05'),
      retry: codes('--retry', words.retry ?? []),
      indexOnly: words.indexOnly ?? false,
      plan: words.plan,
      replace: words.replace ?? false,
      takeOver: words.takeOver ?? false,
    },
  };
}

/** What makes no sense together. */
function checkPasses({ plan, indexOnly, replace, episodes }: IngestWords): void {
  const others = { '--index-only': indexOnly, '--replace': replace, '--episodes': episodes };
  const also = Object.entries(others).find(([, given]) => given);
  if (plan === undefined || !also) return;
  throw new PrepError({
    code: 'bad-option',
    at: { field: '--plan' },
    expected: `no ${also[0]} with it: a plan says which rows are made`,
    found: 'both',
  });
}

export async function ingest(dataset: string, words: IngestWords): Promise<number> {
  const out = openOutput(words.json ?? false);
  const open = await openIngest(requestOf(dataset, words));
  try {
    warnOfDoubts(open);
    if (words.dryRun) {
      out.result(open.plan, planText(open.plan));
      return EXIT.done;
    }
    if (open.plan.missingShards.length > 0)
      out.line(`${open.plan.missingShards.length} shards are missing and left out (--partial)`);
    const summary = await execute(open, out);
    out.result(summary, summaryText(summary));
    const { code, advice } = verdict(summary, open);
    if (advice) process.stderr.write(`prep: ${advice}\n`);
    return code;
  } finally {
    await open.container.close();
    open.table.sideFiles?.close();
  }
}

/** On stderr, so that it is seen with `--json` too. */
function warnOfDoubts({ spec, request }: OpenIngest): void {
  const { doubts = [] } = spec;
  if (doubts.length === 0) return;
  const file = request.mapping ?? request.dataset;
  const head = `${doubts.length} guesses are left in ${file}; check each and take it out of "guesses"`;
  process.stderr.write(`prep: ${head}\n${doubts.map((one) => `  ${one}\n`).join('')}`);
}

export async function execute(open: OpenIngest, out: Output): Promise<IngestSummary> {
  const { request, table: target } = open;
  // Before the store is opened: a signal while the part is being taken must not leave it without an end.
  const interrupt = onInterrupt((text) => process.stderr.write(`\n${text}\n`));
  try {
    await finishSwap(request.store);
    if (request.run.replace) await dropDataset(request.store, target.name, { takeOver: request.run.takeOver });
    const sink = await openStoreSink(open);
    const summary = await runIngest(open, sink, { signal: interrupt.signal, progress: out.progress });
    const twins = interrupt.signal.aborted || request.run.plan !== undefined ? 0 : await settleTwins(open);
    if (twins > 0)
      out.line(`${twins} episodes are copies of earlier ones in another part's shards: now rejected as duplicate`);
    return summary;
  } finally {
    interrupt.release();
    out.endProgress();
  }
}

/** The exit code of a run, and what to do next where it is not 0. */
export function verdict(summary: IngestSummary, open: OpenIngest): { code: number; advice?: string } {
  const { request, table: target } = open;
  const again = `run the same command again to go on`;
  if (summary.state === 'interrupted')
    return { code: EXIT.interrupted, advice: `interrupted; everything above is committed; ${again}` };
  if (summary.state === 'over-budget') {
    const { kept, rejected, quarantined } = summary.seen;
    return {
      code: EXIT.budget,
      advice: `failure-budget: ${quarantined} of ${kept + rejected + quarantined} episodes are damaged, more than --max-quarantine ${request.run.maxQuarantine}; what is committed stays; see \`prep status ${request.store} --by reason\`, then mend the source and use --retry REASON, or raise the share`,
    };
  }
  if (summary.damagedShards.length > 0)
    return {
      code: EXIT.failed,
      advice: `${summary.damagedShards.length} damaged shard(s), named above; fetch them again, then ${again}`,
    };
  const aside = summary.episodes.rejected + summary.episodes.quarantined;
  if (request.run.plan !== undefined && aside > 0)
    return {
      code: EXIT.failed,
      advice: `${aside} episodes that plan ${request.run.plan} draws from were set aside; see \`prep status ${request.store} --by reason\`, then make a new plan`,
    };
  const done = summary.seen.kept + summary.seen.rejected + summary.seen.quarantined;
  if (done > 0 && summary.seen.kept === 0) {
    if ((summary.reasons['no-pose'] ?? 0) === done)
      return {
        code: EXIT.failed,
        advice: `nothing-kept: none of ${done} episodes has an end-effector pose, without which there is no action; see \`prep status ${request.store} --by reason\``,
      };
    const uncalibrated = (summary.reasons['no-extrinsics'] ?? 0) > 0 || target.labels.reference !== 'base';
    const poses = open.spec.sideFiles ? 'give camera poses with --calibration DIR where they exist, or ' : '';
    return {
      code: EXIT.failed,
      advice: `nothing-kept: none of ${done} episodes could be used${uncalibrated ? `; ${poses}ingest base-frame actions with --reference base --as NAME (or --replace)` : ''}; see \`prep status ${request.store} --by reason\``,
    };
  }
  // Without counts in dataset_info.json nothing else tells a download that failed from a shard without episodes.
  const hollow = open.shards.filter(({ size, expected }) => size === 0 && expected === null);
  if (done === 0 && hollow.length > 0)
    return {
      code: EXIT.failed,
      advice: `nothing-kept: ${hollow.length} shard(s) are empty files, first ${hollow[0]!.file}; fetch them again, with dataset_info.json`,
    };
  return { code: EXIT.done };
}

function planText(plan: IngestPlan): string {
  const { part: share, shards, memoryMb: memory } = plan;
  const files = shards
    .slice(0, 5)
    .map(({ split, file, episodes, bytes: size }) => [`  ${split}`, file, `${episodes ?? '?'} episodes`, bytes(size)]);
  return [
    `plan: ${plan.dataset} (${plan.container.name} ${plan.container.version}) → tables ${plan.tables}_* in ${plan.store}`,
    `part ${share.index}/${share.of}: ${shards.length} shards, ${plan.episodes ?? '?'} episodes, ${bytes(plan.bytes)}`,
    table(files) + (shards.length > 5 ? `\n  … and ${shards.length - 5} more` : ''),
    ...(plan.missingShards.length > 0
      ? [`missing: ${plan.missingShards.length} shards, first ${plan.missingShards.slice(0, 3).join(', ')}`]
      : []),
    `roles: ${Object.entries(plan.roles)
      .map(([role, cameras]) => `${role} = ${cameras.join(' or ')}`)
      .join('; ')}`,
    `options: ${Object.entries(plan.options)
      .map(([key, value]) => `${key} ${typeof value === 'number' ? Number(value.toPrecision(6)) : value}`)
      .join(', ')}`,
    `calibration: ${plan.calibration.policy}; release: ${plan.calibration.release}; side files: ${
      Object.entries(plan.calibration.sideFiles)
        .map(([name, count]) => `${name} ${count}`)
        .join(', ') || 'none'
    }`,
    `memory: ${Object.entries(memory)
      .filter(([term]) => term !== 'total')
      .map(([term, mb]) => `${mb} MB ${term}`)
      .join(' + ')} = ${memory.total} MB with ${plan.workers} workers`,
    `fingerprint: pixels ${plan.fingerprint.pixels}, labels ${plan.fingerprint.labels}`,
  ].join('\n');
}
