/** Expected values that `fixtures/features/make.py` made with numpy and scipy. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { FeatureCodec } from '../../schemas/features.ts';
import { type Codec, codecOf } from '../../transforms/features/codec.ts';
import type { TapQuality } from '../../transforms/features/gate.ts';
import type { Int8Stored, Shape } from '../../transforms/features/int8.ts';

export const golden = <T>(name: string): T =>
  JSON.parse(readFileSync(new URL(`../../fixtures/features/${name}.json`, import.meta.url), 'utf8'));

function bytesOf(text: string): ArrayBuffer {
  const bytes = Buffer.from(text, 'base64');
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
}
export const floats = (text: string): Float32Array => new Float32Array(bytesOf(text));
export const words = (text: string): Uint16Array => new Uint16Array(bytesOf(text));
export const bytes = (text: string): Int8Array => new Int8Array(bytesOf(text));

export const sha256 = (values: ArrayBufferView): string =>
  createHash('sha256')
    .update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
    .digest('hex');

type Errors = readonly Omit<TapQuality, 'tap'>[];

export interface Int8Case extends Shape {
  readonly rows: number;
  readonly block: number;
  readonly signs: readonly (1 | -1)[];
  readonly outliers: readonly (readonly number[])[];
  readonly x: string;
  readonly plain: { readonly values: string; readonly scale: string; readonly errors: Errors };
  readonly hq8: Readonly<Record<keyof Int8Stored | 'decoded', string>> & { readonly errors: Errors };
  readonly f16: { readonly values: string; readonly errors: Errors };
  readonly bf16: { readonly values: string; readonly errors: Errors };
}

export const cases = golden<readonly Int8Case[]>('int8');

export type Int8Spec = Extract<FeatureCodec, { name: 'int8' }>;

export const hq8Of = ({ block, signs, outliers }: Omit<Int8Spec, 'name'>): Int8Spec => ({
  name: 'int8',
  block,
  signs,
  outliers,
});

/** Neither turned nor split. */
export const plainOf = ({ taps, hidden }: Shape): Int8Spec => ({
  name: 'int8',
  block: 1,
  signs: Array<1>(hidden).fill(1),
  outliers: Array.from({ length: taps }, () => []),
});

/** Encodes, decodes. */
export function there(codec: Codec, values: Float32Array): Float32Array {
  return codec.decode(codec.encode(values));
}

export const codecFor = (spec: FeatureCodec, shape: Shape): Codec => codecOf(spec, shape);

/** How many differ, and by how much at most. */
export function differences(found: ArrayLike<number>, wanted: ArrayLike<number>): { count: number; most: number } {
  let [count, most] = [0, 0];
  for (let i = 0; i < wanted.length; i++) {
    const by = Math.abs(found[i]! - wanted[i]!);
    if (!(by === 0)) count++;
    if (!(by <= most)) most = by;
  }
  return { count: count + Math.abs(found.length - wanted.length), most };
}

export function largestOfAll(values: Float32Array): number {
  return values.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
}
