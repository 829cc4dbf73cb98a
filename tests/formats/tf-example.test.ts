import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PrepError } from '../../schemas/errors.ts';
import { countOf, type Feature, floatValues, intValues, parseExample } from '../../sources/formats/tf-example.ts';
import { exampleBytes, field, floatBytes, varint } from './encode-example.ts';
import { failure, fixtureJson } from './memory-file.ts';

interface Wire {
  name: string;
  hex: string;
  /** What TensorFlow parses; null where it refuses. Integers as decimal texts, bytes as hex. */
  expected: Record<string, { kind: string; values: (string | number)[] }> | null;
}
const wire = fixtureJson<Wire[]>('wire.json');
const bytesOf = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'));
const KIND = { int64: 'ints', float: 'floats', bytes: 'bytes', empty: 'empty' } as const;

function valuesOf(feature: Feature): (string | number)[] {
  if (feature.kind === 'bytes') return feature.values.map((value) => Buffer.from(value).toString('hex'));
  if (feature.kind === 'floats') return [...floatValues(feature)];
  return feature.kind === 'ints' ? [...intValues(feature)].map(String) : [];
}

describe('wire format, as TensorFlow parses it', () => {
  for (const { name, hex, expected } of wire)
    it(name, async () => {
      if (expected === null) {
        expect((await failure(() => parseExample(bytesOf(hex)))).code).toBe('not-an-example');
        return;
      }
      const features = parseExample(bytesOf(hex));
      expect([...features.keys()].sort()).toEqual(Object.keys(expected).sort());
      for (const [key, { kind, values }] of Object.entries(expected)) {
        const feature = features.get(key)!;
        // A list without values is as good as none.
        expect(feature.kind).toBe(values.length === 0 ? 'empty' : KIND[kind as keyof typeof KIND]);
        expect(valuesOf(feature)).toEqual(values);
        expect(countOf(feature)).toBe(values.length);
      }
    });

  it('is exact for int64, in floats where they suffice', () => {
    const ints = (name: string) => {
      const feature = parseExample(bytesOf(wire.find((one) => one.name === name)!.hex)).get('a')!;
      return feature.kind === 'ints' ? intValues(feature) : null;
    };
    expect(ints('packed ints, safe')).toBeInstanceOf(Float64Array);
    expect(ints('packed ints, all of int64')).toBeInstanceOf(BigInt64Array);
  });

  it('refuses a value that is a varint without end', async () => {
    const list = field(3, field(1, [...Array(11).fill(0x80), 1]));
    const feature = parseExample(exampleBytes({ a: list })).get('a')!;
    expect((await failure(() => feature.kind === 'ints' && intValues(feature))).code).toBe('not-an-example');
  });

  it('copies no bytes', () => {
    const data = bytesOf(wire.find((one) => one.name === 'bytes with an empty one')!.hex);
    const feature = parseExample(data).get('a')!;
    expect(feature.kind === 'bytes' && feature.values[0]!.buffer === data.buffer).toBe(true);
  });

  it('refuses a message that is legal but holds no features', async () => {
    // Field 2, "hi": TensorFlow reads it as an empty Example, which would pass for an episode of zero steps.
    expect((await failure(() => parseExample(Uint8Array.of(0x12, 2, 104, 105)))).code).toBe('not-an-example');
  });

  it('takes an empty record for an Example without features', () => {
    expect(parseExample(new Uint8Array(0)).size).toBe(0);
  });
});

const value = fc.oneof(
  fc.record({
    kind: fc.constant('ints' as const),
    packed: fc.boolean(),
    values: fc.array(fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n), { minLength: 1 }),
  }),
  fc.record({
    kind: fc.constant('floats' as const),
    packed: fc.boolean(),
    values: fc.array(fc.float({ noNaN: true }), { minLength: 1 }),
  }),
  fc.record({
    kind: fc.constant('bytes' as const),
    packed: fc.boolean(),
    values: fc.array(fc.uint8Array(), { minLength: 1 }),
  }),
);

type Value = typeof value extends fc.Arbitrary<infer T> ? T : never;

function encode({ kind, packed, values }: Value): number[] {
  if (kind === 'bytes')
    return field(
      1,
      values.flatMap((bytes) => field(1, [...bytes])),
    );
  if (kind === 'floats') {
    const list = packed ? field(1, floatBytes(values)) : values.flatMap((one) => [13, ...floatBytes([one])]);
    return field(2, list);
  }
  return field(3, packed ? field(1, values.flatMap(varint)) : values.flatMap((one) => [8, ...varint(one)]));
}

const plain = (values: ArrayLike<unknown>): string[] => Array.from(values, String);

describe('laws', () => {
  it('reads back what an independent encoder wrote', () =>
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'grapheme' }), value, { noNullPrototype: true }), (example) => {
        const entries = Object.entries(example).flatMap(([key, one]) =>
          field(1, [...field(1, [...new TextEncoder().encode(key)]), ...field(2, encode(one))]),
        );
        const features = parseExample(Uint8Array.from(field(1, entries)));
        expect([...features.keys()].sort()).toEqual(Object.keys(example).sort());
        for (const [key, { kind, values }] of Object.entries(example)) {
          const found = features.get(key)!;
          expect(found.kind).toBe(kind);
          if (found.kind === 'bytes')
            expect(found.values.map(plain)).toEqual(values.map((one) => plain(one as Uint8Array)));
          if (found.kind === 'floats')
            expect([...floatValues(found)]).toEqual([...Float32Array.from(values as number[])]);
          if (found.kind === 'ints') expect(plain(intValues(found))).toEqual(plain(values));
        }
      }),
    ));

  it('ends on any bytes, with nothing but a PrepError', () => {
    const seed = bytesOf(wire[0]!.hex);
    const mutated = fc.array(fc.tuple(fc.nat(seed.length - 1), fc.nat(255)), { maxLength: 4 }).map((edits) => {
      const bytes = seed.slice();
      for (const [at, byte] of edits) bytes[at] = byte;
      return bytes;
    });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), mutated), (bytes) => {
        try {
          for (const feature of parseExample(bytes).values()) valuesOf(feature);
        } catch (error) {
          if (!(error instanceof PrepError) || error.code !== 'not-an-example') throw error;
        }
      }),
      { numRuns: 2000 },
    );
  });
});
