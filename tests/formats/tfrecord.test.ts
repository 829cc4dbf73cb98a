import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PrepError } from '../../schemas/errors.ts';
import { rldsRecord } from '../../sources/formats/rlds.ts';
import { type ReadOptions, type RecordRead, readRecords } from '../../sources/formats/tfrecord.ts';
import { type CountingFile, fixture, fixtureJson, memoryFile } from './memory-file.ts';

interface Damaged {
  offsets: number[];
  lengths: number[];
  cases: Record<string, { code: string; tensorflow: { ids: string[]; error: string | null } }>;
}
const damaged = fixtureJson<Damaged>('damaged.json');

async function drain(
  file: CountingFile,
  options?: ReadOptions,
): Promise<{ reads: RecordRead[]; error: PrepError | null }> {
  const reads: RecordRead[] = [];
  try {
    for await (const read of readRecords(file, options)) reads.push(read);
  } catch (error) {
    if (!(error instanceof PrepError)) throw error;
    return { reads, error };
  }
  return { reads, error: null };
}

const idsOf = (reads: RecordRead[]): string[] =>
  reads.flatMap((read) =>
    read.kind === 'record' ? rldsRecord(read.data, new Map()).text('episode_metadata/episode_id') : [],
  );
const shard = (name: string): CountingFile => memoryFile(`${name}.tfrecord`, fixture(`damaged/${name}.tfrecord`));

describe('shards damaged in one way', () => {
  for (const [name, { code, tensorflow }] of Object.entries(damaged.cases))
    it(`${name}: ${code}`, async () => {
      const { reads, error } = await drain(shard(name), { expected: 3 });
      const faults = [
        ...reads.flatMap((read) => (read.kind === 'damaged' ? [read.error] : [])),
        ...(error ? [error] : []),
      ];
      // length_beyond hides the third record: besides the damage the count is wrong.
      const codes = name === 'length_beyond' ? [code, 'count-mismatch'] : [code];
      expect(faults.map((fault) => fault.code)).toEqual(code === 'read' ? [] : codes);
      for (const fault of faults) expect(fault.message).toContain(`${name}.tfrecord`);
      // TensorFlow stops at the first bad record; a bad checksum of data leaves the next record readable.
      const after = code === 'bad-data-checksum' ? ['episode-2'] : [];
      expect(idsOf(reads)).toEqual([...tensorflow.ids, ...after]);
    });

  it('names record, offset and both checksums', async () => {
    const { reads } = await drain(shard('data_bit'));
    const bad = reads[1]!;
    expect(bad).toMatchObject({ kind: 'damaged', record: 1, offset: damaged.offsets[1], length: damaged.lengths[1] });
    expect(bad.kind === 'damaged' && bad.error.message).toMatch(
      /record 1, offset \d+.*checksum 0x[0-9a-f]{8}, found 0x[0-9a-f]{8}/,
    );
    const { error } = await drain(shard('length_bit'));
    expect(error?.at).toEqual({ shard: 'length_bit.tfrecord', record: 1, offset: damaged.offsets[1] });
    expect(error?.message).toContain('length checksum');
  });

  it('names both counts, and the impossible length without reading it', async () => {
    expect((await drain(shard('count_low'), { expected: 3 })).error?.message).toMatch(/expected 3 records.*found 2/);
    const bomb = shard('length_huge');
    expect((await drain(bomb)).error?.message).toContain(`${2n ** 62n} bytes`);
    expect(bomb.counts.largest).toBeLessThan(1000);
    const beyond = shard('length_beyond');
    await drain(beyond);
    expect(beyond.counts.largest).toBeLessThan(1000);
  });

  it('says what is there of a record that is cut short', async () => {
    const { reads } = await drain(shard('truncated_tail'), { expected: 3 });
    expect(reads[2]).toMatchObject({
      kind: 'damaged',
      record: 2,
      offset: damaged.offsets[2],
      length: damaged.lengths[2]! - 30,
    });
  });
});

describe('reading', () => {
  it('gives every record its own transferable buffer', async () => {
    for (const read of (await drain(shard('good'))).reads) {
      if (read.kind !== 'record') throw read.error;
      expect([read.data.byteOffset, read.data.buffer.byteLength]).toEqual([0, read.length - 16]);
      expect(structuredClone(read.data, { transfer: [read.data.buffer] }).length).toBe(read.length - 16);
    }
  });

  it('skips without reading the data, but not past a broken length', async () => {
    const asked: number[][] = [];
    const file = shard('good');
    const { reads } = await drain(file, { expected: 3, skip: (...frame) => asked.push(frame) > 0 && frame[0] < 2 });
    expect(asked).toEqual(damaged.offsets.map((offset, record) => [record, offset, damaged.lengths[record]]));
    expect(reads.map(({ record, offset }) => [record, offset])).toEqual([[2, damaged.offsets[2]]]);
    expect(file.counts.bytes).toBe(3 * 12 + damaged.lengths[2]! - 12);
    const { error } = await drain(shard('length_bit'), { skip: () => true });
    expect(error?.code).toBe('bad-length-checksum');
    // Damaged data that is skipped is not looked at; a damage already recorded is not reported again.
    expect((await drain(shard('data_bit'), { expected: 3, skip: () => true })).error).toBeNull();
    expect((await drain(shard('truncated_tail'), { expected: 3, skip: () => true })).reads).toEqual([]);
  });

  it('honours a smaller limit and an empty shard of no records', async () => {
    expect((await drain(shard('good'), { maxRecordBytes: 100 })).error?.code).toBe('impossible-length');
    expect(await drain(memoryFile('none', new Uint8Array(0)), { expected: 0 })).toEqual({ reads: [], error: null });
    expect(await drain(memoryFile('none', new Uint8Array(0)))).toEqual({ reads: [], error: null });
  });

  it('blames compression only at the start of the file', async () => {
    const bytes = fixture('damaged/good.tfrecord');
    bytes.set([0x1f, 0x8b, 0x08], damaged.offsets[1]);
    expect((await drain(memoryFile('magic', bytes))).error?.code).toBe('bad-length-checksum');
  });

  it('does not take a length that looks like the gzip magic for compression', async () => {
    // 0x8b1f bytes of data: the length field itself begins with 1f 8b.
    const data = new Uint8Array(0x8b1f).fill(7);
    const { reads, error } = await drain(memoryFile('odd', framed(data)));
    expect(error).toBeNull();
    expect(reads[0]).toMatchObject({ kind: 'record', length: data.length + 16 });
  });
});

/** CRC-32C bit by bit: slow, and nothing in common with the reader's. */
function crcByBits(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

function framed(data: Uint8Array): Uint8Array {
  const out = new Uint8Array(data.length + 16);
  const view = new DataView(out.buffer);
  const masked = (bytes: Uint8Array): number => {
    const crc = BigInt(crcByBits(bytes));
    return Number((((crc >> 15n) | (crc << 17n)) + 0xa282ead8n) & 0xffffffffn);
  };
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, masked(out.subarray(0, 8)), true);
  out.set(data, 12);
  view.setUint32(12 + data.length, masked(data), true);
  return out;
}

const concat = (parts: Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));

describe('laws', () => {
  it('reads back what an independent encoder wrote', () =>
    fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 6 }), async (records) => {
        const { reads, error } = await drain(memoryFile('law', concat(records.map(framed))), {
          expected: records.length,
        });
        expect(error).toBeNull();
        expect(reads.map((read) => read.kind === 'record' && [...read.data])).toEqual(records.map((data) => [...data]));
      }),
    ));

  it('ends on any bytes, with nothing but a PrepError', () =>
    fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => void (await drain(memoryFile('x', bytes)))),
    ));

  it('notices every flipped bit, and delivers what came before', () =>
    fc.assert(
      fc.asyncProperty(fc.nat(446 * 8 - 1), async (bit) => {
        const bytes = fixture('damaged/good.tfrecord');
        bytes[bit >> 3]! ^= 1 << (bit & 7);
        const { reads, error } = await drain(memoryFile('flip', bytes), { expected: 3 });
        const record = damaged.offsets.filter((offset) => offset <= bit >> 3).length - 1;
        const found = error?.at.record ?? reads.find((read) => read.kind === 'damaged')?.record;
        expect(found).toBe(record);
        expect(idsOf(reads).slice(0, record)).toEqual(['episode-0', 'episode-1', 'episode-2'].slice(0, record));
      }),
    ));
});
