/** Everything about an ingest that can be known before a frame is opened: sources, options, shards, memory. */
import { availableParallelism } from 'node:os';
import type { SideFiles } from '../schemas/episode.ts';
import type { Code } from '../schemas/errors.ts';
import { PrepError } from '../schemas/errors.ts';
import type { LabelOptions, PixelOptions } from '../schemas/options.ts';
import type { IngestPlan } from '../schemas/report.ts';
import type { AnySpec } from '../schemas/spec.ts';
import type { ByteRoot } from '../sources/bytes.ts';
import type { Container, Shard } from '../sources/container.ts';
import type { FileStamps } from '../sources/frozen.ts';
import { openDataset } from '../sources/index.ts';
import { type OpenSource, openSource } from '../sources/open.ts';
import { type Access, shown } from '../sources/remote/access.ts';
import { shardsOfPart } from './records.ts';
import { readExclusions } from './registry.ts';
import { type Table, tableOf } from './table.ts';

export interface IngestRequest {
  readonly dataset: string;
  /** File that says what the fields of a plain dataset mean. */
  readonly mapping?: string | undefined;
  readonly store: string;
  readonly source: {
    readonly root: string;
    /** How remote roots are reached; never recorded. */
    readonly access?: Access | undefined;
    /** What stands between the root and its readers: a cache, a counter. */
    readonly through?: ((root: ByteRoot) => ByteRoot) | undefined;
    readonly calibration?: string | undefined;
    readonly partial: boolean;
    readonly exclude?: string | undefined;
    /** Only these files are seen; what is recorded of a file for which `changed` is true is read again. */
    readonly frozen?: { readonly files: FileStamps; changed(file: string): boolean } | undefined;
  };
  readonly table: { readonly as?: string | undefined; readonly pixels: PixelOptions; readonly labels: LabelOptions };
  readonly run: {
    readonly part: { readonly index: number; readonly of: number };
    readonly workers?: number | undefined;
    /** At most this many episodes of the part, counted in source order; undefined = all. */
    readonly episodes?: number | undefined;
    readonly maxQuarantine: number;
    readonly retry: readonly Code[];
    /** Ledger and tracks only: no frame is decoded. */
    readonly indexOnly?: boolean | undefined;
    /** Only the rows that this plan draws and the store lacks, from episodes that it has in its index. */
    readonly plan?: string | undefined;
    readonly replace: boolean;
    readonly takeOver: boolean;
  };
}

/** An ingest with its inputs open. */
export interface OpenIngest {
  readonly request: IngestRequest;
  readonly spec: AnySpec;
  readonly table: Table;
  readonly container: Container;
  readonly shards: readonly Shard[];
  readonly excluded: ReadonlyMap<string, string>;
  readonly workers: number;
  readonly plan: IngestPlan;
}

/** Bytes of one commit group; the sink buffers up to it. */
export const GROUP_BYTES = 48 * 2 ** 20;

/** @throws PrepError for everything that is wrong before the first record: options, missing shards, unknown container. */
export async function openIngest(request: IngestRequest): Promise<OpenIngest> {
  const { calibration, partial, exclude, access, through, frozen, root: uri } = request.source;
  const layouts = await openDataset(request.dataset, request.mapping);
  if (calibration !== undefined && !layouts.some((layout) => layout.sideFiles))
    throw noSideFiles(layouts[0]!, 'no side files, because none are published for this dataset', calibration);
  const { spec, container } = await openSource(layouts, uri, { partial, access, through, files: frozen?.files });
  // Layouts are told apart before it is asked whether the one that is there takes side files.
  const sideFiles = calibration === undefined ? null : await sideFilesOf({ spec, container }, calibration);
  const { as, pixels, labels } = request.table;
  const table = tableOf(spec, { name: tableName(as ?? spec.name), pixels, labels, sideFiles });
  const shards = shardsOfPart(container, request.run.part);
  const excluded = exclude === undefined ? new Map<string, string>() : readExclusions(exclude);
  const workers = request.run.workers ?? availableParallelism();
  const open = { request, spec, table, container, shards, excluded, workers };
  return { ...open, plan: planOf(open) };
}

async function sideFilesOf({ spec, container }: OpenSource, calibration: string): Promise<SideFiles> {
  if (spec.sideFiles) return spec.sideFiles(calibration);
  await container.close();
  throw noSideFiles(spec, `no side files: ${spec.title} has ${spec.calibration}`, calibration);
}

const noSideFiles = ({ name }: AnySpec, expected: string, found: string): PrepError =>
  new PrepError({
    code: 'bad-option',
    at: { dataset: name, field: '--calibration' },
    expected,
    found,
    remedy: 'leave --calibration out',
  });

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
  const { request, spec, table, container, shards, workers } = open;
  const known = shards.every((shard) => shard.expected !== null);
  const bytes = shards.reduce((sum, shard) => sum + shard.size, 0);
  return {
    command: 'ingest',
    dataset: spec.name,
    tables: table.name,
    root: shown(request.source.root),
    store: request.store,
    container: { name: container.name, version: container.version },
    part: request.run.part,
    shards: shards.map(({ split, file, expected, size }) => ({ split, file, episodes: expected, bytes: size })),
    missingShards: container.missing,
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
    memoryMb: memorySum(container, workers),
  };
}

/** What the container's own field list says of camera poses; how many are usable shows only when they are read. */
function releaseCoverage({ container, spec }: Omit<OpenIngest, 'plan'>): string {
  if (spec.format !== 'rlds') return spec.calibration;
  const named = container.fields.filter((path) => /extrinsic/i.test(path));
  return named.length > 0 ? `fields ${named.join(', ')}` : `no camera poses in this release of ${spec.name}`;
}

/** Peak memory as an addition, MB. */
function memorySum({ recordBytes: record }: Container, workers: number): Record<string, number> {
  const MB = 2 ** 20;
  const terms = {
    'node, LanceDB, libav': 300,
    [`${workers + 1} records being read or waiting`]: ((workers + 1) * record) / MB,
    [`${workers} workers: record, pictures made of it, codec`]: workers * ((2 * record) / MB + 24),
    'commit group: rows, Arrow copy, IPC copy, Lance write buffer': (4 * GROUP_BYTES) / MB,
  };
  const rounded = Object.fromEntries(Object.entries(terms).map(([term, mb]) => [term, Math.round(mb)]));
  return { ...rounded, total: Object.values(rounded).reduce((sum, mb) => sum + mb, 0) };
}
