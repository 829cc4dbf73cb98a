/** Pictures read again from the datasets: the resized frames as they were before JPEG, proved by the JPEG that they give. */
import type { Role } from '../../schemas/episode.ts';
import { PrepError } from '../../schemas/errors.ts';
import { type DatasetReader, openDataset } from '../../sinks/read.ts';
import type { Found, KnownEpisode } from '../../sources/container.ts';
import { type Labelled, prepareEpisode, type Registry } from '../episode.ts';
import { type IngestRequest, type OpenIngest, openIngest } from '../ingest-plan.ts';
import type { PlanRows } from '../mixed/plan-rows.ts';
import { openPixelPool, type PixelPool, type PixelResult } from '../pixel-pool.ts';
import { codeEpisode } from '../pixels.ts';
import { PICTURE_BYTES } from './picture-job.ts';
import type { FrameSource } from './pictures.ts';

/** Where a dataset of the plan can be read again. */
export interface SourceRoot {
  readonly root: string;
  /** Side files that it was ingested with. */
  readonly calibration?: string | undefined;
  /** The dataset file or mapping, where it is the user's own. */
  readonly spec?: string | undefined;
}

/** Turns a place into what `prep ingest` would be asked, with the options that the store recorded. */
export type RequestOf = (dataset: string, root: SourceRoot, reader: DatasetReader) => IngestRequest;

interface Opened {
  readonly reader: DatasetReader;
  readonly ingest: OpenIngest;
  readonly pool: PixelPool;
}

/**
 * Frames by draws, each episode of a batch read once. Costly where an episode is one record: a batch reads every record that holds one of its frames.
 * @throws PrepError `bad-option` where a dataset has no root, `fingerprint` where it would be ingested otherwise than it was
 */
export async function sourcePictures(
  { rows, uri, workers }: { readonly rows: PlanRows; readonly uri: string; readonly workers: number },
  roots: ReadonlyMap<string, SourceRoot>,
  requestOf: RequestOf,
): Promise<FrameSource> {
  const datasets = new Set(rows.segments.flatMap(({ segment }) => segment.entries.map(({ dataset }) => dataset)));
  const opened = new Map<string, Opened>();
  const close = async (): Promise<void> => {
    for (const { reader, ingest, pool } of opened.values()) {
      reader.close();
      ingest.table.sideFiles?.close();
      await pool.close();
      await ingest.container.close();
    }
  };
  try {
    for (const dataset of datasets) opened.set(dataset, await openOne({ uri, workers }, { dataset, roots, requestOf }));
  } catch (error) {
    await close();
    throw error;
  }
  return {
    async read(draws, views) {
      const images = new Uint8Array(draws.length * views.length * PICTURE_BYTES);
      const { imageHash } = await rows.pictures(draws, { images: false });
      const hashes = new BigInt64Array(draws.length * views.length);
      const roles = rows.shape.roles;
      for (const [i] of draws.entries())
        for (const [v, role] of views.entries())
          hashes[i * views.length + v] = imageHash[i * roles.length + roles.indexOf(role)]!;
      for (const [dataset, one] of opened) await fillFrom(one, { dataset, rows, draws, views, hashes, images });
      return { draws, images, imageHash: hashes };
    },
    close,
  };
}

async function openOne(
  { uri, workers }: { readonly uri: string; readonly workers: number },
  { dataset, roots, requestOf }: { dataset: string; roots: ReadonlyMap<string, SourceRoot>; requestOf: RequestOf },
): Promise<Opened> {
  const root = roots.get(dataset);
  if (!root)
    throw new PrepError({
      code: 'bad-option',
      at: { dataset, field: '--root' },
      expected: 'where the dataset can be read again',
      found: roots.size > 0 ? `only ${[...roots.keys()].join(', ')}` : 'nothing',
      remedy: `--root ${dataset}=URI, or --from stored`,
    });
  const reader = await openDataset(uri, dataset);
  const ingest = await openIngest(requestOf(dataset, root, reader));
  const [now, then] = [ingest.table.shape.metadata.fingerprint, reader.metadata.fingerprint];
  if (now.pixels !== then.pixels || now.labels !== then.labels) {
    reader.close();
    throw new PrepError({
      code: 'fingerprint',
      at: { dataset },
      expected: 'the source read as it was ingested',
      found: 'another version of the dataset file, or other side files',
      remedy: '--calibration names the side files; otherwise use --from stored',
    });
  }
  const { quality, subsampling } = ingest.table.pixels;
  const pool = openPixelPool({ workers, canvases: true, fit: ingest.table.fit, quality, subsampling });
  return { reader, ingest, pool };
}

interface Filling {
  readonly dataset: string;
  readonly rows: PlanRows;
  readonly draws: readonly number[];
  readonly views: readonly Role[];
  /** That the JPEG of each picture must have. */
  readonly hashes: BigInt64Array;
  readonly images: Uint8Array;
}

async function fillFrom(opened: Opened, filling: Filling): Promise<void> {
  const { rows, draws, dataset } = filling;
  const wanted = new Map<bigint, { step: number; at: number }[]>();
  for (const [at, draw] of draws.entries()) {
    const place = rows.place(draw);
    if (place.dataset !== dataset) continue;
    wanted.set(place.episodeKey, [...(wanted.get(place.episodeKey) ?? []), { step: place.step, at }]);
  }
  if (wanted.size === 0) return;
  const ledger = await opened.reader.episodes([...wanted.keys()]);
  const keys = new Map(ledger.map(({ entry }) => [placeKey(entry.record), entry.episodeKey]));
  for (const shard of opened.ingest.container.shards) {
    const known: KnownEpisode[] = ledger
      .filter(({ entry }) => entry.record.split === shard.split && entry.record.shard === shard.file)
      .map(({ entry }) => ({ place: entry.record, digest: entry.sourceDigest }))
      .sort((a, b) => a.place.record - b.place.record || a.place.offset - b.place.offset);
    if (known.length === 0) continue;
    for await (const found of opened.ingest.container.again(shard, known))
      try {
        const key = keys.get(placeKey(found.place))!;
        await fillEpisode(opened, { ...filling, found, frames: wanted.get(key)! });
        wanted.delete(key);
      } finally {
        await found.release?.();
      }
  }
  if (wanted.size === 0) return;
  const [key, [frame]] = [...wanted][0] as [bigint, { step: number }[]];
  throw new PrepError({
    code: 'source-changed',
    at: { dataset, episode: `with key ${key}`, step: frame!.step },
    expected: 'the episode in its shard, as when it was ingested',
    found: 'no such shard under --root',
    remedy: 'bring the source back as it was, or use --from stored',
  });
}

const placeKey = ({ split, shard, record, offset }: Found['place']): string =>
  `${split}\0${shard}\0${record}\0${offset}`;

interface FillingEpisode extends Filling {
  readonly found: Found & { readonly record: Parameters<typeof prepareEpisode>[0] | PrepError };
  readonly frames: readonly { readonly step: number; readonly at: number }[];
}

async function fillEpisode({ ingest, pool }: Opened, filling: FillingEpisode): Promise<void> {
  const { found, frames, dataset } = filling;
  if (found.record instanceof PrepError) throw found.record.within({ dataset, shard: found.place.shard });
  const kept = labelled(found.record, found, ingest, dataset);
  const steps = Int32Array.from(new Set(frames.map(({ step }) => step))).sort();
  const result = await codeEpisode(kept, { shape: ingest.table.shape, steps }, pool);
  for (const { step, at } of frames) put(result, { ...filling, kept, place: steps.indexOf(step), step, at });
}

/** Nothing is a duplicate or excluded: the ledger says that it is kept. */
const KEPT: Registry = {
  excluded: () => undefined,
  uniqueId: (id) => ({ id, clash: undefined }),
  duplicateOf: () => undefined,
};

function labelled(
  record: Parameters<typeof prepareEpisode>[0],
  found: Found,
  { table, spec }: OpenIngest,
  dataset: string,
): Labelled {
  const prepared = prepareEpisode(record, found, { table, spec, registry: KEPT });
  if ('kept' in prepared) return prepared.kept;
  const { reason, detail } = prepared.aside;
  throw new PrepError({
    code: 'source-changed',
    at: { dataset, shard: found.place.shard, record: found.place.record },
    expected: 'an episode that is kept, as when it was ingested',
    found: `${reason}: ${detail}`,
    remedy: `if it was ingested with side files, name them: --calibration ${dataset}=DIR`,
  });
}

interface Putting extends FillingEpisode {
  readonly kept: Labelled;
  /** Number of the frame among those that were read. */
  readonly place: number;
  readonly step: number;
  readonly at: number;
}

function put({ canvases = {}, hashes: made }: PixelResult, putting: Putting): void {
  const { views, hashes, images, dataset, kept, place, step, at } = putting;
  for (const [v, role] of views.entries()) {
    const slot = at * views.length + v;
    const canvas = canvases[role]?.subarray(place * PICTURE_BYTES, (place + 1) * PICTURE_BYTES);
    if (made[role]?.[place] !== hashes[slot] || canvas?.length !== PICTURE_BYTES)
      throw new PrepError({
        code: 'source-changed',
        at: { dataset, episode: kept.episode.id, camera: role, step },
        expected: 'a frame that gives the stored picture',
        found: 'another picture',
        remedy: 'the source or the decoder is not what it was: use --from stored',
      });
    images.set(canvas, slot * PICTURE_BYTES);
  }
}
