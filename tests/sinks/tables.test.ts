/** Schemas of the tables, and the refusal of a table made with other options. */
import { describe, expect, it } from 'vitest';
import { ledgerSchema, partSchema, runSchema, trackSchema } from '../../schemas/ledger-row.ts';
import { stepSchema } from '../../schemas/row.ts';
import { dropDataset } from '../../sinks/drop.ts';
import { listDatasets, openDataset, readParts } from '../../sinks/read.ts';
import { connectStore, storeUri } from '../../sinks/store.ts';
import { audit, label, openToy, rawRows, temporaryStore } from './open.ts';
import { syntheticEpisode, syntheticShape } from './synthetic.ts';

const shape = syntheticShape();
const outcome = (index: number) => syntheticEpisode(index, { steps: 4, imageBytes: 50 }, shape);
const end = { state: 'done', summary: {} } as const;
const fields = (schema: ReturnType<typeof ledgerSchema>) =>
  schema.fields.map((field) => `${field.name}: ${field.type}${field.nullable ? ' null' : ''}`);

describe('schemas', () => {
  it('are fixed', () => {
    expect(fields(ledgerSchema())).toMatchSnapshot('ledger');
    expect(fields(trackSchema())).toMatchSnapshot('tracks');
    expect(fields(partSchema())).toMatchSnapshot('parts');
    expect(fields(runSchema())).toMatchSnapshot('runs');
    expect(fields(stepSchema(shape))).toMatchSnapshot('steps');
  });

  it('arrive in the store as they are, with metadata, format 2.2 and primary keys', async () => {
    const store = temporaryStore();
    await (await openToy(store)).close(end);
    const { connection } = await connectStore(store);
    for (const [name, wanted] of [
      ['toy_steps', stepSchema(shape)],
      ['toy_episodes', ledgerSchema()],
      ['toy_tracks', trackSchema()],
      ['parts', partSchema()],
      ['runs', runSchema()],
    ] as const) {
      const stored = await (await connection.openTable(name)).schema();
      expect(fields(stored)).toEqual(fields(wanted));
      const key = wanted.fields.find((field) => field.metadata.size > 0)?.name;
      expect(stored.fields.filter((field) => field.metadata.size > 0).map((field) => field.name)).toEqual(
        key ? [key] : [],
      );
      if (name === 'toy_steps') expect(JSON.parse(stored.metadata.get('prep') ?? '')).toEqual(shape.metadata);
    }
  });

  it('hold a ledger in which no episode says whether it succeeded', async () => {
    const store = temporaryStore();
    const sink = await openToy(store);
    await sink.add(outcome(0));
    await sink.close(end);
    expect(await rawRows(store, 'toy_episodes', ['success'])).toEqual([{ success: null }]);
  });

  it('put the flag bit first', async () => {
    const store = temporaryStore();
    const sink = await openToy(store);
    await sink.add(outcome(1));
    await sink.close(end);
    const [row] = await rawRows(store, 'toy_episodes');
    const [run] = [...(row!.flag_runs as Iterable<object>)];
    expect(Object.entries({ ...run })).toEqual([
      ['bits', 16],
      ['flag', 'no_instruction'],
      ['start', 1],
      ['end', 3],
    ]);
    expect(JSON.parse(row!.record as string)).toEqual({ split: 'train', record: 1, offset: 1000, length: 1000 });
  });
});

describe('a table that was made with other options', () => {
  const changed = (fingerprint: { pixels: string; labels: string }, chunk = shape.metadata.chunk) =>
    syntheticShape('toy', { fingerprint, chunk });

  it('is refused: labels differ, which relabel can change', async () => {
    const store = temporaryStore();
    await (await openToy(store)).close(end);
    const refusal = openToy(store, { shape: changed({ pixels: 'p0', labels: 'l1' }, { steps: 4, dt: 0.5 }) });
    await expect(refusal).rejects.toMatchObject({ code: 'fingerprint' });
    await expect(refusal).rejects.toThrow(
      /the labels of.*chunk\.dt is 0\.0666.* in the store, 0\.5 asked.*prep relabel/,
    );
  });

  it('is refused: pixels differ, which needs the frames', async () => {
    const store = temporaryStore();
    await (await openToy(store)).close(end);
    const image = { ...shape.metadata.image, quality: 90 };
    const refusal = openToy(store, {
      shape: syntheticShape('toy', { image, fingerprint: { pixels: 'p1', labels: 'l0' } }),
    });
    await expect(refusal).rejects.toThrow(
      /the pixels of.*image\.quality is 95 in the store, 90 asked.*--as NAME.*--replace/,
    );
    await expect(refusal).rejects.not.toThrow(/relabel/);
  });

  it('is refused when only the columns differ', async () => {
    const store = temporaryStore();
    await (await openToy(store)).close(end);
    await expect(openToy(store, { shape: syntheticShape('toy', {}, 5) })).rejects.toThrow(/the columns of/);
  });

  it('can be replaced', async () => {
    const store = temporaryStore();
    const first = await openToy(store);
    await first.add(outcome(0));
    await expect(dropDataset(store, 'toy')).rejects.toMatchObject({ code: 'part-owned' });
    await first.close({ state: 'interrupted', summary: {} });
    await dropDataset(store, 'toy');
    await dropDataset(store, 'toy');
    expect(await listDatasets(store)).toEqual([]);
    const sink = await openToy(store, { shape: changed({ pixels: 'p1', labels: 'l1' }), part: { index: 0, of: 3 } });
    await sink.add(outcome(1));
    await sink.close(end);
    expect(await audit(store)).toMatchObject({ voidSteps: 0, wrong: [] });
    expect((await readParts(store)).map((part) => part.status).sort()).toEqual(['done', 'dropped']);
  });
});

it('names the datasets that there are', async () => {
  const store = temporaryStore();
  await (await openToy(store)).close(end);
  expect(await listDatasets(store)).toEqual(['toy']);
  await expect(openDataset(store, 'tot')).rejects.toMatchObject({ code: 'unknown-dataset' });
  await expect(openDataset(store, 'tot')).rejects.toThrow(/one of toy/);
  await expect(openToy(store, { shape: syntheticShape('a/b') })).rejects.toMatchObject({ code: 'bad-option' });
});

it('a path that starts with "db" is a path', () => {
  expect(storeUri('db')).toMatch(/^\/.*\/db$/);
  expect(storeUri('s3://bucket/db')).toBe('s3://bucket/db');
  expect(label.command).toBe('test');
});
