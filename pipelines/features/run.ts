/** `prep features run`: the frames that a plan draws, through the frozen model, once each. Killed at any moment, only whole and compared parts count. */
import os from 'node:os';
import { PrepError } from '../../schemas/errors.ts';
import { type FeatureSet, featureBytes, outlierCount } from '../../schemas/features.ts';
import type { FeatureMap, FeaturePart } from '../../sinks/features.ts';
import { connectStore, type Store } from '../../sinks/store.ts';
import { openImageHash } from '../../transforms/image-hash.ts';
import { openPlanRows, type PlanRows } from '../mixed/plan-rows.ts';
import { type FirstDraws, firstDraws } from './first-draws.ts';
import { type Device, exportedOutputs, type Graphs, openGraphs } from './graphs.ts';
import { makeMaps } from './maps.ts';
import { checkFiles, type FeatureModel, readModel } from './model.ts';
import { makePart, type PartWork } from './part.ts';
import { partsOf, partsThere, wishOf } from './parts.ts';
import { type FrameSource, storedPictures } from './pictures.ts';
import { publishedFrames } from './published.ts';
import { refuseTrained } from './refuse.ts';
import { firstSet } from './sample.ts';
import { PART_DRAWS, registeredSet, type SetWish } from './set.ts';
import { type RequestOf, type SourceRoot, sourcePictures } from './source-pictures.ts';

export interface FeatureRequest {
  readonly store: string;
  readonly plan: string;
  /** Folder that the exporter wrote. */
  readonly model: string;
  readonly set: Omit<SetWish, 'model'>;
  readonly device: Device;
  /** Frames of a batch. */
  readonly batch: number;
  /** Threads that decode pictures. */
  readonly workers: number;
  readonly part: { readonly index: number; readonly of: number };
  /** Parts within these draws only. */
  readonly range: readonly [number, number] | null;
  /** With the set's images `source`: where datasets can be read again, and how each was asked for. */
  readonly again?: { readonly roots: ReadonlyMap<string, SourceRoot>; readonly requestOf: RequestOf };
  /** Real frames on which a new set's codec is calibrated and measured. */
  readonly sample: number;
  /** @throws PrepError where so many new bytes were not accepted */
  allow(bytes: number): void;
}

export interface FeatureReport {
  readonly set: string;
  readonly name: string;
  readonly plan: string;
  /** Parts of this share and range; made by this run; there before. */
  readonly parts: number;
  readonly made: number;
  readonly there: number;
  /** Frames computed by this run, and first draws whose frame the set had already. */
  readonly computed: number;
  readonly reused: number;
  readonly bytes: number;
  /** Draws of the plan without features, as its maps stand; null where it has no map yet. */
  readonly missing: number | null;
  readonly draws: number;
  readonly seconds: number;
  readonly framesPerSecond: number;
  readonly gate: object;
  readonly state: 'done' | 'interrupted';
}

export interface FeatureControl {
  readonly signal: AbortSignal;
  progress(frames: number, total: number): void;
}

export async function makeFeatures(request: FeatureRequest, control: FeatureControl): Promise<FeatureReport> {
  positive('--batch', request.batch);
  positive('--sample', request.sample);
  const model = readModel(request.model);
  // The quality gate measures against float32, whatever is stored.
  await checkFiles(model, [...new Set(['f32', ...exportedOutputs(model)] as const)]);
  const store = await connectStore(request.store);
  let rows: PlanRows | null = null;
  try {
    rows = await openPlanRows(store, request.plan);
    refuseTrained(
      rows.segments[0]!.mixture,
      model.languageModel ? 'language' : 'vision',
      model.preset ?? model.model.name,
    );
    return await withRows({ store, rows, model, request }, control);
  } finally {
    rows?.close();
    store.connection.close();
  }
}

interface Opened {
  readonly store: Store;
  readonly rows: PlanRows;
  readonly model: FeatureModel;
  readonly request: FeatureRequest;
}

async function withRows(opened: Opened, control: FeatureControl): Promise<FeatureReport> {
  const { store, rows, model, request } = opened;
  const started = performance.now();
  const wish: SetWish = { ...request.set, model };
  const known = await registeredSet(store, wish);
  const first = await firstDraws(store, rows);
  const there = known && (await partsThere(store, rows, known));
  allowBytes(opened, wish, { known, there: there ?? [], first });
  const source = await openPictures(opened);
  const graphs = openGraphs(model, request.device);
  try {
    const sampling = {
      rows,
      first,
      source,
      graphs,
      sample: request.sample,
      batch: request.batch,
      signal: control.signal,
    };
    const set = known ?? (await firstSet(store, wish, sampling));
    const made = set && (await makeParts(opened, { set, there, first, source, graphs }, control));
    const seconds = (performance.now() - started) / 1000;
    return { ...reportOf(opened, set, made), seconds, framesPerSecond: (made?.computed ?? 0) / seconds };
  } finally {
    await Promise.all([source.close(), graphs.close()]);
  }
}

/** Bytes at most: of all shares together, and as if nothing that other plans drew were there. @throws what `allow` does */
function allowBytes(
  { rows, request }: Opened,
  wish: SetWish,
  { known, there, first }: { known: FeatureSet | null; there: readonly FeaturePart[]; first: FirstDraws },
): void {
  const partDraws = known?.partDraws ?? wish.partDraws ?? PART_DRAWS;
  const done = new Set(there.map(({ start }) => start));
  const all = partsOf(rows, { range: request.range, part: { index: 0, of: 1 }, partDraws });
  const frames = all
    .filter(({ start }) => !done.has(start))
    .reduce((sum, { start, draws }) => sum + first.count(start, start + draws), 0);
  request.allow(
    frames * wish.model.views.length * featureBytes(wish.model, wish.codec, outlierCount(wish.model.hidden)),
  );
}

interface Making {
  readonly set: FeatureSet;
  /** Parts that need not be made, where they have been looked for. */
  readonly there: readonly FeaturePart[] | null;
  readonly first: FirstDraws;
  readonly source: FrameSource;
  readonly graphs: Graphs;
}

interface MadeParts extends Pick<FeatureReport, 'parts' | 'made' | 'there' | 'computed' | 'reused' | 'bytes'> {
  readonly maps: readonly FeatureMap[];
  readonly interrupted: boolean;
}

async function makeParts(opened: Opened, making: Making, control: FeatureControl): Promise<MadeParts> {
  const { store, rows, model, request } = opened;
  const { set, first, source, graphs } = making;
  const wanted = partsOf(rows, { ...request, partDraws: set.partDraws });
  const frames = publishedFrames(store, set.set);
  const there = making.there ?? (await partsThere(store, rows, set));
  const done = new Set(there.map(({ start }) => start));
  let missing = wanted.filter(({ start }) => !done.has(start));
  const counts = {
    parts: wanted.length,
    made: 0,
    there: wanted.length - missing.length,
    computed: 0,
    reused: 0,
    bytes: 0,
  };
  const total = missing.reduce((sum, { start, draws }) => sum + first.count(start, start + draws), 0);
  let seen = 0;
  const work: PartWork = {
    ...{ store, rows, set, first, source, graphs, signal: control.signal, batch: request.batch },
    hash: await openImageHash(),
    runtime: runtimeOf(request.device, request.batch, model),
    progress(some) {
      seen += some;
      control.progress(seen, total);
    },
  };
  for (let round = 0; ; round++) {
    for (const range of missing) {
      const published = await frames.refresh();
      const made = control.signal.aborted ? null : await makePart(work, wishOf(rows, range, published), published);
      if (made === null) return { ...counts, maps: [], interrupted: true };
      counts.computed += made.computed;
      counts.reused += made.reused;
      counts.bytes += made.bytes;
      counts.made++;
    }
    const { maps, holed } = await makeMaps(store, set, rows, await frames.refresh());
    missing = wanted.filter(({ start }) => holed.some((part) => part.start === start));
    // Frames that lay in tables of other parts, which are gone: once more, and what is lost again is said as missing.
    if (missing.length === 0 || round > 0) return { ...counts, maps, interrupted: false };
  }
}

function reportOf({ rows, model }: Opened, set: FeatureSet | null, made: MadeParts | null) {
  const {
    maps = [],
    interrupted = true,
    ...counts
  } = made ?? { parts: 0, made: 0, there: 0, computed: 0, reused: 0, bytes: 0 };
  return {
    ...{ set: set?.set ?? '', name: set?.name ?? model.preset ?? '', plan: rows.plan, draws: rows.draws },
    ...counts,
    missing: maps.length < rows.segments.length ? null : maps.reduce((sum, map) => sum + map.missing, 0),
    gate: set?.gate ?? {},
    state: interrupted ? ('interrupted' as const) : ('done' as const),
  };
}

async function openPictures({ store, rows, request }: Opened): Promise<FrameSource> {
  if (request.set.images === 'stored') return storedPictures(rows, request.workers);
  const { roots = new Map(), requestOf } = request.again ?? {};
  if (requestOf) return sourcePictures({ rows, uri: store.uri, workers: request.workers }, roots, requestOf);
  throw new PrepError({
    code: 'bad-option',
    at: { field: '--root' },
    expected: 'where the datasets can be read again',
    found: 'nothing',
  });
}

/** @throws PrepError `bad-option` */
function positive(field: string, value: number): void {
  if (Number.isInteger(value) && value > 0) return;
  throw new PrepError({ code: 'bad-option', at: { field }, expected: 'a whole number above 0', found: String(value) });
}

/** What may change the last bits: recorded with every part, compared with nothing. */
const runtimeOf = ({ provider, device }: Device, batch: number, { precision }: FeatureModel): object => ({
  ...{ provider, device, batch, precision },
  machine: { arch: os.arch(), cpu: os.cpus()[0]?.model ?? '' },
});
