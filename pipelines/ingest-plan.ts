/** Everything about an ingest that can be known before a frame is opened: sources, options, shards, memory. */
import { availableParallelism } from 'node:os';
import type { Code } from '../schemas/errors.ts';
import { PrepError } from '../schemas/errors.ts';
import type { LabelOptions, PixelOptions } from '../schemas/options.ts';
import type { IngestPlan } from '../schemas/report.ts';
import { openRoot } from '../sources/bytes.ts';
import { openTfds, type TfdsDirectory } from '../sources/formats/tfds.ts';
import { type AnySpec, openDataset } from '../sources/index.ts';
import { type Shard, shardsOfPart } from './records.ts';
import { readExclusions } from './registry.ts';
import { type Table, tableOf } from './table.ts';

export interface IngestRequest {
  readonly dataset: string;
  readonly store: string;
  readonly source: {
    readonly root: string;
    readonly calibration?: string | undefined;
    readonly partial: boolean;
    readonly exclude?: string | undefined;
  };
  readonly table: { readonly as?: string | undefined; readonly pixels: PixelOptions; readonly labels: LabelOptions };
  readonly run: {
    readonly part: { readonly index: number; readonly of: number };
    readonly workers?: number | undefined;
    /** At most this many episodes of the part, counted in source order; undefined = all. */
    readonly episodes?: number | undefined;
    readonly maxQuarantine: number;
    readonly retry: readonly Code[];
    readonly replace: boolean;
    readonly takeOver: boolean;
  };
}

/** An ingest with its inputs open. */
export interface OpenIngest {
  readonly request: IngestRequest;
  readonly spec: AnySpec;
  readonly table: Table;
  readonly source: TfdsDirectory;
  readonly shards: readonly Shard[];
  readonly excluded: ReadonlyMap<string, string>;
  readonly workers: number;
  readonly plan: IngestPlan;
}

/** Bytes of one commit group; the sink buffers up to it. */
export const GROUP_BYTES = 48 * 2 ** 20;

/** @throws PrepError for everything that is wrong before the first record: options, missing shards, unknown container. */
export async function openIngest(request: IngestRequest): Promise<OpenIngest> {
  const spec = await openDataset(request.dataset);
  const { calibration, partial, exclude, root: uri } = request.source;
  if (calibration !== undefined && !spec.sideFiles)
    throw new PrepError({
      code: 'bad-option',
      at: { dataset: spec.name, field: '--calibration' },
      expected: 'no side files, because none are published for this dataset',
      found: calibration,
    });
  const sideFiles = calibration === undefined ? null : await spec.sideFiles!(calibration);
  const { as, pixels, labels } = request.table;
  const table = tableOf(spec, { name: tableName(as ?? spec.name), pixels, labels, sideFiles });
  const source = await openTfds(await openRoot(uri), { partial });
  if (!spec.containers.includes(source.name))
    throw new PrepError({
      code: 'bad-dataset-info',
      at: { dataset: spec.name, file: uri },
      expected: `a container named ${spec.containers.join(', ')}`,
      found: source.name,
      remedy: 'give the dataset that fits the folder (see `prep datasets`)',
    });
  const shards = shardsOfPart(source, request.run.part);
  const excluded = exclude === undefined ? new Map<string, string>() : readExclusions(exclude);
  const workers = request.run.workers ?? availableParallelism();
  const open = { request, spec, table, source, shards, excluded, workers };
  return { ...open, plan: planOf(open) };
}

function tableName(name: string): string {
  if (/^[a-z][a-z0-9_]{0,63}$/i.test(name)) return name;
  throw new PrepError({
    code: 'bad-option',
    at: { field: '--as' },
    expected: 'letters, digits and _, starting with a letter',
    found: name,
  });
}

function planOf(open: Omit<OpenIngest, 'plan'>): IngestPlan {
  const { request, spec, table, source, shards, workers } = open;
  const known = shards.every((shard) => shard.expected !== null);
  const bytes = shards.reduce((sum, shard) => sum + shard.size, 0);
  return {
    command: 'ingest',
    dataset: spec.name,
    tables: table.name,
    root: request.source.root,
    store: request.store,
    container: { name: source.name, version: source.version },
    part: request.run.part,
    shards: shards.map(({ split, file, expected, size }) => ({ split, file, episodes: expected, bytes: size })),
    missingShards: source.partial?.missing ?? [],
    episodes: known ? shards.reduce((sum, shard) => sum + (shard.expected ?? 0), 0) : null,
    bytes,
    roles: table.roles as Record<string, readonly string[]>,
    options: { ...table.pixels, ...table.labels, maxQuarantine: request.run.maxQuarantine },
    calibration: {
      policy: table.labels.calibration,
      sideFiles: table.sideFiles?.coverage ?? {},
      release: releaseCoverage(open),
    },
    fingerprint: table.shape.metadata.fingerprint,
    workers,
    memoryMb: memorySum(shards, workers),
  };
}

/** What the container's own field list says of camera poses; how many are usable shows only when they are read. */
function releaseCoverage({ source, spec }: Omit<OpenIngest, 'plan'>): string {
  const named = source.paths.filter((path) => /extrinsic/i.test(path));
  return named.length > 0 ? `fields ${named.join(', ')}` : `no camera poses in this release of ${spec.name}`;
}

/** Peak memory as an addition, MB. A record is taken as twice the mean of the shard with the largest mean. */
function memorySum(shards: readonly Shard[], workers: number): Record<string, number> {
  const MB = 2 ** 20;
  const record = Math.max(8 * MB, ...shards.map(({ size, expected }) => (expected ? (2 * size) / expected : 0)));
  const terms = {
    'node, LanceDB, libav': 300,
    [`${workers + 1} records being read or waiting`]: ((workers + 1) * record) / MB,
    [`${workers} workers: record, pictures made of it, codec`]: workers * ((2 * record) / MB + 24),
    'commit group: rows, Arrow copy, IPC copy, Lance write buffer': (4 * GROUP_BYTES) / MB,
  };
  const rounded = Object.fromEntries(Object.entries(terms).map(([term, mb]) => [term, Math.round(mb)]));
  return { ...rounded, total: Object.values(rounded).reduce((sum, mb) => sum + mb, 0) };
}
