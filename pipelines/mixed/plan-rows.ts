/** Draws of a plan → mixed rows in draw order: which step that is, its row, made alike to the plan. */
import { createHash } from 'node:crypto';
import type { Vector } from '../../schemas/arrow.ts';
import { ROLES, type Role } from '../../schemas/episode.ts';
import { PrepError } from '../../schemas/errors.ts';
import type { MixedRows, MixedShape } from '../../schemas/mixed-row.ts';
import type { Segment } from '../../schemas/plan.ts';
import { CAMERA_NUMBERS, type PrepMetadata, presentNames, ROW_VERSION, VECTOR } from '../../schemas/row.ts';
import { readGenerations } from '../../sinks/generations.ts';
import { readDomains, readSegments, type StoredSegment } from '../../sinks/plans.ts';
import type { Store } from '../../sinks/store.ts';
import { openTaker, type TakenRow } from '../../sinks/take.ts';
import { type Harmony, harmoniser } from '../../transforms/harmonise.ts';
import { drawSeed, planOrder } from '../../transforms/order/draws.ts';
import { type Domain, rangeOf, sorted } from '../plan/domain.ts';
import { columnsOf, type DrawnPictures, fetchPictures, hashesOf, NO_BYTES, type Taken, takeAll } from './taken.ts';

/** A draw with its step. */
export interface PlacedDraw {
  readonly draw: number;
  readonly segment: Segment;
  readonly entry: number;
  readonly dataset: string;
  readonly episodeKey: bigint;
  readonly step: number;
}

export interface PlanRows {
  readonly plan: string;
  readonly segments: readonly StoredSegment[];
  readonly harmony: Harmony;
  readonly shape: MixedShape;
  /** Draws of all segments. */
  readonly draws: number;
  /** Schema metadata of the plan's mixed rows. */
  readonly metadata: object;
  /** Of the datasets' tables: a shard with another one is stale. */
  readonly fingerprint: string;
  /** The same of their pictures alone. */
  readonly pixels: string;
  place(draw: number): PlacedDraw;
  /** Different episodes that a batch would hold on average if every entry's steps were drawn at random. */
  idealEpisodes(batch: number): number;
  /** Rows of consecutive or any draws, in that order. @param images false: pictures are left out and empty */
  rows(draws: readonly number[], images?: boolean): Promise<MixedRows>;
  /** Only the pictures of any draws, or only their hashes, in that order. */
  pictures(draws: readonly number[], options: { readonly images: boolean }): Promise<DrawnPictures>;
  close(): void;
}

/** Name of the plan of the highest published generation. */
export const LATEST = 'latest';

/** @param name id of a plan, or `latest`. @throws PrepError `unknown-plan`, `unknown-dataset` */
export async function openPlanRows(store: Store, name: string): Promise<PlanRows> {
  const { plan, most } = await planNamed(store, name);
  const segments = (await readSegments(store, plan)).slice(0, most);
  const order = planOrder(segments.map(({ segment }) => segment));
  const domains = await openDomains(store, plan, segments);
  const harmony = segments[0]!.harmony as Harmony;
  const takers = new Map<string, Taken>();
  for (const dataset of new Set(segments.flatMap(({ segment }) => segment.entries.map((entry) => entry.dataset)))) {
    const taker = await openTaker(store, dataset);
    takers.set(dataset, { taker, harmonise: harmoniser(taker.metadata, harmony) });
  }
  const last = segments.at(-1)!.segment;
  const place = (draw: number): PlacedDraw => {
    const { segment, entry, domain, ordinal } = order.draw(draw);
    const ranges = domains.get(domain)!;
    const range = rangeOf(ranges, ordinal);
    return {
      draw,
      segment,
      entry,
      dataset: segment.entries[entry]!.dataset,
      episodeKey: ranges.keys[range]!,
      step: ranges.starts[range]! + ordinal - ranges.firsts[range]!,
    };
  };
  const known = new Map([...takers].map(([name, { taker }]) => [name, taker.metadata]));
  return {
    plan,
    segments,
    harmony,
    shape: harmony,
    draws: last.start + last.draws,
    metadata: mixedMetadata(plan, segments, harmony, known),
    fingerprint: fingerprintOf(known),
    pixels: pixelsOf(known),
    place,
    idealEpisodes: (batch) => idealEpisodes(last, domains, batch),
    rows: (draws, images = true) => fetchRows(draws.map(place), takers, harmony, images),
    pictures: (draws, { images }) => fetchPictures(draws.map(place), takers, harmony, images),
    close: () => takers.forEach(({ taker }) => void taker.close()),
  };
}

/** Sum over episodes of the chance that one of the entry's draws of a batch is of it: `1 − (1 − steps / all)^draws`. */
function idealEpisodes({ entries }: Segment, domains: ReadonlyMap<number, Domain>, batch: number): number {
  const weights = entries.reduce((sum, { weight }) => sum + weight, 0);
  let ideal = 0;
  for (const { weight, after } of entries) {
    const all = after.reduce((sum, { size }) => sum + size, 0);
    const draws = (batch * weight) / weights;
    const steps = new Map<bigint, number>();
    for (const { domain } of after) {
      const { keys, starts, ends } = domains.get(domain)!;
      for (const [i, key] of keys.entries()) steps.set(key, (steps.get(key) ?? 0) + ends[i]! - starts[i]!);
    }
    for (const own of steps.values()) ideal += 1 - (1 - own / all) ** draws;
  }
  return ideal;
}

/** Of a plan that is being extended `latest` has the segments that were published, whole. */
export async function planNamed(store: Store, name: string): Promise<{ plan: string; most: number }> {
  if (name !== LATEST) return { plan: name, most: Number.POSITIVE_INFINITY };
  const generation = (await readGenerations(store)).at(-1);
  if (generation) return { plan: generation.plan, most: generation.segments };
  throw new PrepError({
    code: 'unknown-plan',
    at: { store: store.uri, field: name },
    expected: 'a published generation',
    found: 'none',
    remedy: '`prep reshard` publishes one; or give the id of a plan (`prep plan list`)',
  });
}

/** Domains of a plan by id. @throws PrepError `unknown-plan` where its table does not fit its segments */
export async function openDomains(
  store: Store,
  plan: string,
  segments: readonly StoredSegment[],
): Promise<Map<number, Domain>> {
  const attempts = [...new Set(segments.map(({ domainAttempt }) => domainAttempt))];
  const domains = new Map<number, Domain>();
  for (const { domain, keys, starts, ends } of await readDomains(store, plan, attempts))
    domains.set(domain, sorted(keys, starts, ends, new Int32Array(keys.length)));
  for (const { segment } of segments)
    for (const [id, size] of Object.entries(segment.domains))
      if (domains.get(Number(id))?.size !== size)
        throw new PrepError({
          code: 'unknown-plan',
          at: { store: store.uri, field: plan },
          expected: `a domain ${id} of ${size} steps`,
          found: String(domains.get(Number(id))?.size ?? 'none'),
          remedy: 'the table of its domains was changed by something else: make the plan again',
        });
  return domains;
}

/** Keys in a fixed order, so that the text is the same wherever it is made. */
export const fingerprintOf = (known: ReadonlyMap<string, PrepMetadata>): string =>
  digestOf(known, ({ fingerprint }) => ({ labels: fingerprint.labels, pixels: fingerprint.pixels }));

/** Also of which cameras are in which roles, and of what read them. */
const pixelsOf = (known: ReadonlyMap<string, PrepMetadata>): string =>
  digestOf(known, ({ fingerprint, roles, format, spec, spec_version }) => [
    fingerprint.pixels,
    roles,
    format,
    spec,
    spec_version,
  ]);

function digestOf(known: ReadonlyMap<string, PrepMetadata>, told: (metadata: PrepMetadata) => unknown): string {
  const sortedKeys = [...known].sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256')
    .update(JSON.stringify(Object.fromEntries(sortedKeys.map(([name, metadata]) => [name, told(metadata)]))))
    .digest('hex')
    .slice(0, 32);
}

function mixedMetadata(
  plan: string,
  segments: readonly StoredSegment[],
  harmony: Harmony,
  known: ReadonlyMap<string, PrepMetadata>,
): object {
  const first = known.values().next().value!;
  return {
    plan,
    row_version: ROW_VERSION,
    harmony,
    chunk: first.chunk,
    arms: harmony.arms === 1 ? ['arm'] : ['right', 'left'],
    roles: harmony.roles,
    reference: harmony.reference,
    tool: harmony.tool,
    rot6d: harmony.rot6d,
    gripper: first.gripper,
    image: first.image,
    flags: first.flags,
    present: presentNames(),
    mixture: segments[0]!.mixture,
    fingerprint: fingerprintOf(known),
    datasets: Object.fromEntries(known),
  };
}

const NUMBERS = ['action', 'action_valid', 'history', 'proprio', 'camera', 'image_hash', 'present', 'flags'];
const TEXTS = ['episode', 'time', 'robot', 'third', 'instruction'];

async function fetchRows(
  placed: readonly PlacedDraw[],
  takers: ReadonlyMap<string, Taken>,
  harmony: Harmony,
  images: boolean,
): Promise<MixedRows> {
  const rows = await takeAll(placed, takers, (own) => [
    ...TEXTS,
    ...NUMBERS,
    ...(images ? columnsOf(own, harmony) : []),
  ]);
  return assemble(placed, rows, takers, harmony);
}

function assemble(
  placed: readonly PlacedDraw[],
  rows: readonly TakenRow[],
  takers: ReadonlyMap<string, Taken>,
  harmony: Harmony,
): MixedRows {
  const count = rows.length;
  const { arms, roles, steps } = harmony;
  const out = emptyRows(count, harmony, roles);
  for (const [i, { batch, at, episode }] of rows.entries()) {
    const { taker, harmonise } = takers.get(placed[i]!.dataset)!;
    const value = (name: string) => batch.getChild(name)!.get(at);
    const numbers = harmonise({
      robot: value('robot'),
      action: floats(batch.getChild('action')!, at),
      actionValid: value('action_valid'),
      history: floats(batch.getChild('history')!, at),
      proprio: floats(batch.getChild('proprio')!, at),
      camera: floats(batch.getChild('camera')!, at),
      present: value('present'),
    });
    out.action.set(numbers.action, i * arms * steps * VECTOR);
    out.history.set(numbers.history, i * arms * VECTOR);
    out.proprio.set(numbers.proprio, i * arms * VECTOR);
    out.camera.set(numbers.camera, i * roles.length * CAMERA_NUMBERS);
    out.actionValid[i] = numbers.actionValid;
    out.present[i] = numbers.present;
    out.flags[i] = value('flags');
    out.imageHash.set(hashesOf(value('image_hash'), taker, roles), i * roles.length);
    for (const role of roles) out.images[role]![i] = batch.getChild(`image_${role}`)?.get(at) ?? NO_BYTES;
    const [low, high] = drawSeed(placed[i]!.segment.seed, placed[i]!.draw);
    out.seed[i] = (BigInt(high) << 32n) | BigInt(low);
    out.draw[i] = BigInt(placed[i]!.draw);
    out.step[i] = placed[i]!.step;
    out.episodeKey[i] = placed[i]!.episodeKey;
    out.group[i] = episode.group;
    out.time[i] = value('time');
    out.hz[i] = episode.hz;
    out.dataset.push(placed[i]!.dataset);
    out.instructions.push(episode.instructions);
    for (const name of ['episode', 'robot', 'third', 'instruction'] as const) out[name].push(value(name));
  }
  return out;
}

function emptyRows(count: number, { arms, steps, reference }: Harmony, roles: readonly Role[]) {
  return {
    count,
    dataset: [] as string[],
    draw: new BigInt64Array(count),
    seed: new BigUint64Array(count),
    reference: new Int8Array(count).fill(reference === 'base' ? -1 : ROLES.indexOf(reference)),
    instructions: [] as (readonly string[])[],
    hz: new Float32Array(count),
    episode: [] as string[],
    step: new Int32Array(count),
    episodeKey: new BigInt64Array(count),
    group: new BigInt64Array(count),
    time: new Float64Array(count),
    robot: [] as string[],
    third: [] as string[],
    instruction: [] as string[],
    images: Object.fromEntries(roles.map((role) => [role, new Array<Uint8Array>(count)])) as Record<Role, Uint8Array[]>,
    action: new Float32Array(count * arms * steps * VECTOR),
    actionValid: new Int16Array(count),
    history: new Float32Array(count * arms * VECTOR),
    proprio: new Float32Array(count * arms * VECTOR),
    camera: new Float32Array(count * roles.length * CAMERA_NUMBERS),
    imageHash: new BigInt64Array(count * roles.length),
    present: new Int32Array(count),
    flags: new Int32Array(count),
  };
}

const floats = (vector: Vector, at: number): Float32Array => vector.get(at).toArray() as Float32Array;
