/** WebDataset: tars of samples, one per row, in order; `index.json` lists them as `wids` reads it. */
import type { MixedRows } from '../../schemas/mixed-row.ts';
import { arrayColumns, rowBytes, scalarColumns } from './columns.ts';
import type { CreateFile, ExportFormat, ExportSet, ExportUnit, UnitWriter, WrittenFile } from './format.ts';
import { npy } from './npy.ts';
import { tarEnd, tarMember } from './tar.ts';

const shardName = (index: number): string => `shard-${String(index).padStart(6, '0')}.tar`;
/** Keys are draws (rows of a dataset), so that a sample says where in the plan it stands. No dot: it would begin the ending. */
const sampleKey = (draw: bigint): string => String(draw).padStart(12, '0');

export function webdataset(set: ExportSet, create: CreateFile): ExportFormat {
  const shards: { url: string; nsamples: number; filesize: number }[] = [];
  return {
    open: (unit) => openShard(set, create, unit),
    learn({ start, end }, { files: [tar] }) {
      shards.push({ url: tar!.path, nsamples: end - start, filesize: tar!.bytes });
    },
    index: async () => [{ path: 'index.json', content: `${JSON.stringify(wids(shards), null, 1)}\n` }],
  };
}

const wids = (shardlist: readonly object[]): object => ({
  __kind__: 'wids-shard-index-v1',
  wids_version: 1,
  shardlist,
});

async function openShard(set: ExportSet, create: CreateFile, unit: ExportUnit): Promise<UnitWriter> {
  const file = await create(shardName(unit.index));
  return {
    async add({ rows }) {
      const blocks: Uint8Array[] = [];
      for (let at = 0; at < rows.count; at++)
        for (const [ending, content] of sample(set, rows, at))
          blocks.push(...tarMember(`${sampleKey(rows.draw[at]!)}.${ending}`, content));
      await file.append(Buffer.concat(blocks));
    },
    async close() {
      await file.append(tarEnd());
      const written: WrittenFile = await file.close();
      return { files: [written], facts: null };
    },
    discard: () => file.discard(),
  };
}

/** Ending → contents. A picture that a row lacks is no member; `present` says so too. */
function* sample(set: ExportSet, rows: MixedRows, at: number): Generator<[string, Uint8Array]> {
  for (const role of set.shape.roles) {
    const jpeg = rows.images[role]![at]!;
    if (jpeg.length > 0) yield [`${role}.jpg`, jpeg];
  }
  for (const column of arrayColumns(set))
    yield [`${column.name}.npy`, npy(column.dtype, column.shape, rowBytes(column, rows, at))];
  const fields = scalarColumns(set).map(({ name, of }) => `${JSON.stringify(name)}: ${literal(of(rows, at))}`);
  yield ['json', Buffer.from(`{${fields.join(', ')}}`)];
}

/** JSON that keeps int64 and uint64 whole; a float32 as the double that it widens to. */
const literal = (value: number | bigint | string | readonly string[]): string =>
  typeof value === 'bigint' ? `${value}` : JSON.stringify(value);
