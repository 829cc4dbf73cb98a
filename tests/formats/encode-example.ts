/** tf.train.Example written straight from the wire format's description: nothing in common with the parser. */

export const varint = (value: bigint): number[] => {
  const rest = BigInt.asUintN(64, value);
  return rest < 128n ? [Number(rest)] : [Number(rest & 127n) | 128, ...varint(rest >> 7n)];
};
export const field = (number: number, payload: number[]): number[] => [
  ...varint(BigInt(number * 8 + 2)),
  ...varint(BigInt(payload.length)),
  ...payload,
];
export const floatBytes = (values: number[]): number[] => [...new Uint8Array(Float32Array.from(values).buffer)];

/** One Feature each; lists packed. */
export const floats = (values: number[]): number[] => field(2, field(1, floatBytes(values)));
export const ints = (values: number[]): number[] =>
  field(
    3,
    field(
      1,
      values.flatMap((value) => varint(BigInt(value))),
    ),
  );
export const bytes = (values: (string | number[])[]): number[] =>
  field(
    1,
    values.flatMap((value) => field(1, typeof value === 'string' ? [...new TextEncoder().encode(value)] : value)),
  );

export function exampleBytes(features: Record<string, number[]>): Uint8Array<ArrayBuffer> {
  const entries = Object.entries(features).flatMap(([key, feature]) =>
    field(1, [...field(1, [...new TextEncoder().encode(key)]), ...field(2, feature)]),
  );
  return Uint8Array.from(field(1, entries));
}
