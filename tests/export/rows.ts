/** The same rows by the readers of this package, written down for `test_read.py`. */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openPlanReader } from '../../pipelines/mixed/reader.ts';
import { ROLES, type Role, type StepColumns } from '../../schemas/episode.ts';
import { freshFolder, stored } from '../e2e/demo-set.ts';

type Numbers = Float32Array | BigInt64Array;

export interface Dump {
  readonly count: number;
  readonly roles: readonly Role[];
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  readonly arrays: Readonly<Record<string, Numbers>>;
  /** sha-256 by role, '' where there is none. */
  readonly images: Readonly<Record<string, readonly string[]>>;
  /** Texts, numbers, int64 as decimal text. */
  readonly fields: Readonly<Record<string, readonly unknown[]>>;
}

/** Into a new folder: one raw file per array, the rest as JSON. */
export function written({ arrays, fields, ...rest }: Dump): string {
  const folder = freshFolder();
  for (const [name, values] of Object.entries(arrays))
    writeFileSync(join(folder, `${name}.bin`), new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  const dtypes = Object.fromEntries(
    Object.entries(arrays).map(([name, values]) => [name, values instanceof Float32Array ? '<f4' : '<i8']),
  );
  writeFileSync(join(folder, 'rows.json'), JSON.stringify({ ...rest, ...fields, arrays: dtypes }));
  return folder;
}

const digest = (bytes: Uint8Array): string =>
  bytes.length === 0 ? '' : createHash('sha256').update(bytes).digest('hex');
const texts = (values: Iterable<number | bigint>): string[] => [...values].map(String);

/** As `prep read` streams them. */
export async function planDump(store: string, plan: string, draws: number): Promise<Dump> {
  const reader = await openPlanReader({ store, plan, batch: draws });
  try {
    for await (const { rows } of reader.batches()) {
      const roles = ROLES.filter((role) => rows.images[role]);
      const arms = rows.history.length / draws / 10;
      const steps = rows.action.length / draws / arms / 10;
      return {
        count: draws,
        roles,
        shapes: shapesOf(arms, steps, roles.length),
        arrays: {
          action: rows.action,
          history: rows.history,
          proprio: rows.proprio,
          camera: rows.camera,
          image_hash: rows.imageHash,
        },
        images: Object.fromEntries(roles.map((role) => [role, rows.images[role]!.map(digest)])),
        fields: {
          dataset: rows.dataset,
          episode: rows.episode,
          robot: rows.robot,
          third: rows.third,
          instruction: rows.instruction,
          instructions: rows.instructions,
          time: [...rows.time],
          hz: [...rows.hz],
          draw: texts(rows.draw),
          seed: texts(rows.seed),
          reference: texts(rows.reference),
          step: texts(rows.step),
          episode_key: texts(rows.episodeKey),
          action_valid: texts(rows.actionValid),
          present: texts(rows.present),
          flags: texts(rows.flags),
        },
      };
    }
    throw new Error('no rows');
  } finally {
    reader.close();
  }
}

/** As the store's own reader gives whole episodes, in the order of their ids. */
export async function datasetDump(store: string, dataset: string): Promise<Dump> {
  const { ledger, metadata, rows } = await stored(store, dataset);
  const ids = [...rows.keys()].sort();
  const all = ids.map((id) => rows.get(id)!);
  const roles = ROLES.filter((role) => metadata.roles[role]);
  const each = <T>(of: (columns: StepColumns, id: string) => Iterable<T>): T[] =>
    ids.flatMap((id) => [...of(rows.get(id)!, id)]);
  const same = <T>(of: (id: string) => T): T[] => each(({ steps }, id) => new Array<T>(steps).fill(of(id)));
  const jpegs = (role: Role): string[] =>
    each(({ images, steps }) =>
      Array.from({ length: steps }, (_, step) => {
        const { data, offsets } = images[role]!;
        return digest(data.subarray(offsets[step]!, offsets[step + 1]!));
      }),
    );
  const arms = metadata.arms.length;
  return {
    count: all.reduce((sum, { steps }) => sum + steps, 0),
    roles,
    shapes: shapesOf(arms, metadata.chunk.steps, roles.length),
    arrays: {
      action: Float32Array.from(each(({ action }) => action)),
      history: Float32Array.from(each(({ history }) => history)),
      proprio: Float32Array.from(each(({ proprio }) => proprio)),
      camera: Float32Array.from(each(({ camera }) => camera)),
      image_hash: BigInt64Array.from(each(({ imageHash }) => imageHash)),
    },
    images: Object.fromEntries(roles.map((role) => [role, jpegs(role)])),
    fields: {
      dataset: same(() => dataset),
      episode: same((id) => id),
      robot: same((id) => rows.get(id)!.robot),
      third: same((id) => rows.get(id)!.third),
      instruction: each(({ instruction }) => instruction),
      instructions: same((id) => ledger.get(id)!.entry.instructions),
      time: each(({ time }) => time),
      hz: same((id) => Math.fround(ledger.get(id)!.entry.hz)),
      reference: same(() => String(metadata.reference === 'base' ? -1 : ROLES.indexOf(metadata.reference))),
      step: each(({ steps }) => texts(Array.from({ length: steps }, (_, step) => step))),
      episode_key: same((id) => String(ledger.get(id)!.entry.episodeKey)),
      action_valid: each(({ actionValid }) => texts(actionValid)),
      present: each(({ present }) => texts(present)),
      flags: each(({ flags }) => texts(flags)),
    },
  };
}

const shapesOf = (arms: number, steps: number, roles: number): Record<string, number[]> => ({
  action: [arms, steps, 10],
  history: [arms, 10],
  proprio: [arms, 10],
  camera: [roles, 16],
  image_hash: [roles],
});
