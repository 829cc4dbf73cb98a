/** Forms of published layouts that differ from the usual one, read through their containers (fixtures/variants/make.py). */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { PrepError } from '../../schemas/errors.ts';
import { toMatrix34 } from '../../schemas/geometry.ts';
import { posesOfSeries } from '../../schemas/pose-series.ts';
import type { SourceRecord } from '../../schemas/records.ts';
import type { EpisodeIdentity, SourceCamera, SourceData } from '../../schemas/source.ts';
import type { Meaning } from '../../schemas/spec.ts';
import { agibotCamera } from '../../sources/datasets/agibot/calibration.ts';
import { openDataset } from '../../sources/index.ts';
import { openSource } from '../../sources/open.ts';
import { cameraPoses } from '../../transforms/poses.ts';
import { soundEpisode } from '../../transforms/sound.ts';
import { worst } from '../geometry/golden.ts';

interface Truth {
  fault?: string;
  frozen?: boolean;
  robot?: string;
  hz?: number;
  success?: boolean;
  instructions?: string[];
  segments?: object[];
  poses?: number[][][];
  measured?: number[][];
  commanded?: number[][];
  /** RoboMIND: camera → R and B exchanged. */
  bgr?: Record<string, boolean>;
  /** RoboTwin: baseFromCam per step, and fx fy cx cy. */
  camera?: number[][];
  k?: number[];
  moving?: number[][];
  /** DROID: pose at the first step of each camera. */
  told?: Record<string, number[]>;
}
const folder = new URL('../../fixtures/variants/', import.meta.url);
const expected: Record<string, Record<string, Truth>> = JSON.parse(
  readFileSync(new URL('expected.json', folder), 'utf8'),
);

interface Read {
  identity?: EpisodeIdentity;
  data?: SourceData;
  fault?: PrepError;
  release?(): Promise<void>;
}

/** Every episode below a folder, by its id (or its path, where it cannot say who it is). */
async function episodesOf(dataset: string, path: string): Promise<Map<string, Read>> {
  const specs = await openDataset(dataset);
  const { spec, container } = await openSource(specs, fileURLToPath(new URL(path, folder)), { partial: false });
  const meaning = spec as unknown as Meaning<SourceRecord>;
  const found = new Map<string, Read>();
  for (const shard of container.shards)
    for await (const episode of container.episodes(shard, () => false)) {
      const read: Read = {};
      let id = shard.file;
      try {
        if (episode.record instanceof PrepError) throw episode.record;
        const record = episode.record();
        read.identity = meaning.identity(record, episode.within);
        id = read.identity.id;
        read.data = meaning.data(record);
      } catch (error) {
        if (!(error instanceof PrepError)) throw error;
        read.fault = error;
      }
      if (episode.release) read.release = episode.release;
      found.set(id, read);
    }
  return found;
}

function compare({ identity, data, fault }: Read, truth: Truth): void {
  if (truth.fault) {
    expect(fault?.code).toBe(truth.fault);
    return;
  }
  if (fault) throw fault;
  expect(data!.arms).toHaveLength((truth.measured ?? truth.poses)!.length);
  for (const [i, arm] of data!.arms.entries()) {
    // Parquet columns hold float32.
    if (truth.poses)
      expect(worst(posesOfSeries(arm.pose).flatMap(toMatrix34), truth.poses[i]!.flat())).toBeLessThan(1e-6);
    if (truth.measured) expect(worst(arm.opennessMeasured, truth.measured[i]!)).toBeLessThan(1e-6);
    if (truth.commanded) expect(worst(arm.opennessCommanded, truth.commanded[i]!)).toBeLessThan(1e-6);
  }
  if (truth.robot) expect(identity!.robot).toBe(truth.robot);
  if (truth.hz) expect(identity!.hz).toBe(truth.hz);
  if (truth.success !== undefined) expect(identity!.success).toBe(truth.success);
  if (truth.instructions) expect(identity!.instructions).toEqual(truth.instructions);
  if (truth.segments) expect(identity!.segments).toEqual(truth.segments);
}

const cameraOf = ({ data }: Read, name: string): SourceCamera => data!.cameras.find((one) => one.name === name)!;

describe.each(['agibot', 'robomind', 'robotwin', 'robomimic', 'aloha', 'droid_raw'])('%s', async (dataset) => {
  const found = await episodesOf(dataset, dataset);
  const named = (id: string): Read => found.get(id) ?? [...found].find(([key]) => key.startsWith(id))![1];
  it('all episodes', () => {
    expect(found.size).toBe(Object.keys(expected[dataset]!).length);
  });
  it.each(Object.entries(expected[dataset]!))('%s', (id, truth) => {
    compare(named(id), truth);
    for (const [name, bgr] of Object.entries(truth.bgr ?? {}))
      expect(cameraOf(named(id), name).appearance, name).toEqual({ bgr });
    if (truth.frozen)
      expect(() =>
        soundEpisode(named(id).identity!, { ...named(id).data!, cameras: [] }, { kind: 'index', hz: 30 }),
      ).toThrow('frozen-pose');
    if (truth.moving)
      expect((named(id).data!.flagRuns ?? []).map(({ flag, start, end }) => [flag, start, end])).toEqual(
        truth.moving.map((run) => ['base_moving', ...run]),
      );
  });
  if (dataset === 'robotwin')
    it.each(Object.entries(expected.robotwin!).filter(([, { fault }]) => !fault))('the camera of %s', (id, truth) => {
      const [camera] = named(id).data!.cameras;
      expect(worst(cameraPoses(camera!.pose!, 4, {}).flatMap(toMatrix34), truth.camera!.flat())).toBeLessThan(1e-9);
      expect([...(camera!.intrinsics!.values as Float64Array).slice(0, 4)]).toEqual(truth.k);
      expect(camera!.appearance).toEqual({ bgr: true });
    });
  if (dataset === 'aloha')
    it.each(Object.keys(expected.aloha!))('pictures of %s end where they end', async (id) => {
      for (const { frames, name } of named(id).data!.cameras) {
        if (frames.kind !== 'stream') throw new Error('frames in memory');
        for await (const batch of frames.batches()) {
          if (batch.kind !== 'pictures') throw new Error('no pictures');
          for (const { offset, length } of batch.spans)
            expect(Buffer.from(batch.buffer, offset + length - 2, 2).toString('hex'), name).toBe('ffd9');
        }
      }
    });
  if (dataset === 'droid_raw')
    it.each(Object.entries(expected.droid_raw!))('camera poses of %s that only the metadata have', (id, { told }) => {
      expect([...cameraOf(named(id), 'wrist_image_left').pose!.values]).toEqual(told!.wrist);
      expect([...cameraOf(named(id), 'exterior_image_1_left').pose!.values]).toEqual(told!.ext1);
      expect(cameraOf(named(id), 'exterior_image_2_left').pose).toBeUndefined();
    });
});

describe('camera poses of AgiBotWorld, one for each step', () => {
  const entry = {
    extrinsic: {
      rotation_matrix: [
        [1, 0, 0],
        [0, 1, 0],
        [0, 0, 1],
      ],
      translation_vector: [0, 0, 1],
    },
  };
  const camera = (entries: number) =>
    agibotCamera(
      'head',
      { intrinsic: { intrinsic: { fx: 1, fy: 1, ppx: 1, ppy: 1 } }, extrinsic: Array(entries).fill(entry) },
      100,
    );
  it.each([90, 97, 100, 103])('%i for 100 steps', (entries) => {
    expect(camera(entries).baseFromCam).toHaveLength(100);
    expect(camera(entries).repeated).toBe(Math.max(0, 100 - entries));
  });
  it.each([0, 60, 110])('%i for 100 steps are refused', (entries) => {
    expect(() => camera(entries)).toThrow('field-shape');
  });
});

describe('InternData-M1', () => {
  it.each([
    ['simulated/franka', 'franka', null],
    ['simulated/agilex/pick', '', 'AgileX'],
    ['pick', 'AgileX', 'AgileX'],
  ] as const)('%s, robot %s', async (path, robotType, refused) => {
    const [spec] = await openDataset('interndata_m1');
    if (spec!.format !== 'lerobot') throw new Error('another format');
    const features = { 'state.eef_quaternion': { dtype: 'float64', shape: [4], names: [] } };
    const told = spec!.accepts({ path, robotType, features, version: 'v2.1', fps: 30, json: {} });
    if (refused === null) expect(told).toBeNull();
    else expect(told).toContain(refused);
  });
});

describe('interndata_a1', () => {
  it.each(Object.entries(expected.a1!))('%s', async (robot, truth) => {
    const found = await episodesOf('interndata_a1', `a1/sim_updated/basic_tasks/${robot}`);
    expect(found.size).toBe(1);
    compare([...found.values()][0]!, truth);
  });
});
