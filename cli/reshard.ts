/** `prep reshard`: what a cron job calls. One JSON line per run; exit codes fit monitoring. */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { reshard as run } from '../pipelines/reshard/run.ts';
import { EXIT, PrepError } from '../schemas/errors.ts';
import { type ReshardConfig, type ReshardSource, reshardSchema } from '../schemas/reshard.ts';
import { storeToMake } from '../sinks/store.ts';
import { accessFromSurroundings } from './access.ts';
import { type IngestWords, requestOf } from './ingest.ts';
import { onInterrupt } from './interrupt.ts';

interface ReshardWords {
  readonly config: string;
  readonly ifStale?: boolean;
}

export async function reshard(store: string, words: ReshardWords): Promise<number> {
  const config = readConfig(words.config);
  const folder = dirname(resolve(words.config));
  const uri = storeToMake(store);
  const interrupt = onInterrupt((text) => void process.stderr.write(`${text}\n`));
  const ingestOf = (source: ReshardSource) =>
    requestOf(datasetOf(source, folder), ingestWords(uri, source, config, folder));
  const request = {
    store: uri,
    config: placed(config, folder),
    access: accessFromSurroundings(),
    ifStale: words.ifStale ?? false,
    ingestOf,
  };
  const report = await run(request, interrupt.signal).finally(interrupt.release);
  process.stdout.write(`${JSON.stringify({ time: new Date().toISOString(), store: uri, ...report })}\n`);
  return report.state === 'interrupted' ? EXIT.interrupted : EXIT.done;
}

/** @throws PrepError `bad-mixture` naming the file and, key by key, what it should be */
function readConfig(file: string): ReshardConfig {
  const bad = (expected: string, found: string, cause?: unknown): PrepError =>
    new PrepError({
      code: 'bad-mixture',
      at: { file },
      expected,
      found,
      remedy: 'see README.md, "Every night"',
      cause,
    });
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw bad('a readable JSON file', String((cause as Error).message), cause);
  }
  const parsed = reshardSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'the whole'}: ${message}`);
  throw bad('a config file', issues.slice(0, 8).join('; '));
}

const isAddress = (path: string): boolean => /^[a-z][a-z0-9+.-]+:\/\//i.test(path);
/** Paths of a config file count from its own folder: cron starts anywhere. */
const at = (folder: string, path: string): string => (isAddress(path) ? path : resolve(folder, path));

const placed = (config: ReshardConfig, folder: string): ReshardConfig => ({
  ...config,
  ...(config.features ? { features: { ...config.features, model: at(folder, config.features.model) } } : {}),
  sources: config.sources.map(({ root, ...source }) => {
    const files = { calibration: source.calibration, exclude: source.exclude, mapping: source.mapping };
    const there = Object.entries(files).flatMap(([name, path]) =>
      path === undefined ? [] : [[name, at(folder, path)]],
    );
    return { ...source, root: at(folder, root), ...Object.fromEntries(there) };
  }),
});

const datasetOf = ({ dataset }: ReshardSource, folder: string): string =>
  /\.([cm]?[jt]s|json)$/.test(dataset) ? at(folder, dataset) : dataset;

/** `third2` or `jpeg-quality` as on the command line. */
const optionName = (name: string): string => name.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

function ingestWords(store: string, source: ReshardSource, { workers }: ReshardConfig, folder: string): IngestWords {
  const { root, as, mapping, calibration, exclude, options, max_quarantine } = source;
  const optional = { as, workers: workers === undefined ? undefined : String(workers) };
  const files = { mapping, calibration, exclude };
  return {
    ...Object.fromEntries(Object.entries(options).map(([name, value]) => [optionName(name), value])),
    ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined)),
    ...Object.fromEntries(
      Object.entries(files).flatMap(([name, path]) => (path === undefined ? [] : [[name, at(folder, path)]])),
    ),
    root: at(folder, root),
    store,
    maxQuarantine: String(max_quarantine),
  };
}
