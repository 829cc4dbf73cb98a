/** Made-up episodes for sink tests and the scale bench: every number is a function of (episode index, step). */
import { createHash } from 'node:crypto';
import type { EpisodeOutcome, JpegColumn, LedgerEntry, StepColumns, Track } from '../../schemas/episode.ts';
import { DEFAULT_LABELS, DEFAULT_PIXELS } from '../../schemas/options.ts';
import {
  CAMERA_NUMBERS,
  FLAGS,
  flagBit,
  type PrepMetadata,
  presentNames,
  type TableShape,
  VECTOR,
} from '../../schemas/row.ts';

export interface SyntheticOptions {
  readonly steps: number;
  /** Bytes per picture; two roles. */
  readonly imageBytes: number;
  readonly dataset?: string;
  /** Changes every stored number and the digest stays: a revision of the same source bytes. */
  readonly revision?: number;
  /** The last camera has no calibration: NaN, as the conventions store what is unknown. */
  readonly unknown?: boolean;
}

const CHUNK = 4;

export function syntheticShape(dataset = 'toy', change: Partial<PrepMetadata> = {}, chunkSteps = CHUNK): TableShape {
  const metadata: PrepMetadata = {
    dataset,
    spec: 'toy',
    format: 'rlds',
    options: { pixels: DEFAULT_PIXELS, labels: DEFAULT_LABELS },
    spec_version: 1,
    robots: {
      toy: { arms: 1, roles: ['third', 'wrist'], hz: 15, clock: 'index', ee_origin: 'flange', eeFromTool: [] },
    },
    arms: ['right'],
    roles: { third: ['ext1'], wrist: ['hand'] },
    chunk: { steps: chunkSteps, dt: 1 / 15 },
    reference: 'third',
    tool: 'native',
    rot6d: 'rows',
    gripper: {
      encoding: '2*openness-1',
      action: 'commanded',
      proprio: 'measured',
      interpolation: 'linear',
      command_offset: 0,
    },
    image: {
      width: 256,
      height: 256,
      fit: 'letterbox',
      resample: 'bicubic',
      codec: 'jpeg',
      quality: 95,
      subsampling: '4:4:4',
    },
    calibration: 'dataset',
    flags: Object.fromEntries(FLAGS.map((flag) => [flag, flagBit(flag)])),
    present: presentNames(),
    row_version: 1,
    fingerprint: { pixels: 'p0', labels: 'l0' },
    ...change,
  };
  return { dataset, arms: 1, roles: ['third', 'wrist'], chunkSteps, metadata };
}

export const episodeName = (index: number): string =>
  `LAB/success/2023-07-07/episode_${String(index).padStart(6, '0')}`;

/** Episode `index`; every 7th is rejected, every 11th quarantined, so that a ledger has all states. */
export function syntheticEpisode(index: number, options: SyntheticOptions, shape: TableShape): EpisodeOutcome {
  const state = index % 7 === 6 ? 'rejected' : index % 11 === 10 ? 'quarantined' : 'kept';
  const ledger = syntheticEntry(index, options, state);
  if (state !== 'kept') return { ledger };
  return { ledger, rows: syntheticRows(index, options, shape), track: syntheticTrack(index, options.steps) };
}

function syntheticEntry(index: number, options: SyntheticOptions, state: LedgerEntry['state']): LedgerEntry {
  const episode = episodeName(index);
  const sourceDigest = createHash('sha256').update(`bytes of ${index}`).digest('hex');
  const dataset = options.dataset ?? 'toy';
  const key = createHash('sha256').update(`${dataset}\0${episode}\0${sourceDigest}`).digest().readBigUInt64BE();
  const shard = `toy-train.tfrecord-${String(Math.floor(index / 100)).padStart(5, '0')}-of-00200`;
  const calibration = {
    source: 'dataset',
    intrinsics_source: 'dataset',
    detail: null,
    measures: { tool_in_view: 0.9 },
  };
  return {
    episode,
    episodeKey: key & 0x7fffffffffffffffn,
    sourceId: episode.replaceAll('_', ':'),
    shard,
    record: { split: 'train', shard, record: index % 100, offset: (index % 100) * 1000, length: 1000 },
    length: options.steps,
    robot: 'toy',
    hz: 15,
    instructions: ['pick up the red block', `variant ${index % 5} — ü`],
    segments: index % 3 === 0 ? [{ start: 0, end: options.steps, text: 'pick' }] : [],
    split: 'train',
    success: index % 3 === 0 ? null : index % 3 === 1,
    state,
    reason: state === 'kept' ? '' : state === 'rejected' ? 'no-extrinsics' : 'bad-image',
    detail: '',
    flagRuns: [{ flag: 'no_instruction', start: 1, end: 3 }],
    calibration: { ext1: { ...calibration, quality: 'good', reason: null } },
    sourceDigest,
    fingerprint: `f${options.revision ?? 0}`,
  };
}

export function syntheticRows(index: number, options: SyntheticOptions, shape: TableShape): StepColumns {
  const { steps } = options;
  const salt = index + 1000 * (options.revision ?? 0);
  const numbers = (width: number, at: number) =>
    Float32Array.from({ length: steps * width }, (_, item) => salt + at + item / 64);
  return {
    steps,
    robot: 'toy',
    third: 'ext1',
    instruction: Array.from({ length: steps }, () => 'pick up the red block'),
    time: Float64Array.from({ length: steps }, (_, step) => step / 15),
    images: { third: pictures(salt, steps, options.imageBytes), wrist: pictures(salt + 1, steps, options.imageBytes) },
    action: numbers(shape.arms * shape.chunkSteps * VECTOR, 0.1),
    actionValid: Int16Array.from({ length: steps }, (_, step) => Math.min(shape.chunkSteps, steps - 1 - step)),
    history: numbers(shape.arms * VECTOR, 0.2),
    proprio: numbers(shape.arms * VECTOR, 0.3),
    camera: cameraNumbers(numbers(shape.roles.length * CAMERA_NUMBERS, 0.4), options.unknown ?? false),
    imageHash: BigInt64Array.from({ length: steps * shape.roles.length }, (_, item) => BigInt(salt * 7919 + item)),
    present: new Int32Array(steps).fill(7),
    flags: Int32Array.from({ length: steps }, (_, step) => step % 4),
  };
}

function cameraNumbers(values: Float32Array, unknown: boolean): Float32Array {
  return unknown ? values.map((value, at) => (at % 32 < 16 ? value : Number.NaN)) : values;
}

/** A cheap generator (not for statistics): incompressible enough that stored sizes are honest. */
function pictures(salt: number, steps: number, bytes: number): JpegColumn {
  const data = new Uint8Array(steps * bytes);
  const words = new Uint32Array(data.buffer, 0, data.length >> 2);
  let state = (salt * 2654435761 + 12345) >>> 0;
  for (let item = 0; item < words.length; item++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[item] = state;
  }
  return { data, offsets: Int32Array.from({ length: steps + 1 }, (_, step) => step * bytes) };
}

function syntheticTrack(index: number, steps: number): Track {
  const numbers = (width: number, at: number) =>
    Float64Array.from({ length: steps * width }, (_, item) => index + at + item / 3);
  return {
    time: numbers(1, 0),
    baseFromEe: numbers(7, 0.1),
    opennessMeasured: numbers(1, 0.2),
    opennessCommanded: numbers(1, 0.3),
    cameras: [
      { name: 'ext1', width: 320, height: 180, k: [260, 260, 159.5, 89.5], baseFromCam: numbers(12 / steps, 0.4) },
      { name: 'hand', width: 320, height: 180, k: [], baseFromCam: new Float64Array(0) },
    ],
    release: JSON.stringify({ index }),
  };
}
