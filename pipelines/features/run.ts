/** `prep features run`: the frames that a plan draws, through the frozen model, once each. Killed at any moment, only whole and compared parts count. */
import os from 'node:os';
import { PrepError } from '../../schemas/errors.ts';
import { type FeatureSet, featureBytes, outlierCount } from '../../schemas/features.ts';
import { readParts } from '../../sinks/features.ts';
import { connectStore, type Store } from '../../sinks/store.ts';
import { openImageHash } from '../../transforms/image-hash.ts';
import { openPlanRows, type PlanRows } from '../mixed/plan-rows.ts';
import { type FirstDraws, firstDraws } from './first-draws.ts';
import { type Device, exportedOutputs, type Graphs, openGraphs } from './graphs.ts';
import { makeMaps, partsNow } from './maps.ts';
import { checkFiles, type FeatureModel, readModel } from './model.ts';
import { checkBatch, makePart, type PartRange } from './part.ts';
import { type FrameSource, storedPictures } from './pictures.ts';
import { publishedFrames } from './published.ts';
import { refuseTrained } from './refuse.ts';
import { newSet, PART_DRAWS, registeredSet, type SetWish } from './set.ts';
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
  checkBatch(request.batch);
  const model = readModel(request.model);
  await checkFiles(model, exportedOutputs(model));
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
  const source = await openPictures(opened);
  const graphs = openGraphs(model, request.device);
  try {
    const length = known?.partDraws ?? wish.partDraws ?? PART_DRAWS;
    const wanted = partsOf(rows, { ...request, partDraws: length });
    const done = known ? partsNow(await readParts(store, known.set), rows) : [];
    const missing = wanted.filter(({ start }) => !done.some((part) => part.start === start));
    const total = missing.reduce((sum, { start, draws }) => sum + first.count(start, start + draws), 0);
    request.allow(total * frameBytes(wish));
    const set = known ?? (await firstSet(opened, { wish, first, source, graphs }));
    const frames = publishedFrames(store, set.set);
    const counts = { computed: 0, reused: 0, bytes: 0, made: 0 };
    const hash = await openImageHash();
    let seen = 0;
    const work = {
      ...{ store, rows, set, first, source, graphs, hash },
      batch: request.batch,
      runtime: runtimeOf(request.device, request.batch, model),
      signal: control.signal,
      progress(some: number) {
        seen += some;
        control.progress(seen, total);
      },
    };
    for (const range of missing) {
      const made = control.signal.aborted ? null : await makePart(work, range, (await frames.refresh()).index);
      if (made === null) break;
      counts.computed += made.computed;
      counts.reused += made.reused;
      counts.bytes += made.bytes;
      counts.made++;
    }
    const interrupted = counts.made < missing.length;
    const maps = interrupted ? [] : await makeMaps(store, set, rows, await frames.refresh());
    const seconds = (performance.now() - started) / 1000;
    return {
      ...{ set: set.set, name: set.name, plan: rows.plan, parts: wanted.length, there: wanted.length - missing.length },
      ...counts,
      missing: maps.length < rows.segments.length ? null : maps.reduce((sum, map) => sum + map.missing, 0),
      draws: rows.draws,
      ...{ seconds, framesPerSecond: counts.computed / seconds, gate: set.gate },
      state: interrupted ? 'interrupted' : 'done',
    };
  } finally {
    await Promise.all([source.close(), graphs.close()]);
  }
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

/** Stored bytes of a frame with all views. */
const frameBytes = ({ model, codec }: SetWish): number =>
  model.views.length * featureBytes(model, codec, outlierCount(model.hidden));

/** Parts begin anew with each segment, so that a segment that is appended later changes none. */
function partsOf(
  { segments, draws }: PlanRows,
  { range, part, partDraws }: Pick<FeatureRequest, 'range' | 'part'> & { readonly partDraws: number },
): PartRange[] {
  const [from, to] = range ?? [0, draws];
  if (from < 0 || to > draws || from >= to)
    throw new PrepError({
      code: 'bad-option',
      at: { field: '--range' },
      expected: `draws within 0:${draws}`,
      found: `${from}:${to}`,
    });
  const all = segments.flatMap(({ segment }) =>
    Array.from({ length: Math.ceil(segment.draws / partDraws) }, (_, i) => ({
      start: segment.start + i * partDraws,
      draws: Math.min(partDraws, segment.draws - i * partDraws),
    })),
  );
  return all.filter(({ start, draws: own }, i) => i % part.of === part.index && start >= from && start + own <= to);
}

interface First {
  readonly wish: SetWish;
  readonly first: FirstDraws;
  readonly source: FrameSource;
  readonly graphs: Graphs;
}

/** A new set, calibrated on frames spread evenly over the plan. */
async function firstSet({ store, rows, request }: Opened, { wish, first, source, graphs }: First): Promise<FeatureSet> {
  const { views } = wish.model;
  const slots = views.map((role) => rows.shape.roles.indexOf(role));
  const asked = Math.min(rows.draws, 4 * request.sample);
  const spread = Array.from({ length: asked }, (_, i) => Math.floor((i * rows.draws) / asked)).filter((draw) =>
    first.is(draw),
  );
  const { imageHash } = await rows.pictures(spread, { images: false });
  const whole = spread.filter((_, i) =>
    slots.every((slot) => slot >= 0 && imageHash[i * rows.shape.roles.length + slot] !== 0n),
  );
  if (whole.length === 0)
    throw new PrepError({
      code: 'bad-option',
      at: { field: '--model' },
      expected: `a plan with frames that have the views ${views.join(' and ')}`,
      found: `none among ${spread.length} of its frames (it has ${rows.shape.roles.join(', ')})`,
      remedy: 'export the model for the views that the plan has',
    });
  const stride = Math.max(1, Math.floor(whole.length / request.sample));
  const draws = whole.filter((_, i) => i % stride === 0).slice(0, request.sample);
  return newSet(store, wish, { source, graphs, draws, batch: request.batch });
}

/** What may change the last bits: recorded with every part, compared with nothing. */
const runtimeOf = ({ provider, device }: Device, batch: number, { precision }: FeatureModel): object => ({
  ...{ provider, device, batch, precision },
  machine: { arch: os.arch(), cpu: os.cpus()[0]?.model ?? '' },
});
