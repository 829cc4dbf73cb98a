/** `prep features run|status|drop|providers`. */
import { availableParallelism } from 'node:os';
import { usualBatch, usualStreams } from '../pipelines/features/graphs.ts';
import { readModel } from '../pipelines/features/model.ts';
import { inspectProvider, needProvider, runtimeFolder } from '../pipelines/features/provider.ts';
import { type FeatureReport, makeFeatures } from '../pipelines/features/run.ts';
import type { RequestOf, SourceRoot } from '../pipelines/features/source-pictures.ts';
import { featureStatus, type SetStatus } from '../pipelines/features/status.ts';
import { EXIT, PrepError } from '../schemas/errors.ts';
import type { CodecName, FeatureSet } from '../schemas/features.ts';
import { forgetSet, readSets } from '../sinks/features.ts';
import { connectStore, storeToOpen } from '../sinks/store.ts';
import { refuseAboveBudget } from '../transforms/features/cost.ts';
import { accessFromSurroundings } from './access.ts';
import { onInterrupt } from './interrupt.ts';
import { integer, part, positive, range, size } from './options.ts';
import { bytes, duration, openOutput, table } from './print.ts';

interface RunWords {
  readonly plan: string;
  readonly model: string;
  readonly name?: string;
  readonly codec: CodecName;
  readonly from: FeatureSet['images'];
  readonly root: readonly string[];
  readonly calibration: readonly string[];
  readonly spec: readonly string[];
  readonly provider: string;
  readonly device: string;
  readonly streams?: string;
  readonly batch?: string;
  readonly workers?: string;
  readonly partDraws?: string;
  readonly shard?: string;
  readonly range?: string;
  readonly sample: string;
  readonly acceptBytes?: string;
  readonly json?: boolean;
}

export async function run(store: string, words: RunWords): Promise<number> {
  const out = openOutput(words.json ?? false);
  needProvider(words.provider);
  const accepted = words.acceptBytes === undefined ? undefined : size('--accept-bytes', words.acceptBytes);
  const request = {
    store: storeToOpen(store),
    plan: words.plan,
    model: words.model,
    set: {
      codec: words.codec,
      images: words.from,
      name: words.name,
      partDraws: positive('--part-draws', words.partDraws),
    },
    device: {
      provider: words.provider,
      device: integer('--device', words.device),
      streams: positive('--streams', words.streams) ?? usualStreams(words.provider),
    },
    batch: positive('--batch', words.batch) ?? usualBatch(words.provider),
    workers: positive('--workers', words.workers) ?? availableParallelism(),
    part: part(words.shard),
    range: words.range === undefined ? null : range(words.range),
    ...(words.from === 'source' ? { again: { roots: rootsOf(words), requestOf: ingestAgain } } : {}),
    sample: integer('--sample', words.sample),
    allow: (count: number) => refuseAboveBudget(count, accepted),
  };
  const interrupt = onInterrupt((text) => void process.stderr.write(`${text}\n`));
  const report = await makeFeatures(request, {
    signal: interrupt.signal,
    progress: progressOf(words.json ?? false),
  }).finally(interrupt.release);
  out.result(report, reportText(report));
  return report.state === 'interrupted' ? EXIT.interrupted : EXIT.done;
}

/** `NAME=VALUE` words of three options, by name. */
function rootsOf({ root, calibration, spec }: RunWords): Map<string, SourceRoot> {
  const named = (field: string, words: readonly string[]): Map<string, string> =>
    new Map(
      words.map((word) => {
        const at = word.indexOf('=');
        if (at < 1)
          throw new PrepError({
            code: 'bad-option',
            at: { field },
            expected: 'NAME=VALUE, with the name of a dataset of the store',
            found: word,
          });
        return [word.slice(0, at), word.slice(at + 1)];
      }),
    );
  const [side, files] = [named('--calibration', calibration), named('--spec', spec)];
  const roots = [...named('--root', root)];
  return new Map(roots.map(([name, uri]) => [name, { root: uri, calibration: side.get(name), spec: files.get(name) }]));
}

/** The ingest that made a dataset, with the options that its table recorded. */
const ingestAgain: RequestOf = (dataset, { root, calibration, spec }, { metadata }) => {
  const mapping = spec?.endsWith('.json') ? spec : undefined;
  const own = mapping === undefined ? spec : undefined;
  return {
    dataset: own ?? (mapping === undefined ? metadata.spec : metadata.format),
    mapping,
    store: '',
    source: { root, access: accessFromSurroundings(), calibration, partial: true },
    table: { as: dataset, pixels: metadata.options.pixels, labels: metadata.options.labels },
    run: { part: { index: 0, of: 1 }, maxQuarantine: 1, retry: [], replace: false, takeOver: false },
  };
};

/** Seconds between lines of progress. */
const EVERY = process.stderr.isTTY === true ? 1 : 30;

function progressOf(quiet: boolean): (frames: number, total: number) => void {
  const started = performance.now();
  let last = 0;
  return (frames, total) => {
    const seconds = (performance.now() - started) / 1000;
    if (quiet || seconds - last < EVERY) return;
    last = seconds;
    const left = duration((seconds * Math.max(0, total - frames)) / frames);
    process.stderr.write(
      `${frames} of at most ${total} frames, ${(frames / seconds).toFixed(1)} frames/s, ${left} left\n`,
    );
  };
}

function reportText(report: FeatureReport): string {
  const { missing, draws } = report;
  const covered =
    missing === null
      ? 'the plan has no map yet: parts of it are still to be made'
      : missing === 0
        ? `all ${draws} draws of the plan have features`
        : `${draws - missing} of ${draws} draws of the plan have features, ${missing} have none`;
  if (report.parts === 0) return `plan ${report.plan}: none of its parts falls to this share`;
  return [
    `set ${report.name} (${report.set}), plan ${report.plan}: ${report.made} parts made, ${report.there} were there (${report.parts} in all)`,
    `  ${report.computed} frames computed, ${report.reused} were in the set already; ${bytes(report.bytes)} in ${duration(report.seconds)} (${report.framesPerSecond.toFixed(1)} frames/s, start included)`,
    `  ${covered}`,
    ...(report.state === 'interrupted' ? ['  interrupted: whole parts stay, the same command goes on'] : []),
  ].join('\n');
}

interface StatusWords {
  readonly model?: string;
  readonly json?: boolean;
}

export async function status(store: string, words: StatusWords): Promise<number> {
  const uri = storeToOpen(store);
  const sets = await featureStatus(uri, words.model === undefined ? null : readModel(words.model));
  const text = sets.map(statusText).join('\n\n') || 'no feature sets; `prep features run` makes them';
  openOutput(words.json ?? false).result({ store: uri, sets }, text);
  return EXIT.done;
}

const percent = (covered: number, draws: number): string =>
  draws === 0 ? '-' : `${((100 * covered) / draws).toFixed(1)} %`;

function statusText(one: SetStatus): string {
  const lines = one.plans.flatMap(({ plan, draws, covered, datasets }) => [
    [`plan ${plan}`, percent(covered, draws), `${covered} of ${draws} draws`],
    ...Object.entries(datasets).map(([name, own]) => [
      `  ${name}`,
      percent(own.covered, own.draws),
      `${own.covered} of ${own.draws}`,
    ]),
  ]);
  const stale = [
    ...one.stale,
    ...one.plans.flatMap(({ plan, stale: why }) => why.map((text) => `plan ${plan}: ${text}`)),
  ];
  return [
    `${one.name} (${one.set}): ${one.model}, ${one.precision}; ${one.tapPoint} ${one.taps.join(' ')}; views ${one.views.join(' + ')}; ${one.codec}, ${one.images} pictures`,
    `  ${one.frames} frames in ${one.parts} parts, ${bytes(one.bytes)}`,
    ...(lines.length > 0 ? [table(lines).replace(/^/gm, '  ')] : []),
    ...(stale.length > 0 ? stale.map((text) => `  stale: ${text}`) : ['  nothing is stale']),
  ].join('\n');
}

export async function drop(uri: string, name: string, words: { readonly json?: boolean }): Promise<number> {
  const store = await connectStore(storeToOpen(uri));
  try {
    const sets = await readSets(store);
    const found = sets.find((one) => one.set === name || one.name === name);
    if (!found)
      throw new PrepError({
        code: 'unknown-features',
        at: { store: store.uri, field: name },
        expected:
          sets.length > 0 ? `one of ${sets.map((one) => `${one.name} (${one.set})`).join(', ')}` : 'a feature set',
        found: 'no such set',
      });
    await forgetSet(store, found.set);
    openOutput(words.json ?? false).result(
      { store: store.uri, dropped: found.set },
      `forgot ${found.name} (${found.set}); \`prep gc\` removes its tables`,
    );
    return EXIT.done;
  } finally {
    store.connection.close();
  }
}

/** Providers that need more than npm installs; every other that ONNX Runtime has may be named, too. */
const ASKED = ['cpu', 'cuda', 'tensorrt'];

export async function providers(words: { readonly json?: boolean }): Promise<number> {
  const { version, folder } = runtimeFolder();
  const reports = ASKED.map(inspectProvider);
  const lines = reports.flatMap(({ provider, ready, missing }) => [
    `${provider}: ${ready ? 'ready' : 'these files are missing'}`,
    ...missing.map(({ file, from }) => `  ${file}: ${from}`),
  ]);
  openOutput(words.json ?? false).result(
    { version, folder, providers: reports },
    [`ONNX Runtime ${version} in ${folder}`, ...lines].join('\n'),
  );
  return EXIT.done;
}
